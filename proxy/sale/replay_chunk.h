// Records of one shelf on their way back into Redis: the wire form that scripts/replay.lua takes.
//
// Filled by the replay's thread in the journal's order, sent whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "journal/record.h"

namespace sluice::proxy::sale {

// Of one item.
class ItemChunk {
 public:
  void add(const journal::Record& record);
  // The array of the item; empties the chunk.
  std::string take();

 private:
  void add_born(uint64_t born);
  void add_purchase(const journal::Record& record);
  void add_other(const journal::Record& record);

  std::string bytes_;  // the array, its length to be filled in
  uint32_t elements_ = 0;
  uint64_t born_ = 0;  // of the last record; 0: there was none
  // The purchases of one batch that follow each other share a head, which tells how many.
  size_t run_count_at_ = 0;  // where in bytes_; 0: the last record was no purchase
  uint32_t run_count_ = 0;
  uint64_t run_batch_ = 0;

  friend class ReplayChunk;
};

class ReplayChunk {
 public:
  // In order. All records of a batch belong into one chunk.
  void add(const journal::Record& record);

  bool empty() const { return items_.empty(); }
  size_t bytes() const { return bytes_; }
  uint64_t last_lane_sequence() const { return last_lane_sequence_; }

  // The script's items, and its arguments of their names and records; empties the chunk.
  struct Arguments {
    std::vector<std::string> items;
    std::string names, records;
  };
  Arguments take();

 private:
  std::unordered_map<std::string, ItemChunk> items_;
  std::vector<std::string_view> order_;  // of the items; views of the keys
  size_t bytes_ = 0;
  uint64_t last_lane_sequence_ = 0;
};

}  // namespace sluice::proxy::sale
