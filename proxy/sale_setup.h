// Puts the sale together: recovery, journal, owner threads, the line to the flusher; and takes it
// apart again in the order that loses nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "proxy/flusher_link.h"
#include "proxy/options.h"
#include "proxy/sale/sale.h"

namespace sluice::proxy {

class SaleSetup {
 public:
  // Recovers the journal and opens it. kCorrupt and kExists mean: do not start, to protect data
  // (exit code 3). `fatal` is called at most once, on any thread, when selling must end.
  static Result<std::unique_ptr<SaleSetup>> open(
      const Options& options, std::vector<std::unique_ptr<upstream::IoThread>>& threads,
      base::Registry& metrics, sale::Fatal fatal);
  ~SaleSetup();

  sale::Sale& sale() { return *sale_; }
  sale::Shared& shared() { return shared_; }
  sale::FlusherPort& flusher() { return flusher_; }

  // Connects to Redis and begins to sell. The I/O threads run.
  void start();
  // Refuses what is new, lets what is under way be decided and made durable, and queues its replies
  // on the I/O threads, which still run.
  Status stop();

 private:
  SaleSetup(const Options& options, base::Registry& metrics, sale::Fatal fatal);
  Status recover_journal(const Options& options, base::Registry& metrics);

  struct KnownItem {
    std::string name;
    uint64_t batch;
  };

  sale::SaleMetrics metrics_;
  sale::OrderIds order_ids_;
  sale::Shared shared_;
  std::unique_ptr<sale::Lanes> lanes_;
  FlusherLink flusher_;
  std::vector<KnownItem> known_items_;  // until the sale has them
  uint64_t recovered_sequence_ = 0;
  std::unique_ptr<journal::GroupCommit> journal_;
  std::vector<std::unique_ptr<upstream::Inbox>> inboxes_;
  std::unique_ptr<sale::Sale> sale_;
};

}  // namespace sluice::proxy
