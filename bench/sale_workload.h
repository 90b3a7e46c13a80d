// Purchases through Sluice: SECKILL.BUY item user REQ id.
//
// Besides encoding, it checks what a buyer would: a repeated REQ must get the order_id that it got
// before. With several items, which one a buyer wants follows Zipf's law. What was acknowledged is
// summed up for each item, to be compared with MySQL.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/buyers.h"
#include "bench/order_check.h"
#include "bench/workload.h"
#include "bench/zipf.h"

namespace sluice::bench {

struct SaleOptions {
  std::string item;  // with several: the beginning of their names
  uint64_t buyers = 0;
  uint64_t repeat = 1;
  bool with_req = true;
  std::string acked_path;  // "" : none
  uint32_t items = 1;      // up to 9,999
  double zipf = 0.99;      // exponent of the items' popularity
  uint64_t first_buyer = 0;
};

// The names of the items that such a sale sells.
std::vector<std::string> sale_items(const SaleOptions& options);

class SaleWorkload : public Workload {
 public:
  // kIo if the file for acknowledged orders cannot be written.
  static Result<std::unique_ptr<SaleWorkload>> create(const SaleOptions& options);

  void append_request(uint64_t index, std::string& out) override;
  Outcome judge(uint64_t index, std::string_view reply) override;

  uint64_t orders() const { return orders_; }          // distinct purchases accepted
  uint64_t mismatched() const { return mismatched_; }  // repeats that got another order_id
  // What was acknowledged of each item of sale_items(), in that order.
  const std::vector<Acknowledged>& acknowledged() const { return acknowledged_; }
  // Flushes and closes the file; an error means that it is not complete.
  Status close_acked();

 private:
  struct FileClose {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  explicit SaleWorkload(const SaleOptions& options);
  size_t item_of(uint64_t index) const { return acknowledged_.size() == 1 ? 0 : zipf_.at(index); }
  void note_order(uint64_t index, std::string_view order_id);
  bool is_new(uint64_t index, uint64_t order);
  void write_acked(uint64_t index, std::string_view order_id);

  const SaleOptions options_;
  const Buyers buyers_;
  const Zipf zipf_;
  RequestTemplate request_;
  std::vector<uint64_t> order_of_purchase_;  // only if purchases repeat; 0: none yet
  std::vector<Acknowledged> acknowledged_;   // by item
  uint64_t orders_ = 0;
  uint64_t mismatched_ = 0;
  std::unique_ptr<std::FILE, FileClose> acked_;
};

}  // namespace sluice::bench
