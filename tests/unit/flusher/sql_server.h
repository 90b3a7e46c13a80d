// A real mariadbd or mysqld of the test's own: empty, in a temporary folder, on a unix socket only.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "bench/sql_program.h"
#include "sql/connection.h"
#include "tests/unit/temp_folder.h"

namespace sluice::testing_support {

// Polls `condition` until it holds; false once the time is over.
template <class Condition>
bool eventually(Condition condition, int timeout_ms = 20'000) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

class Process {
 public:
  // Output goes to `log`. The child dies with this process.
  static pid_t start(const std::vector<std::string>& command, const std::string& log) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  // The exit code; negative: the signal.
  static int wait(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
};

class SqlServer {
 public:
  static constexpr int kStartWithinMs = 60'000;  // a MySQL on a busy machine takes its time
  // `settings`: further options of the server.
  explicit SqlServer(std::vector<std::string> settings = {}) : settings_(std::move(settings)) {
    const pid_t install = Process::start(program_.install(data(), dir_.path()), log());
    if (Process::wait(install) != 0) ADD_FAILURE() << "no data folder is made: " << log();
    start();
  }
  ~SqlServer() { stop(SIGKILL); }

  void start() {
    std::vector<std::string> settings{"--skip-networking", "--innodb-buffer-pool-size=64M"};
    settings.insert(settings.end(), settings_.begin(), settings_.end());
    child_ = Process::start(program_.serve(data(), dir_.path(), 32, settings), log());
    const bool up =
        eventually([this] { return !sql::Connection().connect(options("")); }, kStartWithinMs);
    if (!up) ADD_FAILURE() << program_.name() << " does not start: " << log();
  }
  void stop(int signal) {
    if (child_ <= 0) return;
    ::kill(child_, signal);
    Process::wait(child_);
    child_ = 0;
  }

  const bench::SqlProgram& program() const { return program_; }
  std::string socket() const { return dir_.path() + "/my.sock"; }
  sql::ConnectOptions options(const std::string& database) const {
    sql::ConnectOptions options;
    options.unix_socket = socket();
    options.user = "root";
    options.database = database;
    options.lock_wait_s = 1;
    return options;
  }

 private:
  std::string data() const { return dir_.path() + "/data"; }
  std::string log() const { return dir_.path() + "/log"; }

  const bench::SqlProgram program_;
  test::TempFolder dir_;
  const std::vector<std::string> settings_;
  pid_t child_ = 0;
};

// Started by the first test that asks for it, ended with the program.
inline SqlServer& server() {
  static SqlServer instance;
  return instance;
}

// A database of the test's own.
class Database {
 public:
  Database() : name_("test" + std::to_string(++counter())) {
    auto failure = sql::Connection().connect(server().options(""));
    if (failure) ADD_FAILURE() << failure->text();
    run_without_database("CREATE DATABASE " + name_);
  }
  ~Database() { run_without_database("DROP DATABASE IF EXISTS " + name_); }

  const std::string& name() const { return name_; }
  sql::ConnectOptions options() const { return server().options(name_); }

  // All rows as text: columns by ",", rows by ";". NULL is "NULL".
  std::string ask(const std::string& query) const {
    sql::Connection connection;
    std::vector<sql::Row> rows;
    auto failure = connection.connect(options());
    if (!failure) failure = connection.query(query, rows);
    if (failure) return failure->text();
    std::string text;
    for (const sql::Row& row : rows) {
      if (!text.empty()) text += ';';
      for (size_t i = 0; i < row.size(); ++i) text += (i ? "," : "") + row[i].value_or("NULL");
    }
    return text;
  }
  void run(const std::string& statement) const {
    sql::Connection connection;
    auto failure = connection.connect(options());
    if (!failure) failure = connection.exec(statement);
    if (!failure) failure = connection.exec("COMMIT");
    if (failure) ADD_FAILURE() << statement << ": " << failure->text();
  }

 private:
  static int& counter() {
    static int value = 0;
    return value;
  }
  static void run_without_database(const std::string& statement) {
    sql::Connection connection;
    if (!connection.connect(server().options(""))) (void)connection.exec(statement);
  }
  const std::string name_;
};

}  // namespace sluice::testing_support
