// What the micro-benchmarks work on: purchases as a shop sends them, with REQ and FIELDS.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "journal/record.h"
#include "proxy/sale/operation.h"

namespace sluice::bench::micro {

// `count` SECKILL.BUY commands as clients pipeline them.
std::string purchase_commands(size_t count);

// The same as operations, with order ids; all of one item.
std::vector<proxy::sale::Operation> purchase_operations(size_t count);

// The purchase script's answer that accepts `count` purchases.
std::string accepting_answer(uint64_t sequence, size_t count);

// Purchases as the journal has them, with the texts that their views point to. It does not move.
class SampleRecords {
 public:
  explicit SampleRecords(size_t count);
  SampleRecords(const SampleRecords&) = delete;

  const std::vector<journal::Record>& records() const { return records_; }
  // append_record() of all of them.
  const std::string& encoded() const { return encoded_; }

 private:
  const std::vector<proxy::sale::Operation> operations_;
  std::vector<journal::Record> records_;
  std::string encoded_;
};

}  // namespace sluice::bench::micro
