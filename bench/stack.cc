#include "bench/stack.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "bench/address.h"
#include "bench/control.h"
#include "bench/interrupt.h"
#include "bench/sql_program.h"

namespace sluice::bench {
namespace {

constexpr int64_t kStartTimeoutUs = 60'000'000;
constexpr int64_t kDrainTimeoutUs = 600'000'000;
constexpr useconds_t kDrainPollUs = 2'000;
constexpr int kDatabaseLogMib = 512;
constexpr const char* kDatabase = "sluice_bench";
constexpr const char* kUser = "sluice";
constexpr const char* kPassword = "sluice-bench";  // of a server that listens on loopback only

bool answers_ping(const std::string& address) {
  auto control = Control::connect(address);
  return control && control->command({"PING"}).ok();
}

Status write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  ::chmod(path.c_str(), 0600);
  file << text << std::flush;
  if (!file) return Error(ErrorClass::kIo, path + ": cannot be written");
  return {};
}

// Whether the log has, behind its first `skipped` bytes, the line with which a drain ends.
bool says_drained(const std::string& log, std::streamoff skipped) {
  std::ifstream file(log);
  file.seekg(skipped);
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with(" drained")) return true;
  }
  return false;
}

void add_overrides(std::vector<std::string>& words, const std::vector<std::string>& overrides) {
  for (const std::string& override_text : overrides) {
    words.push_back("--set");
    words.push_back(override_text);
  }
}

}  // namespace

Result<std::unique_ptr<Stack>> Stack::create(const StackOptions& options) {
  auto folder = TempFolder::create(options.folder);
  if (!folder) return folder.error();
  return std::unique_ptr<Stack>(new Stack(options, std::move(*folder)));
}

Result<Process*> Stack::start(const std::string& name, const std::vector<std::string>& words) {
  auto process = Process::start(name, words, path(name + ".log"));
  if (!process) return process.error();
  processes_.all.push_back(std::move(*process));
  return processes_.all.back().get();
}

pid_t Stack::pid_of(const std::string& name) const {
  for (const auto& process : processes_.all) {
    if (process->name() == name) return process->pid();
  }
  return -1;
}

Result<std::string> Stack::start_redis(const std::string& name,
                                       const std::vector<std::string>& settings) {
  const auto port = free_port();
  if (!port) return port.error();
  const std::string data = path(name);
  if (::mkdir(data.c_str(), 0700) != 0) return base::errno_error(errno, data);
  std::vector<std::string> words{"redis-server",
                                 "--port",
                                 std::to_string(*port),
                                 "--bind",
                                 "127.0.0.1",
                                 "--dir",
                                 data,
                                 "--save",
                                 "",
                                 "--auto-aof-rewrite-percentage",
                                 "0"};
  for (size_t i = 0; i + 1 < settings.size(); i += 2) {
    words.push_back("--" + settings[i]);
    words.push_back(settings[i + 1]);
  }
  auto process = start(name, words);
  if (!process) return process.error();
  const std::string address = "127.0.0.1:" + std::to_string(*port);
  SLUICE_TRY(wait_until_ready(**process, kStartTimeoutUs, [&] { return answers_ping(address); }));
  return address;
}

// One connection to the server, made at once, never given up: twemproxy's own advice for a single
// server. Buffers of 512 bytes, the smallest that it takes, are the fastest for small commands: a
// fifth more than its default of 16 KiB with 16 commands in flight, no difference with one.
Result<std::string> Stack::start_twemproxy(const std::string& redis_address) {
  const auto port = free_port();
  if (!port) return port.error();
  const auto stats_port = free_port();
  if (!stats_port) return stats_port.error();
  const std::string address = "127.0.0.1:" + std::to_string(*port);
  SLUICE_TRY(write_file(path("twemproxy.yml"),
                        "bench:\n  listen: " + address +
                            "\n  redis: true\n  hash: fnv1a_64\n  distribution: modula\n"
                            "  preconnect: true\n  auto_eject_hosts: false\n"
                            "  server_connections: 1\n  backlog: 1024\n  servers:\n   - " +
                            redis_address + ":1\n"));
  auto process =
      start("nutcracker", {"nutcracker", "-m", "512", "-c", path("twemproxy.yml"), "-a",
                           "127.0.0.1", "-s", std::to_string(*stats_port), "-p",
                           path("twemproxy.pid"), "-o", path("twemproxy.log"), "-v", "2"});
  if (!process) return process.error();
  // It knows no PING without a key; any answer will do.
  SLUICE_TRY(wait_until_ready(**process, kStartTimeoutUs, [&] {
    auto control = Control::connect(address);
    return control && control->command({"EXISTS", "ready"}).ok();
  }));
  return address;
}

