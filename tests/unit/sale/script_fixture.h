// The sale's scripts on a real Redis, called as a lane calls them, and their verdicts as text.
#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "proxy/sale/msgpack.h"
#include "proxy/sale/purchase_script.h"
#include "redis_fixture.h"

namespace sluice::proxy::sale {

inline Operation op(Verb verb, std::string user = "", int64_t quantity = 1,
                    std::string request = "", uint64_t order_id = 0) {
  Operation made;
  made.verb = verb;
  made.item = "phone";
  made.user = std::move(user);
  made.quantity = quantity;
  made.request = std::move(request);
  made.order_id = order_id;
  return made;
}

inline Operation create(int64_t stock, int64_t limit = 0, int64_t start_ms = 0,
                        int64_t end_ms = 0) {
  Operation made = op(Verb::kCreate, "", stock);
  made.limit = limit, made.start_ms = start_ms, made.end_ms = end_ms;
  return made;
}

class ScriptTest : public testing::Test {
 protected:
  std::string call(const std::vector<Operation>& operations, uint64_t epoch, uint64_t sequence,
                   uint64_t synced = 0, const std::string& lane = "7") {
    const Payload payload = encode_operations(time_ms_, operations, "run-1", 86'400'000);
    return redis_.run({"EVAL", std::string(scripts_.purchase.text), "3", kItem, kBuyers,
                       "sluice:{phone}:receipts:" + lane, lane, std::to_string(epoch),
                       std::to_string(sequence), std::to_string(synced), "journal-a",
                       payload.operations, payload.details});
  }
  // A verdict's line, and behind its letter what remains if the operation's kind tells that.
  static std::string shown(const Operation& op, const Verdict& verdict, std::string line) {
    const bool changes_stock = op.verb == Verb::kCancel || op.verb == Verb::kRestock;
    const std::string remaining = " " + std::to_string(verdict.remaining);
    using Kind = Verdict::Kind;
    const auto is = [&verdict](Kind kind) { return verdict.kind == kind; };
    if (op.verb == Verb::kBuy && is(Kind::kRepeated)) return line + remaining;
    if ((op.verb == Verb::kBuy && (is(Kind::kAccepted) || is(Kind::kSoldOut))) ||
        (changes_stock &&
         (is(Kind::kAccepted) || is(Kind::kRepeated) || is(Kind::kRefused)))) {
      line.insert(1, remaining);
    }
    return line;
  }
  // Runs a batch that must be applied as the next one; its verdicts joined by '|'.
  std::string apply(const std::vector<Operation>& operations) {
    const std::string text = call(operations, epoch_, sequence_, sequence_);
    const auto answer = parse_answer(text, operations);
    EXPECT_TRUE(answer.ok() && answer->kind == Answer::Kind::kApplied) << text;
    if (!answer.ok()) return text;
    epoch_ = answer->epoch, sequence_ = answer->sequence;
    std::istringstream lines(text.substr(text.find('\n') + 1));
    std::string line, all;
    for (size_t i = 0; i < operations.size() && std::getline(lines, line); ++i) {
      all += (i == 0 ? "" : "|") + shown(operations[i], answer->verdicts[i], line);
    }
    return all;
  }
  // As a proxy of this lane that has journaled up to `journaled` and knows the lanes 7 and `known`.
  std::string gate(uint64_t journaled, const std::string& flags = "", const std::string& lane = "7",
                   const std::string& run = "run-1", const std::string& known = ",7,",
                   const std::string& forgotten = ",") {
    const std::string reply = redis_.run({"EVAL", std::string(scripts_.gate.text), "3", kItem,
                                          "sluice:{phone}:receipts:" + lane, kBuyers, lane,
                                          std::to_string(journaled), run, known, forgotten, flags});
    const size_t space = reply.find(' ');
    if (space != std::string::npos) gate_epoch_ = std::strtoull(&reply[space], nullptr, 10);
    return reply.substr(0, space);
  }
  std::string field(const std::string& name) { return redis_.run({"HGET", kItem, name}); }

  const std::string kItem = "sluice:{phone}:item", kBuyers = "sluice:{phone}:buyers";
  test::RedisServer redis_;
  const Scripts scripts_ = load_scripts();
  uint64_t epoch_ = 0, sequence_ = 0;
  uint64_t gate_epoch_ = 0;  // as the last gate() told
  int64_t time_ms_ = 1000;   // the proxy's clock
};

}  // namespace sluice::proxy::sale
