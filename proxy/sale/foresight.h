// What the next call of a shelf will find and leave, foreseen from what the last ones left: an item
// that goes so costs Redis least (scripts/purchase.lua).
//
// Nothing depends on it but speed. Whatever has changed an item meanwhile, another proxy or a hand,
// shows in its packed form, and then the script decides by that.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/sale/purchase_answer.h"
#include "proxy/sale/purchase_call.h"
#include "proxy/sale/shelf.h"
#include "shelves/packed_item.h"

namespace sluice::proxy::sale {

class Foresight {
 public:
  // Of a batch that is about to be sent: from now on it counts as under way. `kinds`: of its
  // operations.
  void foresee(ShelfBatch& batch, std::string_view kinds);
  // It was answered so: batches in the order in which they were foreseen.
  void answered(const ShelfBatch& batch, const std::vector<ItemAnswer>& items);
  // The shelf may have changed in any way: nothing is known, and what is under way teaches nothing.
  void forget();

 private:
  // Of an item, and of what is under way to it.
  struct Known {
    shelves::PackedItem item;        // as the last answer left it; born is 0: not known
    uint32_t units = 0, buyers = 0;  // of first purchases
    uint32_t others = 0;             // batches with anything else
  };
  // Some 150 bytes each; what a shelf has more of is not foreseen for a moment.
  static constexpr size_t kItemsMax = 2048;

  ItemForecast forecast(std::span<const Operation> operations, std::string_view kinds,
                        int64_t time_ms);

  boost::unordered_flat_map<std::string, Known> items_;
  uint64_t times_forgotten_ = 0;
};

}  // namespace sluice::proxy::sale
