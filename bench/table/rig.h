// What every measure stands on: the servers of a round, loads against them, and the account of
// what buyers were told.
//
// A round begins with fresh servers (each Redis, the proxy with its journal), so that no round pays
// for what an earlier one left in memory or on disk; each is started when it is first asked for.
// MariaDB alone stays for the whole run, and its tables are emptied by settle(). One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/load.h"
#include "bench/order_check.h"
#include "bench/sale_workload.h"
#include "bench/stack.h"

namespace sluice::bench::table {

inline constexpr int64_t kEndlessStock = 2'000'000'000;  // every answer is an accepted purchase

// Who sells, each purchase of another buyer, one a buyer.
enum class Contender {
  kSluice,   // journal.fsync = "always"; its Redis without AOF, since the journal is the arbiter
  kDiy,      // EVALSHA with limit check and XADD, AOF always: what is as durable as Sluice
  kAofOnly,  // the same without the stream: durable, but nobody learns of the orders
  kPlain,    // the same script on a Redis that forgets everything
};
const char* contender_name(Contender contender);

struct Measured {
  LoadResult load;
  double redis_cpu_s = 0;  // of the contender's Redis, during the load
  double proxy_cpu_s = 0;  // of its proxy, journal included; 0 if it has none

  double per_second() const { return load.per_second(load.accepted); }
  // Of a request that was answered.
  double redis_us() const { return redis_cpu_s * 1e6 / static_cast<double>(load.answered()); }
  double proxy_us() const { return proxy_cpu_s * 1e6 / static_cast<double>(load.answered()); }
  double cpu_us() const { return redis_us() + proxy_us(); }
};

class Rig {
 public:
  static Result<std::unique_ptr<Rig>> create(const StackOptions& options, bool progress);

  Status begin_round();
  // Drains what Sluice has sold since the last time, compares MySQL with what was acknowledged, and
  // empties the tables: no item is sold on after that. kCorrupt if they differ: then no figure of
  // the run is worth anything. The seconds that the drain took; 0 if there was nothing.
  Result<double> settle();
  Status empty_tables();

  Result<std::string> address(Contender contender);
  Result<std::string> twemproxy_address();  // before plain's Redis; kNotFound if not installed
  Result<const sql::ConnectOptions*> database();
  const std::string& folder() const { return lasting_->folder(); }
  const StackOptions& stack_options() const { return options_; }

  // Runs a load against the contender's server; kUnavailable if it was interrupted.
  Result<Measured> run(Contender contender, LoadOptions load, Workload& workload);
  // Sells an item that is new and never sold out; an error if a single purchase was not accepted.
  Result<Measured> sell(Contender contender, const LoadOptions& load);
  // The same for Sluice, of items as `options` say; they may have been created before.
  Result<Measured> sell_items(const SaleOptions& options, const LoadOptions& load);
  // The same for another contender, whose items are created and removed with it.
  Result<Measured> sell_items_as(Contender contender, const SaleOptions& options,
                                 const LoadOptions& load);
  Status create_items(const SaleOptions& options, int64_t stock);
  // For measures that judge a sale at Sluice themselves.
  void note_acknowledged(const SaleOptions& options, const SaleWorkload& workload);

  std::string next_item() { return "bench-" + std::to_string(++items_made_); }
  // A line of progress on stderr.
  void say(const std::string& what, const std::string& who, const std::string& figure) const;

  std::string redis_version() const { return redis_version_; }
  std::string database_version() const { return database_version_; }
  uint64_t orders_checked() const { return orders_checked_; }
  uint64_t items_checked() const { return items_checked_; }

 private:
  Rig(const StackOptions& options, bool progress) : options_(options), progress_(progress) {}

  Result<std::string> start(const std::string& server);

  const StackOptions options_;
  const bool progress_;
  std::unique_ptr<Stack> lasting_;                // MariaDB
  std::unique_ptr<Stack> round_;                  // everything else
  std::map<std::string, std::string> addresses_;  // of the round's servers, by name
  bool has_database_ = false;
  AcceptedOrders acknowledged_;  // since the last settle()
  uint64_t items_made_ = 0;
  uint64_t orders_checked_ = 0;
  uint64_t items_checked_ = 0;
  std::string redis_version_, database_version_;
};

// An error that names what else there was, unless every purchase was accepted.
Status only_accepted(const LoadResult& result, const std::string& who);

// Every connection sends, waits for its replies, sends again.
LoadOptions closed_loop(int connections, int pipeline, double seconds, uint64_t requests);
// Purchases are due at fixed times, whatever the server does.
LoadOptions open_loop(int connections, double rate_per_s, double seconds);

}  // namespace sluice::bench::table
