#include "proxy/sale/purchase_answer.h"

#include <algorithm>
#include <cstring>

#include "base/decimal.h"
#include "journal/record.h"
#include "proxy/sale/msgpack.h"
#include "proxy/sale/operation_text.h"

namespace sluice::proxy::sale {
namespace {

constexpr std::string_view kAsForeseen = "=";

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

// A receipt behind its first line, into operations that are still to be made.
class ReceiptReader {
 public:
  explicit ReceiptReader(std::string_view text) : text_(text), meta_(text) {}

  bool read(CallReceipt& receipt, std::vector<ItemForecast>& forecasts) {
    auto& operations = receipt.operations;
    if (meta_.array_header() != kMetaColumns) return false;
    receipt.time_ms = meta_.integer();
    return read_items(operations) && read_kinds(operations) && read_quantities(operations) &&
           read_forecasts(forecasts, operations) && read_words(operations) &&
           parse_details(text_, operations);
  }

 private:
  bool read_items(std::vector<Operation>& operations) {
    std::vector<std::string_view> names(std::min<uint32_t>(meta_.array_header(), kItemsMax));
    for (std::string_view& name : names) name = meta_.string();
    if (meta_.array_header() != names.size()) return false;
    for (const std::string_view name : names) {
      const int64_t count = meta_.integer();
      if (count < 1 || count > kOperationsMax) return false;
      for (int64_t i = 0; i < count; ++i) operations.emplace_back().item = name;
    }
    return meta_.ok() && !operations.empty();
  }

  bool read_kinds(std::vector<Operation>& operations) {
    const std::string_view kinds = meta_.string();
    if (kinds.size() != operations.size()) return false;
    for (size_t i = 0; i < kinds.size(); ++i) {
      operations[i].verb = static_cast<Verb>(kinds[i] >= 'a' ? kinds[i] - ('a' - 'A') : kinds[i]);
    }
    return true;
  }

  bool read_quantities(std::vector<Operation>& operations) {
    if (meta_.array_header() != operations.size()) return false;
    for (Operation& op : operations) op.quantity = meta_.integer();
    return meta_.ok();
  }

  bool read_forecasts(std::vector<ItemForecast>& forecasts, std::span<const Operation> operations) {
    forecasts.resize(run_lengths(operations).size());
    if (meta_.array_header() != forecasts.size()) return false;
    for (ItemForecast& forecast : forecasts) {
      const std::string_view told = meta_.string();
      uint64_t numbers[2];
      if (told.empty()) continue;
      if (told.size() != sizeof numbers) return false;
      std::memcpy(numbers, told.data(), sizeof numbers);
      forecast.foreseen = true;
      forecast.before.stock = static_cast<uint32_t>(numbers[0]);
      forecast.before.born = numbers[1];
    }
    text_ = meta_.rest();
    std::string_view nothing;
    return meta_.ok() && take_line(text_, nothing) && nothing.empty();
  }

  bool read_words(std::vector<Operation>& operations) {
    return std::all_of(operations.begin(), operations.end(), [this](Operation& op) {
      std::string_view user, text;
      if (!take_line(text_, user) || !take_line(text_, text)) return false;
      if (!user.starts_with('/')) op.user = user;
      return parse_operation_text(text, op);
    });
  }

  static constexpr uint32_t kItemsMax = 4096;
  static constexpr int64_t kOperationsMax = 65'536;

