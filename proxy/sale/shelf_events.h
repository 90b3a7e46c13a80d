// What the gate finds out about a shelf, told to whoever has its operations.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "proxy/sale/purchase_answer.h"
#include "proxy/sale/shelf.h"

namespace sluice::proxy::sale {

// On the owner thread; the shelf has moved already.
class ShelfEvents {
 public:
  // What waits may be sent.
  virtual void opened(Shelf& shelf) = 0;
  // It will not open for a while: what waits is answered, with the shelf's `why`.
  virtual void closed(Shelf& shelf) = 0;
  // It may have changed in any way: what was known of its items is not known any more.
  virtual void doubted(Shelf& shelf) = 0;
  // Redis has applied a batch with these verdicts. It becomes the next of the lane's commits.
  virtual void settle(Shelf& shelf, uint64_t lane_sequence, ShelfBatch batch,
                      const std::vector<ItemAnswer>& items, std::vector<Verdict> verdicts) = 0;
  // An item is to be deleted: its time is over, or another proxy has begun with it.
  virtual void deleting(Shelf& shelf, const std::string& item) = 0;
  // An item, as it is in Redis now.
  virtual void seen(Shelf& shelf, std::string_view name, const shelves::PackedItem& item) = 0;
  // What is in flight was not applied and never will be: back to the head of the queue with it.
  virtual void put_back(Shelf& shelf) = 0;

 protected:
  ~ShelfEvents() = default;
};

}  // namespace sluice::proxy::sale
