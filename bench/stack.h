// The servers of a comparison: private, on free loopback ports, with their data in one temporary
// folder; all of it is gone when the Stack is.
//
// One thread. Every start waits until the server answers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/process.h"
#include "bench/temp_folder.h"
#include "sql/connection.h"

namespace sluice::bench {

struct StackOptions {
  std::string folder = "/var/tmp";     // parent of the data; on a real disk, or fsync costs nothing
  std::string bin_folder;              // where sluice-proxy and sluice-flusher are
  std::vector<std::string> proxy_set;  // "key=value", passed on as --set
  std::vector<std::string> flusher_set;
};

class Stack {
 public:
  static Result<std::unique_ptr<Stack>> create(const StackOptions& options);

  // A redis-server with no RDB saves and no rewrites in mid-run, and `settings` besides
  // ({"appendonly", "yes"}); its address.
  Result<std::string> start_redis(const std::string& name,
                                  const std::vector<std::string>& settings);
  // A twemproxy (nutcracker) before that Redis; its address. kNotFound if it is not installed.
  Result<std::string> start_twemproxy(const std::string& redis_address);
  // A mariadbd (bench/sql_program.h) with its default durability, each commit synced, and an empty
  // database.
  Status start_database();
  // Instead of start_database(): one that runs already.
  void use_database(const sql::ConnectOptions& database) { database_ = database; }
  // The proxy's address. drain() needs the database to have been started before.
  Result<std::string> start_proxy(const std::string& redis_address);
  // Of a server started under that name; -1 if there is none.
  pid_t pid_of(const std::string& name) const;
  // Runs sluice-flusher --once to its end; the seconds from its start until it said that everything
  // was in MySQL. What comes after is housekeeping: it compacts the journal.
  Result<double> drain();

  const sql::ConnectOptions& database() const { return database_; }
  const std::string& folder() const { return folder_.path(); }

 private:
  Stack(const StackOptions& options, TempFolder folder)
      : options_(options), folder_(std::move(folder)) {}

  Result<Process*> start(const std::string& name, const std::vector<std::string>& words);
  Status install_database(const std::string& data);
  Status write_configs(const std::string& redis_address, int proxy_port);
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  const StackOptions options_;
  const TempFolder folder_;  // destroyed after the processes
  sql::ConnectOptions database_;

  // Stops the last one started first: nobody loses the server behind it.
  struct Processes {
    ~Processes() {
      while (!all.empty()) all.pop_back();
    }
    std::vector<std::unique_ptr<Process>> all;
  } processes_;
};

}  // namespace sluice::bench