Status Stack::install_database(const std::string& data) {
  const SqlProgram program;
  auto install = Process::start(program.name() + "-install", program.install(data, folder()),
                                path("sql-install.log"));
  if (!install) return install.error();
  const auto code = (*install)->wait(kStartTimeoutUs);
  if (!code) return code.error();
  if (*code != 0) return (*install)->failure("failed");
  const std::string account = std::string("'") + kUser + "'@'127.0.0.1'";
  return write_file(path("accounts.sql"), std::string("CREATE DATABASE ") + kDatabase +
                                              ";\nCREATE USER " + account + " IDENTIFIED BY '" +
                                              kPassword + "';\nGRANT ALL ON *.* TO " + account +
                                              ";\n");
}

Status Stack::start_database() {
  const SqlProgram program;
  const std::string data = path("sql");
  SLUICE_TRY(install_database(data));
  const auto port = free_port();
  if (!port) return port.error();
  auto process = start(
      program.name(),
      program.serve(data, folder(), kDatabaseLogMib,
                    {"--port=" + std::to_string(*port), "--bind-address=127.0.0.1",
                     "--skip-name-resolve", "--init-file=" + path("accounts.sql"),
                     "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=1G",
                     "--skip-log-bin"}));
  if (!process) return process.error();
  database_.port = static_cast<uint16_t>(*port);
  database_.user = kUser;
  database_.password = kPassword;
  database_.allow_public_key_retrieval = true;  // of a MySQL of our own, on the loopback
  database_.database = kDatabase;
  return wait_until_ready(**process, kStartTimeoutUs, [&] {
    sql::Connection connection;
    return !connection.connect(database_).has_value();
  });
}

Status Stack::write_configs(const std::string& redis_address, int proxy_port) {
  const auto proxy_admin = free_port();
  if (!proxy_admin) return proxy_admin.error();
  const auto flusher_admin = free_port();
  if (!flusher_admin) return flusher_admin.error();
  SLUICE_TRY(write_file(path("mysql.password"), kPassword));
  const std::string local = "\"127.0.0.1:";
  SLUICE_TRY(write_file(
      path("proxy.toml"),
      "[listen]\naddress = " + local + std::to_string(proxy_port) + "\"\n" + "[admin]\naddress = " +
          local + std::to_string(*proxy_admin) + "\"\n" + "[redis]\nservers = [\"" + redis_address +
          "\"]\n" + "[journal]\ndir = \"" + path("journal") + "\"\nfsync = \"always\"\n" +
          "[flusher]\nadmin = \"http://127.0.0.1:" + std::to_string(*flusher_admin) + "\"\n"));
  return write_file(path("flusher.toml"),
                    "[journal]\ndir = \"" + path("journal") + "\"\n" + "[mysql]\nhost = \"" +
                        database_.host + "\"\nport = " + std::to_string(database_.port) +
                        "\nuser = \"" + database_.user + "\"\npassword_file = \"" +
                        path("mysql.password") + "\"\ndatabase = \"" + database_.database +
                        "\"\ncreate_schema = true\nallow_public_key_retrieval = true\n" +
                        "[admin]\naddress = " + local + std::to_string(*flusher_admin) + "\"\n");
}

Result<std::string> Stack::start_proxy(const std::string& redis_address) {
  const auto port = free_port();
  if (!port) return port.error();
  SLUICE_TRY(write_configs(redis_address, *port));
  std::vector<std::string> words{options_.bin_folder + "/sluice-proxy", "--config",
                                 path("proxy.toml")};
  add_overrides(words, options_.proxy_set);
  auto process = start("sluice-proxy", words);
  if (!process) return process.error();
  const std::string address = "127.0.0.1:" + std::to_string(*port);
  // Other commands may be answered before the gate of the sale is open.
  SLUICE_TRY(wait_until_ready(**process, kStartTimeoutUs, [&] {
    auto control = Control::connect(address);
    return control && control->command({"SECKILL.CREATE", "ready", "STOCK", "1"}).ok();
  }));
  return address;
}

Result<double> Stack::drain() {
  std::vector<std::string> words{options_.bin_folder + "/sluice-flusher", "--config",
                                 path("flusher.toml"), "--once"};
  add_overrides(words, options_.flusher_set);
  const std::string log = path("sluice-flusher.log");
  std::error_code none_yet;
  const auto old_bytes = std::filesystem::file_size(log, none_yet);
  const int64_t start_us = base::monotonic_us();
  auto flusher = Process::start("sluice-flusher", words, log);
  if (!flusher) return flusher.error();
  while ((*flusher)->running() && !interrupted() &&
         !says_drained(log, none_yet ? 0 : static_cast<std::streamoff>(old_bytes)) &&
         base::monotonic_us() < start_us + kDrainTimeoutUs) {
    ::usleep(kDrainPollUs);
  }
  const double seconds = static_cast<double>(base::monotonic_us() - start_us) / 1e6;
  const auto code = (*flusher)->wait(kDrainTimeoutUs);
  if (!code) return code.error();
  if (*code != 0) return (*flusher)->failure("exit code " + std::to_string(*code));
  return seconds;
}

}  // namespace sluice::bench
