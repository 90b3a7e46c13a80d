#include "proxy/sale/purchase_script.h"

#include <openssl/sha.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>

#include "base/decimal.h"
#include "proxy/sale/msgpack.h"
#include "proxy/sale/operation_text.h"
#include "scripts.h"

namespace sluice::proxy::sale {
namespace {

using Kind = Verdict::Kind;

constexpr uint32_t kColumns = 5;

Script make_script(std::string_view text) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string sha;
  for (const unsigned char byte : digest) {
    sha += "0123456789abcdef"[byte >> 4];
    sha += "0123456789abcdef"[byte & 15];
  }
  return {text, sha};
}

std::string definition_text(int64_t limit, int64_t start_ms, int64_t end_ms) {
  return std::to_string(limit) + "," + std::to_string(start_ms) + "," + std::to_string(end_ms);
}

void parse_definition(std::string_view text, Operation& op) {
  for (int64_t* field : {&op.limit, &op.start_ms, &op.end_ms}) {
    base::parse_decimal(take_until(text, ','), *field);
  }
}

Error not_an_answer(std::string_view text) {
  return Error(ErrorClass::kCorrupt,
               "not an answer of the purchase script: \"" + std::string(text.substr(0, 80)) + "\"");
}

journal::RecordType record_type(Verb verb) {
  switch (verb) {
    case Verb::kCreate:
      return journal::RecordType::kCreate;
    case Verb::kRestock:
      return journal::RecordType::kRestock;
    case Verb::kCancel:
      return journal::RecordType::kCancel;
    case Verb::kClose:
      return journal::RecordType::kClose;
    case Verb::kReopen:
      return journal::RecordType::kReopen;
    default:
      return journal::RecordType::kBuy;
  }
}

void append_text(std::string& out, const Operation& op, std::string_view identity,
                 int64_t retain_ms) {
  if (op.verb == Verb::kCreate) {
    append_string(out, definition_text(op.limit, op.start_ms, op.end_ms) + "," +
                           std::string(identity));
  } else if (op.verb == Verb::kReopen) {
    append_string(out, std::to_string(retain_ms));
  } else {
    append_order_text(out, op);
  }
}

bool parse_text(std::string_view text, Operation& op) {
  if (op.verb == Verb::kReopen) return true;
  if (op.verb == Verb::kCreate) {
    parse_definition(text, op);
    return true;
  }
  return parse_order_text(text, op);
}

std::string kinds_text(const std::vector<Operation>& operations) {
  constexpr char kToLowerCase = 'a' - 'A';
  boost::unordered_flat_set<std::string_view> users(operations.size());
  std::string kinds;
  kinds.reserve(operations.size());
  for (const Operation& op : operations) {
    const bool first = users.insert(op.user).second;
    kinds += static_cast<char>(static_cast<char>(op.verb) + (first ? 0 : kToLowerCase));
  }
  return kinds;
}

}  // namespace

Scripts load_scripts() {
  return {make_script(generated::kPurchaseScript), make_script(generated::kGateScript),
          make_script(generated::kReplayScript), make_script(generated::kReceiptsScript)};
}

Payload encode_operations(int64_t time_ms, const std::vector<Operation>& operations,
                          std::string_view identity, int64_t retain_ms) {
  const auto count = static_cast<uint32_t>(operations.size());
  std::string out;
  append_array_header(out, kColumns);
  append_integer(out, time_ms);
  append_string(out, kinds_text(operations));
  append_array_header(out, count);
  for (const Operation& op : operations) {
    append_string(out, op.user.empty() ? std::string_view(item_user(op.verb)) : op.user);
  }
  append_array_header(out, count);
  for (const Operation& op : operations) append_integer(out, op.quantity);
  append_array_header(out, count);
  for (const Operation& op : operations) append_text(out, op, identity, retain_ms);
  return {std::move(out), encode_details(operations)};
}

std::string item_operation_mark(Verb verb) {
  std::string mark;
  append_string(mark, item_user(verb));
  return mark;
}

