// What a good engineer would build without Sluice: one EVALSHA a purchase against a plain Redis.
//
// The script checks stock and the buyer's limit before it writes, and appends the order to a
// stream for a consumer that the engineer would have to write; with AOF always that is as durable
// as Sluice with journal.fsync = "always". Without the stream it is the bare, non-durable counter.
// It does not do what Sluice does besides: idempotent REQs, cancels, receipts, lanes.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "bench/buyers.h"
#include "bench/workload.h"

namespace sluice::bench {

struct DiyOptions {
  std::string address;
  std::string item;
  int64_t stock = 0;
  int64_t limit = 1;
  uint64_t buyers = 0;
  uint64_t repeat = 1;
  bool stream = true;
};

class DiyWorkload : public Workload {
 public:
  // Loads the script and sets the item's stock.
  static Result<std::unique_ptr<DiyWorkload>> create(const DiyOptions& options);

  void append_request(uint64_t index, std::string& out) override;
  Outcome judge(uint64_t index, std::string_view reply) override;

  // Removes the item's keys, so that runs do not fill the memory, and waits until they are freed.
  // Not part of any measurement.
  Status clean_up();

 private:
  explicit DiyWorkload(const DiyOptions& options)
      : options_(options), buyers_(options.buyers, options.repeat) {}

  const DiyOptions options_;
  const Buyers buyers_;
  RequestTemplate request_;
};

}  // namespace sluice::bench
