// A shelf's gate on a real Redis: a lane as its proxy passes it, and what its folder notes.
#pragma once

#include <algorithm>
#include <map>
#include <sstream>

#include "call_fixture.h"

namespace sluice::proxy::sale {

// A lane as its proxy's gate passes it.
struct LaneOf {
  std::string lane = "7";
  uint64_t journaled = 0;
  uint64_t complete_from = 0;
  std::string process = "run-1";
  std::string journal = "journal-a", incarnation = "incarnation-1";
  std::string shelves = "64";
  std::string known = ",7,";
  std::string flags;
  std::string forgotten = "0";
  std::string predecessors = ",";
  std::string stuck, to_bring;
};

class ShelfGateTest : public CallTest {
 protected:
  ShelfGateTest() { redis_.run({"FLUSHALL"}); }

  // The verdict; its reply's other parts are kept.
  std::string gate(const LaneOf& lane) {
    std::string verdict = ask(lane);
    if (verdict == "NOTE") {
      note(lane, gate_epoch_, std::max(lane.journaled, applied_));
      LaneOf again = lane;
      again.flags.clear();
      verdict = ask(again);
    }
    if (verdict == "OPEN" && lane.lane == "7") {
      writer_ = lane.journal + " " + lane.incarnation + " " + std::to_string(gate_epoch_);
    }
    return verdict;
  }
  // As its folder notes it.
  void note(const LaneOf& lane, uint64_t epoch, uint64_t sequence) {
    notes_[lane.lane] += " " + std::to_string(epoch) + ":" + std::to_string(sequence);
  }
  std::string ask(const LaneOf& lane) {
    std::istringstream words(redis_.run({"EVAL",
                                         scripts_.gate.text,
                                         "2",
                                         kKey,
                                         shelves::receipts_key(kShelf, lane.lane),
                                         lane.lane,
                                         std::to_string(lane.journaled),
                                         std::to_string(lane.complete_from),
                                         lane.process,
                                         "nonce",
                                         lane.journal,
                                         lane.incarnation,
                                         "host-" + lane.incarnation,
                                         lane.shelves,
                                         lane.known,
                                         lane.flags,
                                         "1",
                                         lane.stuck,
                                         lane.to_bring,
                                         notes_[lane.lane],
                                         lane.forgotten,
                                         lane.predecessors}));
    std::string verdict;
    words >> verdict >> gate_epoch_ >> applied_ >> about_;
    return verdict;
  }
  // A lane that sells: opened, its epoch taken.
  void sell_as(const LaneOf& lane) {
    EXPECT_EQ(gate(lane), "OPEN");
    epoch_ = gate_epoch_;
  }
  // Its member's last beat was long ago.
  void let_die(const std::string& lane, const std::string& incarnation) {
    redis_.run({"HSET", kKey, "@member:" + lane, "journal-a " + incarnation + " host 1000"});
  }
  // An operator has given the lane up.
  void give_up(const std::string& lane) {
    redis_.run({"HSET", kKey, "@lanes", "," + lane + ",", "@forget:" + lane, "1"});
  }
  std::string own(const std::string& field) { return redis_.run({"HGET", kKey, field}); }
  // "sequence journal incarnation", without the epoch that stands behind.
  std::string lane_of(const std::string& lane) {
    const std::string text = own("@lane:" + lane);
    return std::count(text.begin(), text.end(), ' ') < 3 ? text : text.substr(0, text.rfind(' '));
  }

  std::map<std::string, std::string> notes_;  // by lane
  uint64_t gate_epoch_ = 0, applied_ = 0;
  std::string about_;
};

}  // namespace sluice::proxy::sale
