#include "proxy/sale/purchase_call.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstring>
#include <numeric>

#include "base/decimal.h"
#include "journal/record.h"
#include "proxy/sale/msgpack.h"
#include "proxy/sale/operation_text.h"

namespace sluice::proxy::sale {
namespace {

constexpr uint32_t kColumns = 7;
constexpr size_t kBornBytes = 8;

// Where so many lines end: at the newline behind the last, or at the end of the text.
size_t end_of_lines(std::string_view text, size_t count) {
  size_t end = 0;
  for (size_t i = 0; i < count && end < text.size(); ++i) {
    end = std::min(text.find('\n', i == 0 ? 0 : end + 1), text.size());
  }
  return end;
}

Error not_an_answer(std::string_view text) {
  return Error(ErrorClass::kCorrupt,
               "not an answer of the purchase script: \"" + std::string(text.substr(0, 80)) + "\"");
}

std::vector<size_t> run_lengths(std::span<const Operation> operations) {
  std::vector<size_t> lengths;
  while (!operations.empty()) {
    lengths.push_back(run_length(operations));
    operations = operations.subspan(lengths.back());
  }
  return lengths;
}

// ---- The columns.

// "limit,start,end,hold," and the 8 bytes of what the item is born as.
std::string definition_text(const Operation& op) {
  std::string text;
  for (const int64_t number : {op.limit, op.start_ms, op.end_ms, op.hold_ms}) {
    text += std::to_string(number) + ",";
  }
  text.append(reinterpret_cast<const char*>(&op.order_id), kBornBytes);
  return text;
}

bool parse_definition(std::string_view text, Operation& op) {
  for (int64_t* number : {&op.limit, &op.start_ms, &op.end_ms, &op.hold_ms}) {
    if (!base::parse_decimal(take_until(text, ','), *number)) return false;
  }
  if (text.size() != kBornBytes) return false;
  std::memcpy(&op.order_id, text.data(), kBornBytes);
  return true;
}

void append_text(std::string& out, const Operation& op) {
  if (op.verb == Verb::kCreate) {
    append_string(out, definition_text(op));
  } else if (op.verb == Verb::kReopen) {
    append_string(out, std::to_string(op.hold_ms));
  } else if (op.verb == Verb::kDelete) {
    append_string(out, std::to_string(op.order_id));
  } else {
    append_order_text(out, op);
  }
}

bool parse_text(std::string_view text, Operation& op) {
  if (op.verb == Verb::kReopen) return base::parse_decimal(text, op.hold_ms);
  if (op.verb == Verb::kDelete) return base::parse_decimal(text, op.order_id);
  return op.verb == Verb::kCreate ? parse_definition(text, op) : parse_order_text(text, op);
}

// A letter each; in lower case if an operation before it on the same item has the same user.
std::string kinds_text(std::span<const Operation> operations) {
  constexpr char kToLowerCase = 'a' - 'A';
  std::string kinds;
  kinds.reserve(operations.size());
  while (!operations.empty()) {
    const auto of_item = operations.first(run_length(operations));
    boost::unordered_flat_set<std::string_view> users(of_item.size());
    for (const Operation& op : of_item) {
      const bool first = users.insert(op.user).second;
      kinds += static_cast<char>(static_cast<char>(op.verb) + (first ? 0 : kToLowerCase));
    }
    operations = operations.subspan(of_item.size());
  }
  return kinds;
}

// The columns of a payload, one after the other, into operations that are still to be made.
class PayloadReader {
 public:
  explicit PayloadReader(std::string_view payload) : reader_(payload) {}

  bool read(CallReceipt& receipt) {
    if (reader_.array_header() != kColumns) return false;
    receipt.time_ms = reader_.integer();
    return read_items(receipt.operations) && read_columns(receipt.operations) && reader_.ok();
  }

 private:
  bool read_items(std::vector<Operation>& operations) {
    std::vector<std::string_view> names(std::min<uint32_t>(reader_.array_header(), kItemsMax));
    for (std::string_view& name : names) name = reader_.string();
    if (reader_.array_header() != names.size()) return false;
    for (const std::string_view name : names) {
      const int64_t count = reader_.integer();
      if (count < 1 || count > kOperationsMax) return false;
      for (int64_t i = 0; i < count; ++i) operations.emplace_back().item = name;
    }
    return reader_.ok() && !operations.empty();
  }

