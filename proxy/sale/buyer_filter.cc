#include "proxy/sale/buyer_filter.h"

#include <algorithm>

namespace sluice::proxy::sale {
namespace {

// Odd numbers; the upper five bits of the product choose a word's bit.
constexpr uint32_t kSalts[] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                               0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

uint32_t bit_of(uint64_t name_hash, size_t word) {
  return uint32_t{1} << ((static_cast<uint32_t>(name_hash) * kSalts[word]) >> 27);
}

}  // namespace

uint64_t BuyerFilter::blocks_for(uint64_t names) {
  constexpr uint64_t kBlockBits = 8 * sizeof(Block);
  constexpr uint64_t kBlocksMax = uint64_t{1} << 32;  // block_of() takes 32 bits of the hash
  return std::clamp<uint64_t>(names / (kBlockBits / kBitsPerBuyer) + 1, 1, kBlocksMax);
}

size_t BuyerFilter::bytes_for(uint64_t names) { return blocks_for(names) * sizeof(Block); }

BuyerFilter::BuyerFilter(uint64_t names)
    : blocks_count_(blocks_for(names)), blocks_(std::make_unique<Block[]>(blocks_count_)) {}

const BuyerFilter::Block& BuyerFilter::block_of(uint64_t name_hash) const {
  return blocks_[((name_hash >> 32) * blocks_count_) >> 32];
}

void BuyerFilter::add(uint64_t name_hash) {
  Block& block = const_cast<Block&>(block_of(name_hash));
  for (size_t i = 0; i < kWords; ++i) {
    block[i].fetch_or(bit_of(name_hash, i), std::memory_order_relaxed);
  }
}

bool BuyerFilter::may_have(uint64_t name_hash) const {
  const Block& block = block_of(name_hash);
  uint32_t missing = 0;
  for (size_t i = 0; i < kWords; ++i) {
    missing |= bit_of(name_hash, i) & ~block[i].load(std::memory_order_relaxed);
  }
  return missing == 0;
}

}  // namespace sluice::proxy::sale
