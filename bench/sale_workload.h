// Purchases through Sluice: SECKILL.BUY item user REQ id.
//
// Besides encoding, it checks what a buyer would: a repeated REQ must get the order_id that it got
// before, and no order_id may be given to two purchases.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/buyers.h"
#include "bench/workload.h"

namespace sluice::bench {

struct SaleOptions {
  std::string item;
  uint64_t buyers = 0;
  uint64_t repeat = 1;
  bool with_req = true;
  std::string acked_path;  // "" : none
};

class SaleWorkload : public Workload {
 public:
  // kIo if the file for acknowledged orders cannot be written.
  static Result<std::unique_ptr<SaleWorkload>> create(const SaleOptions& options);

  void append_request(uint64_t index, std::string& out) override;
  Outcome judge(uint64_t index, std::string_view reply) override;

  uint64_t orders() const { return orders_; }          // distinct purchases accepted
  uint64_t mismatched() const { return mismatched_; }  // repeats that got another order_id
  // Flushes and closes the file; an error means that it is not complete.
  Status close_acked();

 private:
  struct FileClose {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  explicit SaleWorkload(const SaleOptions& options);
  void note_order(uint64_t index, std::string_view order_id);

  const SaleOptions options_;
  const Buyers buyers_;
  RequestTemplate request_;
  std::vector<uint64_t> order_of_purchase_;  // only if purchases repeat; 0: none yet
  uint64_t orders_ = 0;
  uint64_t mismatched_ = 0;
  std::unique_ptr<std::FILE, FileClose> acked_;
};

}  // namespace sluice::bench