  bool read_columns(std::vector<Operation>& operations) {
    const std::string_view kinds = reader_.string();
    if (kinds.size() != operations.size()) return false;
    for (size_t i = 0; i < kinds.size(); ++i) {
      operations[i].verb = static_cast<Verb>(kinds[i] >= 'a' ? kinds[i] - ('a' - 'A') : kinds[i]);
    }
    const auto column = [&](auto&& take) {
      if (reader_.array_header() != operations.size()) return false;
      return std::all_of(operations.begin(), operations.end(), take);
    };
    return column([this](Operation& op) {
             const std::string_view user = reader_.string();
             if (!user.starts_with('/')) op.user = user;
             return true;
           }) &&
           column([this](Operation& op) { return op.quantity = reader_.integer(), true; }) &&
           column([this](Operation& op) { return parse_text(reader_.string(), op); }) &&
           (reader_.at_end() ||
            column([this](Operation& op) { return op.fields = reader_.string(), true; }));
  }

  static constexpr uint32_t kItemsMax = 4096;
  static constexpr int64_t kOperationsMax = 65'536;

  MsgpackReader reader_;
};

bool parse_item_answer(std::string_view line, ItemAnswer& item) {
  const auto take = [&line](auto& number) {
    return base::parse_decimal(take_until(line, ' '), number);
  };
  uint32_t low = 0, high = 0;  // Lua's numbers end at 2^53
  const bool good = take(item.remaining) && take(item.fields_before) && take(item.fields) &&
                    take(item.limit) && take(item.ends_in_ms) && take(low) && take(high) &&
                    line.empty();
  item.born = uint64_t{high} << 32 | low;
  return good;
}

// A line an item, and behind them a line an operation.
bool parse_outcome(std::string_view heads, std::string_view lines,
                   std::span<const Operation> operations, std::vector<ItemAnswer>& items,
                   std::vector<Verdict>& verdicts) {
  while (!operations.empty()) {
    const auto of_item = operations.first(run_length(operations));
    ItemAnswer& item = items.emplace_back();
    if (!parse_item_answer(take_until(heads, '\n'), item)) return false;
    const size_t end = end_of_lines(lines, of_item.size());
    auto its_verdicts = parse_verdicts(lines.substr(0, end), of_item, item.remaining);
    if (!its_verdicts) return false;
    verdicts.insert(verdicts.end(), its_verdicts->begin(), its_verdicts->end());
    lines.remove_prefix(std::min(end + 1, lines.size()));
    operations = operations.subspan(of_item.size());
  }
  return heads.empty() && lines.empty();
}

}  // namespace

size_t run_length(std::span<const Operation> operations) {
  const auto end = std::find_if(operations.begin(), operations.end(), [&](const Operation& op) {
    return op.item != operations.front().item;
  });
  return static_cast<size_t>(end - operations.begin());
}

void group_by_item(std::vector<Operation>& operations) {
  if (run_length(operations) == operations.size()) return;  // of one item, as most batches are
  boost::unordered_flat_map<std::string_view, size_t> groups;  // by item; in order of appearance
  std::vector<size_t> group_of, next;  // of each operation; of each group, where its next one goes
  for (const Operation& op : operations) {
    const size_t group = groups.try_emplace(op.item, groups.size()).first->second;
    group_of.push_back(group);
    next.resize(groups.size());
    ++next[group];
  }
  std::exclusive_scan(next.begin(), next.end(), next.begin(), size_t{0});
  std::vector<Operation> grouped(operations.size());
  for (size_t i = 0; i < operations.size(); ++i) {
    grouped[next[group_of[i]]++] = std::move(operations[i]);
  }
  operations = std::move(grouped);
}

CallPayload encode_call(int64_t time_ms, const std::vector<Operation>& operations) {
  const auto count = static_cast<uint32_t>(operations.size());
  const std::vector<size_t> lengths = run_lengths(operations);
  CallPayload payload;
  std::string& out = payload.operations;
  append_array_header(out, kColumns);
  append_integer(out, time_ms);
  append_array_header(out, static_cast<uint32_t>(lengths.size()));
  size_t first = 0;
  for (const size_t length : lengths) {
    payload.items.push_back(operations[first].item);
    append_string(out, operations[first].item);
    first += length;
  }
  append_array_header(out, static_cast<uint32_t>(lengths.size()));
  for (const size_t length : lengths) append_integer(out, static_cast<int64_t>(length));
  append_string(out, kinds_text(operations));
  append_array_header(out, count);
  for (const Operation& op : operations) {
    append_string(out, op.user.empty() ? std::string_view(item_user(op.verb)) : op.user);
  }
  append_array_header(out, count);
  for (const Operation& op : operations) append_integer(out, op.quantity);
  append_array_header(out, count);
  for (const Operation& op : operations) append_text(out, op);
  payload.details = encode_details(operations);
  return payload;
}

Result<CallAnswer> parse_call_answer(std::string_view text,
                                     const std::vector<Operation>& operations) {
  using AnswerKind = CallAnswer::Kind;
  CallAnswer answer;
  std::string_view rest = text;
  std::string_view head = take_until(rest, '\n');
  const std::string_view word = take_until(head, ' ');
  bool good = !head.empty();
  if (word == "EDITED" || word == "IMPOSTOR") {
    answer.kind = word == "EDITED" ? AnswerKind::kEdited : AnswerKind::kImpostor;
    answer.who = head;
  } else if (word == "GATE") {
    answer.kind = AnswerKind::kGate;
    good = base::parse_decimal(head, answer.epoch);
  } else if (word == "GAP") {
    answer.kind = AnswerKind::kGap;
    good = base::parse_decimal(head, answer.lane_sequence);
  } else {
    const size_t heads_end = end_of_lines(rest, run_lengths(operations).size());
    good = word == "OK" && base::parse_decimal(head, answer.lane_sequence) &&
           heads_end < rest.size() &&
           parse_outcome(rest.substr(0, heads_end), rest.substr(heads_end + 1), operations,
                         answer.items, answer.verdicts);
  }
  if (!good) return not_an_answer(text);
  return answer;
}

Result<CallReceipt> parse_call_receipt(std::string_view text) {
  const Error damaged(ErrorClass::kCorrupt, "a receipt in Redis is not readable");
  CallReceipt receipt;
  size_t head_bytes = 0, verdict_bytes = 0;
  uint64_t journaled = 0;  // for other lanes
  if (!base::parse_decimal(take_until(text, ' '), receipt.lane_sequence) ||
      !base::parse_decimal(take_until(text, ' '), head_bytes) ||
      !base::parse_decimal(take_until(text, ' '), verdict_bytes) ||
      !base::parse_decimal(take_until(text, ' '), journaled) || head_bytes > text.size() ||
      verdict_bytes > text.size() - head_bytes) {
    return damaged;
  }
  if (text.empty()) return receipt;  // of no batch: it keeps the list from being empty
  const std::string_view heads = text.substr(0, head_bytes);
  const std::string_view lines = text.substr(head_bytes, verdict_bytes);
  if (!PayloadReader(text.substr(head_bytes + verdict_bytes)).read(receipt) ||
      !parse_outcome(heads, lines, receipt.operations, receipt.items, receipt.verdicts)) {
    return damaged;
  }
  const bool all_known = std::none_of(
      receipt.verdicts.begin(), receipt.verdicts.end(),
      [](const Verdict& verdict) { return verdict.kind == Verdict::Kind::kUnknown; });
  if (!all_known) return damaged;
  return receipt;
}

namespace {

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
    case Verb::kDelete:
      return journal::RecordType::kDelete;
    default:
      return journal::RecordType::kBuy;
  }
}

}  // namespace

