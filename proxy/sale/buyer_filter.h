// Who may have bought an item: a Bloom filter over its buyers' names. "No" is certain, "yes" is
// wrong for about one name in a thousand.
//
// A split block filter, as Parquet and Impala have it: a name sets one bit in each of the eight
// words of one block, so that it costs one cache line to ask. Source of layout and salts:
// https://github.com/apache/parquet-format/blob/master/BloomFilter.md
//
// Filled by the item's owner thread, asked by every I/O thread at the same time; a name that was
// added is found by whoever learns afterwards that it was.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace sluice::proxy::sale {

inline uint64_t name_hash(std::string_view name) { return std::hash<std::string_view>{}(name); }

class BuyerFilter {
 public:
  static constexpr size_t kBitsPerBuyer = 16;

  // The memory of a filter for so many names.
  static size_t bytes_for(uint64_t names);

  explicit BuyerFilter(uint64_t names);

  void add(uint64_t name_hash);
  bool may_have(uint64_t name_hash) const;

 private:
  static constexpr size_t kWords = 8;
  using Block = std::atomic<uint32_t>[kWords];

  static uint64_t blocks_for(uint64_t names);
  const Block& block_of(uint64_t name_hash) const;

  const uint64_t blocks_count_;
  const std::unique_ptr<Block[]> blocks_;
};

}  // namespace sluice::proxy::sale
