// What comes back from a call of the purchase script: its answer, the receipt that it leaves, and
// what becomes of them, facts for the journal. The other side is scripts/purchase.lua.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proxy/sale/operation.h"
#include "proxy/sale/order_ids.h"
#include "proxy/sale/purchase_call.h"
#include "proxy/sale/verdict.h"
#include "shelves/packed_item.h"

namespace sluice::proxy::sale {

// An item as the script found it and left it.
struct ItemAnswer {
  int64_t remaining = 0;       // before the batch
  uint64_t fields_before = 0;  // of the buyers hash
  int64_t ends_in_ms = -1;     // -1: never, or all was accepted as foreseen
  shelves::PackedItem now;     // born is 0: there is no such item
};

struct CallAnswer {
  enum class Kind {
    kApplied,
    kGate,      // the shelf has another epoch
    kGap,       // the lane has another sequence
    kImpostor,  // the lane is written by somebody else
    kEdited,    // an item is not as Sluice left it
    kIds,       // an item was born above the batch's order ids
  };
  Kind kind = Kind::kApplied;
  uint64_t epoch = 0;             // kGate
  uint64_t lane_sequence = 0;     // kApplied, kGap: the lane's sequence now
  uint64_t born = 0;              // kIds
  std::string who;                // kImpostor: "journal incarnation"; kEdited: the item
  std::vector<ItemAnswer> items;  // kApplied: one an item of the call
  std::vector<Verdict> verdicts;  // kApplied: one an operation
};
// The answer to a call with these operations and forecasts. kCorrupt: it is none.
Result<CallAnswer> parse_call_answer(std::string_view text,
                                     const std::vector<Operation>& operations,
                                     std::span<const ItemForecast> forecasts);

// The operations of an applied batch and their verdicts, as Redis kept them.
struct CallReceipt {
  uint64_t lane_sequence = 0;
  int64_t time_ms = 0;
  std::vector<Operation> operations;  // none: it only keeps the list from being empty
  std::vector<ItemAnswer> items;  // one an item; of one that went as foreseen what remained, and
                                  // in `now` only what it was born as
  std::vector<Verdict> verdicts;
};
// kCorrupt: it is none.
Result<CallReceipt> parse_call_receipt(std::string_view receipt);

// Appends the facts of an applied batch, its accepted operations that write, as journal records;
// returns how many. order_id_max is raised to the highest id that the lane has given out in them.
uint32_t append_facts(std::string& records, const std::vector<Operation>& operations,
                      const std::vector<ItemAnswer>& items, const std::vector<Verdict>& verdicts,
                      uint64_t lane_sequence, int64_t time_ms, const OrderIds& ids,
                      uint64_t& order_id_max);

}  // namespace sluice::proxy::sale