  std::string_view text_;
  MsgpackReader meta_;
};

// "remaining fields-before ends-in-ms ", and the item as it is now: 'P' and packed, or 'N'.
bool parse_item_answer(std::string_view& text, ItemAnswer& item) {
  const auto take = [&text](auto& number) {
    return base::parse_decimal(take_until(text, ' '), number);
  };
  if (!take(item.remaining) || !take(item.fields_before) || !take(item.ends_in_ms) || text.empty())
    return false;
  const bool is_there = text.front() == 'P';
  if (!is_there && text.front() != 'N') return false;
  text.remove_prefix(1);
  if (!is_there) return true;
  const auto now = shelves::unpack(text.substr(0, shelves::kPackedItemBytes));
  if (!now) return false;
  item.now = *now;
  text.remove_prefix(shelves::kPackedItemBytes);
  return true;
}

void append_foreseen(std::span<const Operation> operations, ItemAnswer& item,
                     const ItemForecast& forecast, std::vector<Verdict>& verdicts) {
  item.remaining = int64_t{forecast.before.stock} - int64_t{forecast.before.sold};
  item.fields_before = forecast.before.fields;
  item.now = forecast.after();
  int64_t remaining = item.remaining;
  for (const Operation& op : operations) {
    Verdict& verdict = verdicts.emplace_back();
    verdict.kind = Verdict::Kind::kAccepted;
    verdict.remaining = remaining -= op.quantity;
  }
}

// Heads, and verdicts: a line for each operation on the items that did not go as foreseen.
bool parse_outcome(std::string_view text, std::span<const Operation> operations,
                   std::span<const ItemForecast> forecasts, std::vector<ItemAnswer>& items,
                   std::vector<Verdict>& verdicts) {
  const std::vector<size_t> lengths = run_lengths(operations);
  std::vector<bool> as_foreseen;
  for (size_t k = 0; k < lengths.size(); ++k) {
    ItemAnswer& item = items.emplace_back();
    as_foreseen.push_back(text.starts_with(kAsForeseen));
    if (as_foreseen.back()) {
      if (k >= forecasts.size() || !forecasts[k].foreseen) return false;
      text.remove_prefix(kAsForeseen.size());
    } else if (!parse_item_answer(text, item)) {
      return false;
    }
  }
  verdicts.reserve(operations.size());
  for (size_t k = 0; k < lengths.size(); ++k) {
    const auto of_item = operations.first(lengths[k]);
    operations = operations.subspan(lengths[k]);
    if (as_foreseen[k]) {
      append_foreseen(of_item, items[k], forecasts[k], verdicts);
      continue;
    }
    const size_t end = end_of_lines(text, of_item.size());
    auto its_verdicts = parse_verdicts(text.substr(0, end), of_item, items[k].remaining);
    if (!its_verdicts) return false;
    verdicts.insert(verdicts.end(), its_verdicts->begin(), its_verdicts->end());
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return text.empty();
}

// The first line of an answer or a receipt.
struct FirstLine {
  uint64_t lane_sequence = 0;
  std::string_view
      outcome;  // heads and verdicts; "" of a receipt that keeps a list from being empty

  // Removes it from the text.
  bool take(std::string_view& text) {
    size_t heads = 0, verdicts = 0;
    uint64_t journaled = 0;  // for other lanes
    for (uint64_t* number : {&lane_sequence, &heads, &verdicts, &journaled}) {
      if (!base::parse_decimal(take_until(text, ' '), *number)) return false;
    }
    if (heads > text.size() || verdicts > text.size() - heads) return false;
    outcome = text.substr(0, heads + verdicts);
    text.remove_prefix(outcome.size());
    return true;
  }
};

}  // namespace

Result<CallAnswer> parse_call_answer(std::string_view text,
                                     const std::vector<Operation>& operations,
                                     std::span<const ItemForecast> forecasts) {
  using AnswerKind = CallAnswer::Kind;
  CallAnswer answer;
  std::string_view rest = text;
  const std::string_view word = take_until(rest, ' ');
  bool good = !rest.empty();
  if (word == "EDITED" || word == "IMPOSTOR") {
    answer.kind = word == "EDITED" ? AnswerKind::kEdited : AnswerKind::kImpostor;
    answer.who = rest;
  } else if (word == "GATE") {
    answer.kind = AnswerKind::kGate;
    good = base::parse_decimal(rest, answer.epoch);
  } else if (word == "IDS") {
    uint32_t low = 0, high = 0;
    answer.kind = AnswerKind::kIds;
    good = base::parse_decimal(take_until(rest, ' '), low) && base::parse_decimal(rest, high);
    answer.born = uint64_t{high} << 32 | low;
  } else if (word == "GAP") {
    answer.kind = AnswerKind::kGap;
    good = base::parse_decimal(rest, answer.lane_sequence);
  } else {
    FirstLine line;
    good = word == "OK" && line.take(rest) && rest.empty() &&
           parse_outcome(line.outcome, operations, forecasts, answer.items, answer.verdicts);
    answer.lane_sequence = line.lane_sequence;
  }
  if (!good) return not_an_answer(text);
  return answer;
}

Result<CallReceipt> parse_call_receipt(std::string_view text) {
  const Error damaged(ErrorClass::kCorrupt, "a receipt in Redis is not readable");
  CallReceipt receipt;
  FirstLine line;
  if (!line.take(text)) return damaged;
  receipt.lane_sequence = line.lane_sequence;
  if (line.outcome.empty() && text.empty()) return receipt;  // of no batch
  std::vector<ItemForecast> forecasts;
  if (!text.starts_with('\n') || !ReceiptReader(text.substr(1)).read(receipt, forecasts) ||
      !parse_outcome(line.outcome, receipt.operations, forecasts, receipt.items,
                     receipt.verdicts)) {
    return damaged;
  }
  const bool all_known =
      std::none_of(receipt.verdicts.begin(), receipt.verdicts.end(),
                   [](const Verdict& verdict) { return verdict.kind == Verdict::Kind::kUnknown; });
  if (!all_known) return damaged;
  return receipt;
}

namespace {

journal::RecordType record_type(Verb verb, const Verdict& verdict) {
  switch (verb) {
    case Verb::kCreate:
      return journal::RecordType::kCreate;
    case Verb::kRestock:
      return journal::RecordType::kRestock;
    case Verb::kChange:
      return journal::RecordType::kChange;
    case Verb::kCancel:
      return verdict.numbers[1] == 1 ? journal::RecordType::kRefund : journal::RecordType::kCancel;
    case Verb::kPay:
      return journal::RecordType::kPay;
    case Verb::kExpire:
      return journal::RecordType::kExpire;
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

// The script tells it where it must be later than of the record before.
int64_t time_of(const Operation& op, const Verdict& verdict, int64_t time_ms) {
  switch (op.verb) {
    case Verb::kClose:
    case Verb::kReopen:
      return verdict.numbers[0];
    case Verb::kChange:
      return verdict.numbers[4];
    default:
      return time_ms;
  }
}

}  // namespace

uint32_t append_facts(std::string& records, const std::vector<Operation>& operations,
                      const std::vector<ItemAnswer>& items, const std::vector<Verdict>& verdicts,
                      uint64_t lane_sequence, int64_t time_ms, const OrderIds& ids,
                      uint64_t& order_id_max) {
  uint32_t count = 0;
  size_t item = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    if (i > 0 && op.item != operations[i - 1].item) ++item;
    if (!is_fact(op, verdicts[i])) continue;
    journal::Record record;
    const auto& numbers = verdicts[i].numbers;
    record.type = record_type(op.verb, verdicts[i]);
    record.time_ms = time_of(op, verdicts[i], time_ms);
    record.lane_sequence = lane_sequence;
    record.born = items[item].now.born;
    record.item = op.item;
    record.user = op.user;
    record.request = op.request;
    record.order_id = journal::is_of_order(record.type) ? op.order_id : 0;
    const bool tells = op.verb == Verb::kDelete || (record.order_id != 0 && op.verb != Verb::kBuy);
    record.quantity = tells ? numbers[0] : op.quantity;
    const bool is_change = op.verb == Verb::kChange;
    record.limit = is_change ? numbers[0] : op.limit;
    record.start_ms = is_change ? numbers[1] : op.start_ms;
    record.end_ms = is_change ? numbers[2] : op.end_ms;
    record.hold_ms = is_change ? numbers[3] : op.hold_ms;
    record.fields = op.fields;
    journal::append_record(records, record);
    // A cancel's id is what a client wrote there.
    if (op.verb == Verb::kBuy || op.verb == Verb::kCreate)
      order_id_max = std::max(order_id_max, op.order_id);
    // Nor may what is made anew under this name seem to be older.
    if (op.verb == Verb::kDelete) order_id_max = std::max(order_id_max, ids.as_own(record.born));
    ++count;
  }
  return count;
}

}  // namespace sluice::proxy::sale