uint32_t append_facts(std::string& records, const std::vector<Operation>& operations,
                      const std::vector<ItemAnswer>& items, const std::vector<Verdict>& verdicts,
                      uint64_t lane_sequence, int64_t time_ms, uint64_t& order_id_max) {
  uint32_t count = 0;
  size_t item = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    if (i > 0 && op.item != operations[i - 1].item) ++item;
    if (!is_fact(op, verdicts[i])) continue;
    journal::Record record;
    const bool sets_state = op.verb == Verb::kClose || op.verb == Verb::kReopen;
    record.type = record_type(op.verb);
    record.time_ms = sets_state ? verdicts[i].numbers[0] : time_ms;
    record.lane_sequence = lane_sequence;
    record.born = items[item].born;
    record.item = op.item;
    record.user = op.user;
    record.request = op.request;
    const bool is_order = op.verb == Verb::kBuy || op.verb == Verb::kCancel;
    record.order_id = is_order ? op.order_id : 0;
    const bool tells = op.verb == Verb::kCancel || op.verb == Verb::kDelete;
    record.quantity = tells ? verdicts[i].numbers[0] : op.quantity;
    record.limit = op.limit;
    record.start_ms = op.start_ms;
    record.end_ms = op.end_ms;
    record.hold_ms = op.hold_ms;
    record.fields = op.fields;
    journal::append_record(records, record);
    // A cancel's id is what a client wrote there.
    if (op.verb == Verb::kBuy || op.verb == Verb::kCreate)
      order_id_max = std::max(order_id_max, op.order_id);
    // Nor may what is made anew under this name seem to be older.
    if (op.verb == Verb::kDelete) order_id_max = std::max(order_id_max, record.born);
    ++count;
  }
  return count;
}

std::string item_operation_mark(Verb verb) {
  std::string mark;
  append_string(mark, item_user(verb));
  return mark;
}

}  // namespace sluice::proxy::sale
