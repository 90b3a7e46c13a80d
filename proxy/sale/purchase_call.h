// One call of the purchase script for one shelf: a batch of operations as its arguments. The other
// side is scripts/purchase.lua, embedded at build time; purchase_answer.h has what comes back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/sale/operation.h"
#include "shelves/packed_item.h"

namespace sluice::proxy::sale {

// Columns of what a receipt has beside its operations (meta, in the script).
inline constexpr uint32_t kMetaColumns = 6;

// Puts the operations of each item one after the other, in their order; items in the order of their
// first operations. The other functions here want them so.
void group_by_item(std::vector<Operation>& operations);

// How many operations from the first on are of the same item.
size_t run_length(std::span<const Operation> operations);
// The same of all items.
std::vector<size_t> run_lengths(std::span<const Operation> operations);

// A letter an operation, as the script wants them; in lower case if an operation before it on the
// same item has the same user. So 'B' is what may be a user's first purchase.
std::string kinds_text(std::span<const Operation> operations);

// What a call does to an item, as far as the caller can tell.
struct ItemForecast {
  bool only_first_buys = false;    // as far as the batch itself tells
  uint32_t units = 0, buyers = 0;  // of these
  bool foreseen = false;           // then they are all accepted, if the item is found so:
  shelves::PackedItem before;

  shelves::PackedItem after() const;
};

// What is the same whenever and to wherever the batch is sent.
struct CallPayload {
  std::string receipt;         // all of it but the first line
  std::vector<uint32_t> ends;  // of the words in it, each but the last with a newline behind
  std::vector<std::string_view> items;     // views into the operations encoded
  std::string counts, window, lowest;      // the script's ARGV[6], [5] and [7]
  std::vector<std::string> before, after;  // the items packed; "": not foreseen

  bool is_of(std::string_view text) const { return text.ends_with(receipt); }
};
// `time_ms`: the records' time. `kinds`: of the operations. `forecasts`: one an item; or none.
CallPayload encode_call(int64_t time_ms, const std::vector<Operation>& operations,
                        std::string_view kinds, std::span<const ItemForecast> forecasts);

// Where a call goes, and what it is to find there.
struct CallTarget {
  uint32_t shelf = 0;
  std::string_view lane;
  std::string_view writer;  // "journal incarnation epoch"
  uint64_t epoch = 0;
  uint64_t lane_sequence = 0;  // the one that it must find
  uint64_t synced = 0;         // the last one that is in the journal
};

// The command, for either verb. Refers to the payload.
class CallWords {
 public:
  CallWords(const CallTarget& target, const CallPayload& payload);
  CallWords(const CallWords&) = delete;
  CallWords& operator=(const CallWords&) = delete;

  // EVALSHA and its name, or EVAL and its text.
  const std::vector<std::string_view>& with(std::string_view verb, std::string_view script);

 private:
  const std::string& own(std::string text);

  std::vector<std::string> owned_;
  std::vector<std::string_view> words_;
};

// What stands in a receipt that has an operation of this kind on an item as such, and hardly ever
// in another.
std::string item_operation_mark(Verb verb);

}  // namespace sluice::proxy::sale
