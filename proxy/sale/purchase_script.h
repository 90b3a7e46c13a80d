// The purchase script's wire form: what a batch looks like as arguments, as an answer and as a
// receipt. The other side of this file is conf/purchase.lua, embedded at build time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "journal/record.h"
#include "proxy/sale/operation.h"
#include "proxy/sale/verdict.h"

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
