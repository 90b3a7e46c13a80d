// Puts the sale of one proxy together, from the journal's folder up: recovery, journal, peers,
// owner threads; and takes it apart again in the order that loses nothing. The one way to start a
// sale, for main.cc and for tests.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "journal/recovery.h"
#include "proxy/sale/sale.h"

namespace sluice::proxy::sale {

struct Settings {
  // Of the folder if it is not given; and if that is new, one at random.
  std::optional<uint64_t> proxy_id;
  uint32_t shelves = 64;
  upstream::Endpoint redis;
  journal::WriterOptions journal;  // but for `failed`, which the setup fills in
  Limits limits;
  int64_t slow_log_us = 10'000;  // as SlowLog::configure()
  size_t slow_log_entries = 128;
};

class SaleSetup {
 public:
  // Recovers the journal and opens it. kCorrupt, kExists and kRefused: do not start, to protect
  // data (exit code 3). `fatal` is called at most once, on any thread, when selling must end. All
  // that is given by reference outlives the setup.
  static Result<std::unique_ptr<SaleSetup>> open(
      const Settings& settings, base::FileSystem& files,
      std::vector<std::unique_ptr<upstream::IoThread>>& threads, base::Registry& metrics,
      FlusherPort& flusher, Fatal fatal);
  ~SaleSetup();

  Sale& sale() { return *sale_; }
  Shared& shared() { return shared_; }
  upstream::Inbox& inbox(size_t thread) { return *inboxes_[thread]; }

  // Connects to Redis and begins to sell. Before the I/O threads run or while they do.
  void start();
  // Refuses what is new, lets what is under way be decided and made durable, and queues its replies
  // on the I/O threads, which still run. When it returns the journal's folder is left to others.
  Status stop();

 private:
  // Of one shelf in the journal: the lane's last sequence, and the last record that is not known to
  // be in MySQL (0: none).
  struct Known {
    uint64_t lane_sequence = 0, record = 0;
  };
  using Sequences = std::vector<Known>;  // by shelf

  SaleSetup(const Settings& settings, uint64_t proxy_id, base::FileSystem& files,
            base::Registry& metrics, Fatal fatal);
  Result<journal::RecoveryReport> recover(const Settings& settings, Sequences& sequences);
  Status open_journal(const Settings& settings, base::Registry& metrics);

  SaleMetrics metrics_;
  const uint64_t proxy_id_;
  OrderIds order_ids_;
  Shared shared_;
  std::unique_ptr<Lanes> lanes_;
  std::unique_ptr<journal::GroupCommit> journal_;
  std::vector<std::unique_ptr<upstream::Inbox>> inboxes_;
  std::unique_ptr<Standings> standings_;  // tells the gates through their inboxes
  std::unique_ptr<Sale> sale_;
};

}  // namespace sluice::proxy::sale
