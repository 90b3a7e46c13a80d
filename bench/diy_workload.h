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
#include "bench/zipf.h"

namespace sluice::bench {

struct DiyOptions {
  std::string address;
  std::string item;  // with several: the beginning of their names
  int64_t stock = 0;  // of each
  int64_t limit = 1;
  uint64_t buyers = 0;
  uint64_t repeat = 1;
  bool stream = true;
  uint32_t items = 1;  // up to 9,999, each with keys of its own
  double zipf = 0.99;  // exponent of their popularity, as in a sale through Sluice
};

class DiyWorkload : public Workload {
 public:
  // Loads the script and sets the stock of every item.
  static Result<std::unique_ptr<DiyWorkload>> create(const DiyOptions& options);

  void append_request(uint64_t index, std::string& out) override;
  Outcome judge(uint64_t index, std::string_view reply) override;

  // Removes the items' keys, so that runs do not fill the memory, and waits until they are freed.
  // Not part of any measurement.
  Status clean_up();

 private:
  explicit DiyWorkload(const DiyOptions& options)
      : options_(options),
        buyers_(options.buyers, options.repeat),
        zipf_(options.items, options.zipf) {}

  const DiyOptions options_;
  const Buyers buyers_;
  const Zipf zipf_;
  RequestTemplate request_;
};

}  // namespace sluice::bench
