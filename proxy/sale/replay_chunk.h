// Records of one item on their way back into Redis: the wire form that conf/replay.lua takes.
//
// Filled by the replay's thread in the journal's order, sent whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "journal/record.h"

namespace sluice::proxy::sale {

class ReplayChunk {
 public:
  // In order. All records of a batch belong into one chunk.
  void add(const journal::Record& record);
  // The script's ARGV[3]; empties the chunk.
  std::string take();

  bool empty() const { return elements_ == 0; }
  size_t bytes() const { return bytes_.size(); }

 private:
  void add_purchase(const journal::Record& record);
  void add_other(const journal::Record& record);

  std::string bytes_;  // the array, its length to be filled in
  uint32_t elements_ = 0;
  // The purchases of one batch that follow each other share a head, which tells how many.
  size_t run_count_at_ = 0;  // where in bytes_; 0: the last record was no purchase
  uint32_t run_count_ = 0;
  uint64_t run_batch_ = 0;
};

}  // namespace sluice::proxy::sale
