#include "bench/micro/samples.h"

#include <array>

#include "resp/writer.h"
#include "shelves/packed_item.h"

namespace sluice::bench::micro {
namespace {

constexpr std::string_view kItem = "item-1";
constexpr std::string_view kFieldName = "address", kFieldValue = "12 Long Lane, Bath";
constexpr int64_t kTimeMs = 1'795'000'000'000;
constexpr uint64_t kFirstOrderId = 381'000'000'000'000'000;  // 18 digits, as in these years

std::string user_name(size_t number) { return "user-" + std::to_string(1'000'000 + number); }
std::string request_id(size_t number) { return "req-" + std::to_string(1'000'000'000 + number); }

}  // namespace

std::string purchase_commands(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    const std::string user = user_name(i), request = request_id(i);
    const std::array<std::string_view, 8> args = {"SECKILL.BUY", kItem,    user,       "REQ",
                                                  request,       "FIELDS", kFieldName, kFieldValue};
    resp::append_command(out, args);
  }
  return out;
}

std::vector<proxy::sale::Operation> purchase_operations(size_t count) {
  std::vector<proxy::sale::Operation> operations(count);
  for (size_t i = 0; i < count; ++i) {
    proxy::sale::Operation& op = operations[i];
    op.verb = proxy::sale::Verb::kBuy;
    op.item = kItem;
    op.user = user_name(i);
    op.request = request_id(i);
    op.quantity = 1;
    op.order_id = kFirstOrderId + i;
    journal::append_field(op.fields, kFieldName, kFieldValue);
  }
  return operations;
}

std::string accepting_answer(uint64_t sequence, size_t count) {
  shelves::PackedItem item;
  item.stock = 1'000'000, item.fields = static_cast<uint32_t>(count), item.born = 7;
  const std::string head = "1000000 0 -1 P" + shelves::pack(item);
  std::string verdicts;
  for (size_t i = 0; i < count; ++i) verdicts += i == 0 ? "A" : "\nA";
  return "OK " + std::to_string(sequence) + " " + std::to_string(head.size()) + " " +
         std::to_string(verdicts.size()) + " 0 " + head + verdicts;
}

SampleRecords::SampleRecords(size_t count) : operations_(purchase_operations(count)) {
  for (const proxy::sale::Operation& op : operations_) {
    journal::Record record;
    record.time_ms = kTimeMs;
    record.lane_sequence = 1;
    record.item = op.item;
    record.user = op.user;
    record.request = op.request;
    record.order_id = op.order_id;
    record.quantity = op.quantity;
    record.fields = op.fields;
    journal::append_record(encoded_, record);
    records_.push_back(record);
  }
}

}  // namespace sluice::bench::micro
