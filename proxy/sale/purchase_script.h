// The purchase script's wire form: what a batch looks like as arguments, as an answer and as a
// receipt. The other side of this file is conf/purchase.lua, embedded at build time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "journal/record.h"
#include "proxy/sale/operation.h"

namespace sluice::proxy::sale {

// A Lua script with the SHA1 that EVALSHA knows it by.
struct Script {
  std::string_view text;
  std::string sha;
};
struct Scripts {
  Script purchase, gate, replay, receipts;
};
Scripts load_scripts();

// One line of the script's answer: a letter and its numbers.
struct Verdict {
  enum class Kind : char {
    kUnknown = '?',     // an operation that the script does not know
    kAccepted = 'A',    // of a cancel: the quantity; of a close or reopen: its record's time in ms
    kRepeated = 'R',    // the same request was accepted before; of a purchase: its order
    kLimit = 'L',       // bought so far, the last order
    kSoldOut = 'S',
    kNotStarted = 'B',  // starts, ms since 1970
    kEnded = 'E',       // ended, ms since 1970
    kClosed = 'C',
    kNotFound = 'N',    // no such item, no such order
    kAlready = 'D',     // cancelled already
    kRefused = 'X',     // would leave the bounds; exists with other settings; closed for too long
    kFound = 'F',       // an order: id, quantity; flag: placed
    kDescribed = 'T',   // an item: stock, sold, limit, start, end; flag: open
  };
  // Of a verdict's first letter; nullopt: no verdict begins with it.
  static std::optional<Kind> kind_of(std::string_view letter);

  Kind kind = Kind::kUnknown;
  bool flag = false;
  std::array<int64_t, 5> numbers{};
  int64_t remaining = 0;  // of the item's stock, right after the operation

  bool accepted() const { return kind == Kind::kAccepted; }
};

// An accepted operation that the journal must have.
inline bool is_fact(const Operation& op, const Verdict& verdict) {
  return verdict.accepted() && writes(op.verb);
}

struct Answer {
  enum class Kind { kApplied, kGate, kGap, kEdited };
  Kind kind = Kind::kApplied;
  uint64_t sequence = 0;  // kApplied, kGap: the item's lane sequence now
  uint64_t epoch = 0;     // kApplied, kGate: the item's epoch
  // kApplied, for sold_out_keeper.h:
  uint64_t fields_before = 0, fields = 0;  // of the buyers hash, before and after the batch
  int64_t limit = 0;
  int64_t ends_in_ms = -1;  // -1: never
  std::vector<Verdict> verdicts;  // kApplied: one an operation
};

// The script's ARGV[6] and [7].
struct Payload {
  std::string operations, details;

  bool ends(std::string_view receipt) const {
    return receipt.ends_with(details) &&
           receipt.substr(0, receipt.size() - details.size()).ends_with(operations);
  }
};
// `time_ms`: the records' time; `identity`: of the Redis process that it is for (see gate.h), which
// a created item remembers; `retain_ms`: an item that was closed longer ago is not opened again.
Payload encode_operations(int64_t time_ms, const std::vector<Operation>& operations,
                          std::string_view identity, int64_t retain_ms);

// What stands in a payload, and so in a receipt, that has an operation of this kind on the item as
// such, and hardly ever in another.
std::string item_operation_mark(Verb verb);

// The answer to a call with these operations. kCorrupt: it is none.
Result<Answer> parse_answer(std::string_view text, const std::vector<Operation>& operations);

// A receipt: the operations of an applied batch and their verdicts, as Redis kept them.
struct Receipt {
  uint64_t batch = 0;  // its lane sequence
  int64_t time_ms = 0;
  std::vector<Operation> operations;
  std::vector<Verdict> verdicts;
};
Result<Receipt> parse_receipt(std::string_view receipt, std::string_view item);

// Appends the accepted, writing operations of a batch as journal records; returns how many.
// order_id_max is raised to the highest order id among the purchases.
uint32_t append_accepted(std::string& records, const std::vector<Operation>& operations,
                         const std::vector<Verdict>& verdicts, uint64_t batch, int64_t time_ms,
                         uint64_t& order_id_max);

}  // namespace sluice::proxy::sale
