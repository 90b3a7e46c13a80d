// Which items were sold of late, for people: each owner thread notes what its batches have sold,
// and the monitor takes the notes away once a second.
//
//   Coalescer ──sold()──► a part for each owner thread ──take()──► monitor
//
// Bounded: a part has 256 places, and where an item finds none of its four it takes that of the one
// that was sold least. So the items that sell most are there, and that is what is asked for. A part
// has a lock of its own, which nobody else wants but once a second.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::proxy::sale {

class ItemBoard {
 public:
  struct Sold {
    std::string item;
    uint64_t units = 0;
  };

  class Part {
   public:
    void sold(std::string_view item, uint64_t units);
    void move_to(std::vector<Sold>& all);

   private:
    static constexpr size_t kPlaces = 256, kTries = 4;
    std::mutex mutex_;
    std::array<Sold, kPlaces> places_;  // guarded by mutex_; units 0: empty
  };

  // One an owner thread; lives as long as the board. Any thread, like the next.
  Part& add_part();
  // What was sold since the last time; an item may be in it more than once.
  std::vector<Sold> take();

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Part>> parts_;  // guarded by mutex_
};

}  // namespace sluice::proxy::sale
