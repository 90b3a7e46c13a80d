// One call of the purchase script for one shelf: a batch of operations as arguments, the answer,
// and the receipt that it leaves. The other side is scripts/purchase.lua, embedded at build time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proxy/sale/operation.h"
#include "proxy/sale/verdict.h"

namespace sluice::proxy::sale {

// Puts the operations of each item one after the other, in their order; items in the order of their
// first operations. The other functions here want them so.
void group_by_item(std::vector<Operation>& operations);

// How many operations from the first on are of the same item.
size_t run_length(std::span<const Operation> operations);

// The script's ARGV[6] and [7].
struct CallPayload {
  std::string operations, details;
  std::vector<std::string_view> items;  // of KEYS[3…]; views into the operations encoded

  bool ends(std::string_view receipt) const {
    return receipt.ends_with(details) &&
           receipt.substr(0, receipt.size() - details.size()).ends_with(operations);
  }
};
// `time_ms`: the records' time.
CallPayload encode_call(int64_t time_ms, const std::vector<Operation>& operations);

// An item as the script found it and left it.
struct ItemAnswer {
  int64_t remaining = 0;                   // before the batch
  uint64_t fields_before = 0, fields = 0;  // of the buyers hash
  int64_t limit = 0;
  int64_t ends_in_ms = -1;  // -1: never
  uint64_t born = 0;        // 0: there is no such item
};

struct CallAnswer {
  enum class Kind {
    kApplied,
    kGate,      // the shelf has another epoch
    kGap,       // the lane has another sequence
    kImpostor,  // the lane is written by somebody else
    kEdited,    // an item is not as Sluice left it
  };
  Kind kind = Kind::kApplied;
  uint64_t epoch = 0;          // kGate
  uint64_t lane_sequence = 0;  // kApplied, kGap: the lane's sequence now
  std::string who;             // kImpostor: "journal incarnation"; kEdited: the item
  std::vector<ItemAnswer> items;  // kApplied: one an item of the call
  std::vector<Verdict> verdicts;  // kApplied: one an operation
};
// The answer to a call with these operations. kCorrupt: it is none.
Result<CallAnswer> parse_call_answer(std::string_view text,
                                     const std::vector<Operation>& operations);

// The operations of an applied batch and their verdicts, as Redis kept them.
struct CallReceipt {
  uint64_t lane_sequence = 0;
  int64_t time_ms = 0;
  std::vector<Operation> operations;  // none: it only keeps the list from being empty
  std::vector<ItemAnswer> items;      // one an item
  std::vector<Verdict> verdicts;
};
// kCorrupt: it is none.
Result<CallReceipt> parse_call_receipt(std::string_view receipt);

// Appends the facts of an applied batch, its accepted operations that write, as journal records;
// returns how many. order_id_max is raised to the highest id that the lane has given out in them.
uint32_t append_facts(std::string& records, const std::vector<Operation>& operations,
                      const std::vector<ItemAnswer>& items, const std::vector<Verdict>& verdicts,
                      uint64_t lane_sequence, int64_t time_ms, uint64_t& order_id_max);

// What stands in a payload, and so in a receipt, that has an operation of this kind on an item as
// such, and hardly ever in another.
std::string item_operation_mark(Verb verb);

}  // namespace sluice::proxy::sale
