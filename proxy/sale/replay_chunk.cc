#include "proxy/sale/replay_chunk.h"

#include <charconv>
#include <utility>

#include "base/error.h"
#include "journal/format.h"
#include "proxy/sale/msgpack.h"

namespace sluice::proxy::sale {
namespace {

using journal::RecordType;

// MessagePack's forms of a count in 32 bits, of the same size whatever the count is.
constexpr char kArray32 = static_cast<char>(0xdd), kNumber32 = static_cast<char>(0xce);
constexpr size_t kCountBytes = 5;

void set_count(std::string& bytes, size_t at, char form, uint32_t count) {
  bytes[at] = form;
  for (size_t i = 1; i < kCountBytes; ++i) {
    bytes[at + i] = static_cast<char>(count >> (8 * (kCountBytes - 1 - i)) & 0xff);
  }
}

std::string_view kind_of(RecordType type) {
  switch (type) {
    case RecordType::kCreate:
      return "N";
    case RecordType::kRestock:
      return "R";
    case RecordType::kBuy:
      return "B";
    case RecordType::kCancel:
      return "C";
    case RecordType::kClose:
      return "X";
    case RecordType::kReopen:
      return "O";
    case RecordType::kChange:
      return "H";
    case RecordType::kDelete:
      return "D";
    case RecordType::kPay:
      return "P";
    case RecordType::kExpire:
      return "E";
    case RecordType::kRefund:
      return "C";
  }
  return "";
}

// What purchase.lua writes into the field of a buyer with one order: "qty,order,request".
class BuyerField {
 public:
  explicit BuyerField(const journal::Record& record) {
    SLUICE_ASSERT(record.request.size() <= journal::kShortTextMax, "the journal bounds it");
    char* end = put(text_, record.quantity);
    end = put(end, record.order_id);
    length_ = static_cast<size_t>(record.request.copy(end, record.request.size()) + end - text_);
  }
  std::string_view text() const { return {text_, length_}; }

 private:
  static constexpr size_t kNumberBytes = 21;  // sign and digits of 64 bits, or digits and a comma

  template <class Number>
  static char* put(char* at, Number number) {
    at = std::to_chars(at, at + kNumberBytes, number).ptr;
    *at++ = ',';
    return at;
  }

  char text_[2 * kNumberBytes + journal::kShortTextMax];
  size_t length_ = 0;
};

}  // namespace

void ItemChunk::add(const journal::Record& record) {
  if (bytes_.empty()) bytes_.resize(kCountBytes);
  if (record.born != born_ || elements_ == 0) add_born(record.born);
  record.type == RecordType::kBuy ? add_purchase(record) : add_other(record);
}

void ItemChunk::add_born(uint64_t born) {
  append_string(bytes_, "G");
  append_string(bytes_, {reinterpret_cast<const char*>(&born), sizeof born});
  elements_ += 2;
  born_ = born;
  run_count_at_ = 0;
}

void ItemChunk::add_purchase(const journal::Record& record) {
  if (run_count_at_ == 0 || record.lane_sequence != run_batch_) {
    append_string(bytes_, kind_of(record.type));
    append_integer(bytes_, static_cast<int64_t>(record.lane_sequence));
    run_count_at_ = bytes_.size();
    run_count_ = 0;
    run_batch_ = record.lane_sequence;
    bytes_.append(kCountBytes, '\0');
    elements_ += 3;
  }
  set_count(bytes_, run_count_at_, kNumber32, ++run_count_);
  append_string(bytes_, record.user);
  append_integer(bytes_, record.quantity);
  append_string(bytes_, BuyerField(record).text());
  elements_ += 3;
}

void ItemChunk::add_other(const journal::Record& record) {
  run_count_at_ = 0;
  append_string(bytes_, kind_of(record.type));
  append_integer(bytes_, static_cast<int64_t>(record.lane_sequence));
  append_string(bytes_, record.user);
  append_integer(bytes_, record.quantity);
  append_string(bytes_, record.request);
  // As text: Lua's numbers end at 2^53.
  append_string(bytes_, record.order_id == 0 ? "" : std::to_string(record.order_id));
  std::string settings;
  if (journal::has_settings(record.type)) {
    settings = std::to_string(record.limit) + "," + std::to_string(record.start_ms) + "," +
               std::to_string(record.end_ms) + "," + std::to_string(record.hold_ms);
  }
  append_string(bytes_, settings);
  append_integer(bytes_, record.time_ms);
  elements_ += 8;
}

std::string ItemChunk::take() {
  set_count(bytes_, 0, kArray32, elements_);
  return std::move(bytes_);
}

void ReplayChunk::add(const journal::Record& record) {
  const auto [item, is_new] = items_.try_emplace(std::string(record.item));
  if (is_new) order_.push_back(item->first);
  const size_t before = item->second.bytes_.size();
  item->second.add(record);
  bytes_ += item->second.bytes_.size() - before;
  last_lane_sequence_ = record.lane_sequence;
}

ReplayChunk::Arguments ReplayChunk::take() {
  Arguments arguments;
  const auto count = static_cast<uint32_t>(order_.size());
  append_array_header(arguments.names, count);
  append_array_header(arguments.records, count);
  for (const std::string_view name : order_) {
    append_string(arguments.names, name);
    arguments.records += items_.find(std::string(name))->second.take();
    arguments.items.emplace_back(name);
  }
  order_.clear();
  items_.clear();
  bytes_ = 0;
  return arguments;
}

}  // namespace sluice::proxy::sale
