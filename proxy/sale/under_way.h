// How many operations are on their way through the sale: counted from before an operation leaves
// its session until nothing more can come of it.
//
// What sold_out.h knows is only what Redis has answered. An operation that is not answered yet may
// change it, and whoever sent it must not be told otherwise meanwhile: a buyer whose purchase is
// under way, and who asks again, is to get the answer of Redis behind the first one; so is anybody
// behind a restock or a cancel in his pipeline.
//
// Counters are found by hash; two names that share one only make each other go to Redis. Any
// thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "proxy/sale/buyer_filter.h"

namespace sluice::proxy::sale {

class UnderWay {
  using Counter = std::atomic<uint32_t>;

 public:
  // One operation for as long as it lives; a copy counts as well. The table must outlive it.
  class Mark {
   public:
    Mark() = default;
    explicit Mark(Counter& counter) : counter_(&counter) { take(); }
    Mark(const Mark& other) : counter_(other.counter_) { take(); }
    Mark(Mark&& other) noexcept : counter_(std::exchange(other.counter_, nullptr)) {}
    Mark& operator=(Mark other) noexcept {
      std::swap(counter_, other.counter_);
      return *this;
    }
    ~Mark() {
      // What the operation has changed is to be seen by whoever sees that it is over.
      if (counter_ != nullptr) counter_->fetch_sub(1, std::memory_order_release);
    }

   private:
    void take() {
      if (counter_ != nullptr) counter_->fetch_add(1, std::memory_order_relaxed);
    }
    Counter* counter_ = nullptr;
  };

  Mark purchase(uint64_t item_hash, uint64_t user_hash) {
    return Mark(counters_[place(item_hash, user_hash)]);
  }
  // Anything else that writes to the item.
  Mark change(uint64_t item_hash) { return Mark(counters_[place(item_hash, 0)]); }

  // Whether something is, of this user or of the item as such.
  bool any(uint64_t item_hash, uint64_t user_hash) const {
    return counters_[place(item_hash, user_hash)].load(std::memory_order_acquire) != 0 ||
           counters_[place(item_hash, 0)].load(std::memory_order_acquire) != 0;
  }

 private:
  // Many more than purchases under way, so that few share a counter; but not so many that the two
  // looks at a random one, which every purchase takes, miss the cache: 128 KiB.
  static constexpr int kPlaceBits = 15;

  static size_t place(uint64_t item_hash, uint64_t user_hash) {
    constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;  // 2^64 / the golden ratio (Knuth, 6.4)
    return ((item_hash * kGolden) ^ user_hash) * kGolden >> (64 - kPlaceBits);
  }

  const std::unique_ptr<Counter[]> counters_ = std::make_unique<Counter[]>(size_t{1} << kPlaceBits);
};

}  // namespace sluice::proxy::sale
