// The purchase script of the shelves on a real Redis, as the proxy of lane 7 calls it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proxy/sale/purchase_answer.h"
#include "proxy/sale/purchase_call.h"
#include "proxy/sale/script_call.h"
#include "redis_fixture.h"
#include "shelves/packed_item.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {

inline Operation op(Verb verb, const std::string& user = "", int64_t quantity = 1,
                    const std::string& request = "", uint64_t order_id = 0) {
  Operation made;
  made.verb = verb, made.item = "phone", made.user = user, made.quantity = quantity;
  made.request = request, made.order_id = order_id;
  return made;
}

inline Operation of(const std::string& item, Operation op) {
  op.item = item;
  return op;
}

inline Operation create(int64_t stock, int64_t limit = 0, int64_t start_ms = 0, int64_t end_ms = 0,
                        uint64_t born = 1) {
  Operation made = op(Verb::kCreate, "", stock, "", born);
  made.limit = limit, made.start_ms = start_ms, made.end_ms = end_ms;
  return made;
}

class CallTest : public testing::Test {
 protected:
  static constexpr uint32_t kShelf = 3;
  static constexpr const char* kWriter = "journal-a incarnation-1";
  static constexpr const char* kNoId = "9007199254740991";  // above any item's

  CallTest() { open("7"); }

  // As the gate leaves the shelf for a lane.
  void open(const std::string& lane, uint64_t sequence = 0) {
    redis_.run({"HSET", kKey, "@epoch", std::to_string(epoch_), shelves::lane_field(lane),
                std::to_string(sequence) + " " + kWriter});
  }

  // `operations`: those of an item one after the other.
  std::string call(const std::vector<Operation>& operations, uint64_t epoch, uint64_t sequence,
                   uint64_t synced = 0, const std::string& lane = "7",
                   const std::string& writer = "") {
    CallPayload payload = encode_call(time_ms_, operations, kinds_text(operations), forecasts_);
    if (!ids_count_) payload.lowest = kNoId;
    CallWords words({kShelf, lane, writer.empty() ? writer_ : writer, epoch, sequence, synced},
                    payload);
    const auto& all = words.with("EVAL", scripts_.purchase.text);
    return redis_.run({all.begin(), all.end()});
  }
  // A batch that must be applied as the next one.
  CallAnswer answer(std::vector<Operation> operations) {
    group_by_item(operations);
    const std::string text = call(operations, epoch_, sequence_, sequence_);
    const auto answer = parse_call_answer(text, operations, forecasts_);
    EXPECT_TRUE(answer.ok() && answer->kind == CallAnswer::Kind::kApplied) << text;
    if (!answer.ok()) return {};
    sequence_ = answer->lane_sequence;
    return *answer;
  }
  // Its verdicts joined by '|', in the order of the items.
  std::string apply(std::vector<Operation> operations) {
    group_by_item(operations);
    const CallAnswer decided = answer(operations);
    std::string all;
    for (size_t i = 0; i < decided.verdicts.size(); ++i) {
      all += (i == 0 ? "" : "|") + shown(operations[i], decided.verdicts[i]);
    }
    return all;
  }
  // The letter, behind it what remains if the operation's kind tells that, and the numbers.
  static std::string shown(const Operation& op, const Verdict& verdict) {
    using Kind = Verdict::Kind;
    std::string text(1, static_cast<char>(verdict.kind));
    const bool changes_stock = op.verb == Verb::kCancel || op.verb == Verb::kRestock;
    const bool done = verdict.kind == Kind::kAccepted || verdict.kind == Kind::kRepeated;
    if ((op.verb == Verb::kBuy && (done || verdict.kind == Kind::kSoldOut)) ||
        (changes_stock && (done || verdict.kind == Kind::kRefused))) {
      text += " " + std::to_string(verdict.remaining);
    }
    const bool many = verdict.kind == Kind::kLimit || verdict.kind == Kind::kFound;
    const bool one = verdict.numbers[0] != 0 || many;
    if (one) text += " " + std::to_string(verdict.numbers[0]);
    if (many) text += " " + std::to_string(verdict.numbers[1]);
    if (verdict.kind == Kind::kFound) text.append(" ").append(verdict.status);
    return text;
  }

  std::string packed(const std::string& item = "phone") { return redis_.run({"HGET", kKey, item}); }
  shelves::PackedItem item(const std::string& name = "phone") {
    const auto found = shelves::unpack(packed(name));
    EXPECT_TRUE(found.ok()) << name;
    return found.ok() ? *found : shelves::PackedItem{};
  }
  void put(const shelves::PackedItem& item, const std::string& name = "phone") {
    redis_.run({"HSET", kKey, name, shelves::pack(item)});
  }
  int64_t redis_now_ms() {
    const std::string now = redis_.run({"TIME"});
    return std::stoll(now.substr(0, now.find(' '))) * 1000;
  }

  const std::string kKey = shelves::shelf_key(kShelf);
  const std::string kBuyers = shelves::buyers_key(kShelf, "phone");
  const std::string kReceipts = shelves::receipts_key(kShelf, "7");
  test::RedisServer redis_;
  const Scripts scripts_ = load_scripts();
  uint64_t epoch_ = 5, sequence_ = 0;
  std::string writer_ = kWriter;         // with the epoch behind it once a gate was passed
  int64_t time_ms_ = 1000;               // the proxy's clock
  std::vector<ItemForecast> forecasts_;  // of the next calls
  bool ids_count_ = false;               // else tests may have them small
};

}  // namespace sluice::proxy::sale
