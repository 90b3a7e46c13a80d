#include "proxy/sale/purchase_script.h"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>

#include "proxy/sale/msgpack.h"
#include "scripts.h"

namespace sluice::proxy::sale {
namespace {

constexpr uint32_t kOperationElements = 6;

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

// Removes and returns the text up to the separator (or to the end).
std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view token = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return token;
}

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && rest == text.data() + text.size();
}

Verdict parse_verdict(std::string_view line) {
  Verdict verdict;
  const std::string_view kind = take_until(line, ' ');
  if (kind.size() != 1) return verdict;
  for (size_t i = 0; !line.empty();) {
    const std::string_view token = take_until(line, ' ');
    if (token == "placed" || token == "open") {
      verdict.flag = true;
    } else if (token != "cancelled" && token != "closed") {
      // An item that was oversold has less than 0 remaining.
      if (i == verdict.numbers.size() || !parse_number(token, verdict.numbers[i])) return {};
      ++i;
    }
  }
  verdict.kind = kind.front();
  return verdict;
}

std::string definition_text(int64_t limit, int64_t start_ms, int64_t end_ms) {
  return std::to_string(limit) + "," + std::to_string(start_ms) + "," + std::to_string(end_ms);
}

void parse_definition(std::string_view text, Operation& op) {
  for (int64_t* field : {&op.limit, &op.start_ms, &op.end_ms}) {
    parse_number(take_until(text, ','), *field);
  }
}

std::vector<Verdict> parse_verdicts(std::string_view text) {
  std::vector<Verdict> verdicts;
  while (!text.empty()) verdicts.push_back(parse_verdict(take_until(text, '\n')));
  return verdicts;
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

Verb verb_of(journal::RecordType type) {
  switch (type) {
    case journal::RecordType::kCreate:
      return Verb::kCreate;
    case journal::RecordType::kRestock:
      return Verb::kRestock;
    case journal::RecordType::kCancel:
      return Verb::kCancel;
    case journal::RecordType::kClose:
      return Verb::kClose;
    case journal::RecordType::kReopen:
      return Verb::kReopen;
    default:
      return Verb::kBuy;
  }
}

// Order ids travel as text: Lua's numbers end at 2^53.
std::string order_text(uint64_t order_id) { return order_id == 0 ? "" : std::to_string(order_id); }

}  // namespace

Scripts load_scripts() {
  return {make_script(generated::kPurchaseScript), make_script(generated::kGateScript),
          make_script(generated::kReplayScript), make_script(generated::kReceiptsScript)};
}

std::string encode_operations(int64_t time_ms, const std::vector<Operation>& operations,
                              std::string_view identity, int64_t retain_ms) {
  std::string out;
  append_array_header(out, 1 + kOperationElements * static_cast<uint32_t>(operations.size()));
  append_integer(out, time_ms);
  for (const Operation& op : operations) {
    const char kind = static_cast<char>(op.verb);
    append_string(out, std::string_view(&kind, 1));
    append_string(out, op.user);
    append_integer(out, op.quantity);
    append_string(out, op.request);
    append_string(out, order_text(op.order_id));
    if (op.verb == Verb::kCreate) {
      append_string(
          out, definition_text(op.limit, op.start_ms, op.end_ms) + "," + std::string(identity));
    } else if (op.verb == Verb::kReopen) {
      append_string(out, std::to_string(retain_ms));
    } else {
      append_string(out, op.fields);
    }
  }
  return out;
}

Result<Answer> parse_answer(std::string_view text) {
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
    if (!parse_number(head, word == "GATE" ? answer.epoch : answer.sequence))
      return not_an_answer(text);
    return answer;
  }
  const auto take = [&head](auto& number) { return parse_number(take_until(head, ' '), number); };
  if (word != "OK" || !take(answer.sequence) || !take(answer.epoch) ||
      !take(answer.fields_before) || !take(answer.fields) || !take(answer.limit) ||
      !take(answer.ends_in_ms)) {
    return not_an_answer(text);
  }
  answer.verdicts = parse_verdicts(rest);
  return answer;
}

Result<Receipt> parse_receipt(std::string_view receipt, std::string_view item) {
  const Error damaged(ErrorClass::kCorrupt,
                      "item " + std::string(item) + ": a receipt in Redis is not readable");
  Receipt parsed;
  uint64_t verdict_bytes = 0;
  if (!parse_number(take_until(receipt, ' '), parsed.batch) ||
      !parse_number(take_until(receipt, ' '), verdict_bytes) || verdict_bytes > receipt.size()) {
    return damaged;
  }
  parsed.verdicts = parse_verdicts(receipt.substr(0, verdict_bytes));
  MsgpackReader reader(receipt.substr(verdict_bytes));
  const uint32_t elements = reader.array_header();
  parsed.time_ms = reader.integer();
  if (!reader.ok() || elements != 1 + kOperationElements * parsed.verdicts.size()) return damaged;
  for (size_t i = 0; i < parsed.verdicts.size(); ++i) {
    if (parsed.verdicts[i].kind == '?') return damaged;
    Operation op;
    const std::string_view kind = reader.string();
    op.item = item;
    op.user = reader.string();
    op.quantity = reader.integer();
    op.request = reader.string();
    const std::string_view order = reader.string();
    const std::string_view extra = reader.string();
    if (!reader.ok() || kind.size() != 1) return damaged;
    op.verb = static_cast<Verb>(kind.front());
    if (!order.empty() && !parse_number(order, op.order_id)) return damaged;
    if (op.verb == Verb::kCreate) {
      parse_definition(extra, op);
    } else if (op.verb != Verb::kReopen) {
      op.fields = extra;
    }
    parsed.operations.push_back(std::move(op));
  }
  return parsed;
}

uint32_t append_accepted(std::string& records, const std::vector<Operation>& operations,
                         const std::vector<Verdict>& verdicts, uint64_t batch, int64_t time_ms,
                         uint64_t& order_id_max) {
  uint32_t count = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    if (!verdicts[i].accepted() || !writes(op.verb)) continue;
    journal::Record record;
    const bool sets_state = op.verb == Verb::kClose || op.verb == Verb::kReopen;
    record.type = record_type(op.verb);
    record.time_ms = sets_state ? verdicts[i].numbers[0] : time_ms;
    record.batch = batch;
    record.item = op.item;
    record.user = op.user;
    record.request = op.request;
    record.order_id = op.order_id;
    record.quantity = op.verb == Verb::kCancel ? verdicts[i].numbers[1] : op.quantity;
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

void append_replay_record(std::string& out, const journal::Record& record) {
  const char kind = static_cast<char>(verb_of(record.type));
  append_integer(out, static_cast<int64_t>(record.batch));
  append_string(out, std::string_view(&kind, 1));
  append_string(out, record.user);
  append_integer(out, record.quantity);
  append_string(out, record.request);
  append_string(out, order_text(record.order_id));
  append_string(out, record.type == journal::RecordType::kCreate
                         ? definition_text(record.limit, record.start_ms, record.end_ms)
                         : std::string());
  append_integer(out, record.time_ms);
}

}  // namespace sluice::proxy::sale