Result<Answer> parse_answer(std::string_view text, const std::vector<Operation>& operations) {
  Answer answer;
  std::string_view rest = text;
  std::string_view head = take_until(rest, '\n');
  const std::string_view word = take_until(head, ' ');
  if (word == "EDITED") {
    answer.kind = Answer::Kind::kEdited;
    return answer;
  }
  if (word == "GATE" || word == "GAP") {
    answer.kind = word == "GATE" ? Answer::Kind::kGate : Answer::Kind::kGap;
    if (!base::parse_decimal(head, word == "GATE" ? answer.epoch : answer.sequence))
      return not_an_answer(text);
    return answer;
  }
  int64_t remaining = 0;
  const auto take = [&head](auto& number) {
    return base::parse_decimal(take_until(head, ' '), number);
  };
  if (word != "OK" || !take(answer.sequence) || !take(answer.epoch) || !take(remaining) ||
      !take(answer.fields_before) || !take(answer.fields) || !take(answer.limit) ||
      !take(answer.ends_in_ms)) {
    return not_an_answer(text);
  }
  auto verdicts = parse_verdicts(rest, operations, remaining);
  if (!verdicts) return not_an_answer(text);
  answer.verdicts = *std::move(verdicts);
  return answer;
}

namespace {

// The columns of a payload, one after the other.
bool read_operations(MsgpackReader& reader, std::string_view item, Receipt& receipt) {
  if (reader.array_header() != kColumns) return false;
  receipt.time_ms = reader.integer();
  const std::string_view kinds = reader.string();
  for (const char kind : kinds) {
    Operation& op = receipt.operations.emplace_back();
    op.verb = static_cast<Verb>(kind >= 'a' ? kind - ('a' - 'A') : kind);
    op.item = item;
  }
  if (reader.array_header() != kinds.size()) return false;
  for (Operation& op : receipt.operations) {
    const std::string_view user = reader.string();
    if (!user.starts_with('/')) op.user = user;
  }
  if (reader.array_header() != kinds.size()) return false;
  for (Operation& op : receipt.operations) op.quantity = reader.integer();
  if (reader.array_header() != kinds.size()) return false;
  for (Operation& op : receipt.operations) {
    if (!parse_text(reader.string(), op)) return false;
  }
  if (!reader.ok() || reader.at_end()) return reader.ok();
  if (reader.array_header() != kinds.size()) return false;
  for (Operation& op : receipt.operations) op.fields = reader.string();
  return reader.ok();
}

}  // namespace

Result<Receipt> parse_receipt(std::string_view text, std::string_view item) {
  const Error damaged(ErrorClass::kCorrupt,
                      "item " + std::string(item) + ": a receipt in Redis is not readable");
  Receipt receipt;
  uint64_t verdict_bytes = 0;
  int64_t remaining = 0;
  if (!base::parse_decimal(take_until(text, ' '), receipt.batch) ||
      !base::parse_decimal(take_until(text, ' '), remaining) ||
      !base::parse_decimal(take_until(text, ' '), verdict_bytes) || verdict_bytes > text.size()) {
    return damaged;
  }
  MsgpackReader reader(text.substr(verdict_bytes));
  if (!read_operations(reader, item, receipt) || receipt.operations.empty()) return damaged;
  auto verdicts = parse_verdicts(text.substr(0, verdict_bytes), receipt.operations, remaining);
  if (!verdicts) return damaged;
  receipt.verdicts = *std::move(verdicts);
  for (const Verdict& verdict : receipt.verdicts) {
    if (verdict.kind == Kind::kUnknown) return damaged;
  }
  return receipt;
}

uint32_t append_accepted(std::string& records, const std::vector<Operation>& operations,
                         const std::vector<Verdict>& verdicts, uint64_t batch, int64_t time_ms,
                         uint64_t& order_id_max) {
  uint32_t count = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    if (!is_fact(op, verdicts[i])) continue;
    journal::Record record;
    const bool sets_state = op.verb == Verb::kClose || op.verb == Verb::kReopen;
    record.type = record_type(op.verb);
    record.time_ms = sets_state ? verdicts[i].numbers[0] : time_ms;
    record.lane_sequence = batch;
    record.item = op.item;
    record.user = op.user;
    record.request = op.request;
    record.order_id = op.order_id;
    record.quantity = op.verb == Verb::kCancel ? verdicts[i].numbers[0] : op.quantity;
    record.limit = op.limit;
    record.start_ms = op.start_ms;
    record.end_ms = op.end_ms;
    record.fields = op.fields;
    journal::append_record(records, record);
    order_id_max = std::max(order_id_max, op.order_id);
    ++count;
  }
  return count;
}

}  // namespace sluice::proxy::sale
