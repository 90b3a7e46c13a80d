// The beat's script on a real Redis: who is known on a shelf, and what a beat learns there.
#include "call_fixture.h"

namespace sluice::proxy::sale {
namespace {

class BeatScriptTest : public CallTest {
 protected:
  BeatScriptTest() {
    redis_.run({"HSET", kKey, "@shelves", "64", "@nonce", "n", "@run", "r", "@lanes", ",7,8,9,",
                "@member:7", member("journal-a", "1", 5), "@knows:7", ",7,", "@member:8",
                "22 2 host-b 1000 6"});
  }
  static std::string member(const std::string& journal, const std::string& incarnation,
                            int64_t number) {
    return journal + " " + incarnation + " host 1000 " + std::to_string(number);
  }
  std::string beat(int64_t number, const std::string& last = "") {
    return redis_.run({"EVAL", scripts_.beat.text, "1", kKey, "7", "journal-a", "1", "host",
                       ",7,8,", std::to_string(number), last});
  }
  std::string own(const std::string& field) { return redis_.run({"HGET", kKey, field}); }
};

TEST_F(BeatScriptTest, TellsTheEpochTheNumberBeforeTheItemsAndTheOthers) {
  apply({create(5)});
  EXPECT_EQ(beat(8), "OK 5  5 1   8 22");
  EXPECT_EQ(beat(9), "OK 5  8 1   8 22");
  EXPECT_EQ(own("@knows:7"), ",7,8,");
  EXPECT_TRUE(own("@member:7").ends_with(" 9")) << own("@member:7");
}

TEST_F(BeatScriptTest, TellsWhoIsWaitedForAndWhoWasGivenUp) {
  redis_.run({"HSET", kKey, "@wait", ",8,", "@forget:9", "1"});
  EXPECT_EQ(beat(8), "OK 5 8 5 0 9  8 22");
}

TEST_F(BeatScriptTest, TellsWhatIsBeingDeletedAndNotMarkedByThisLane) {
  redis_.run({"HSET", kKey, "@deleting", "phone=,8, tv=,7,8, pen=,9, "});
  EXPECT_EQ(beat(8), "OK 5  5 0  phone pen 8 22");
  redis_.run({"HSET", kKey, "@deleting", "phone=,8,9,7, tv=,7,8,9, "});
  EXPECT_EQ(beat(9), "OK 5  8 0  phone 8 22") << "all have marked both: the last frees the name";
}

TEST_F(BeatScriptTest, WritesNothingWhereItIsNotKnown) {
  const auto refused = [&](const std::string& answer) {
    const std::string before = redis_.run({"HGETALL", kKey});
    EXPECT_EQ(beat(8), answer);
    EXPECT_EQ(redis_.run({"HGETALL", kKey}), before);
  };
  redis_.run({"HSET", kKey, "@forget:7", "1"});
  refused("FORGOTTEN");
  redis_.run({"HDEL", kKey, "@forget:7"});
  redis_.run({"HSET", kKey, "@member:7", member("journal-a", "3", 5)});
  refused("IMPOSTOR journal-a 3 host 1000 5");
  redis_.run({"HDEL", kKey, "@member:7"});
  refused("LOST");
  redis_.run({"DEL", kKey});
  refused("LOST");
}

TEST_F(BeatScriptTest, TheLastOneIsAsIfItWereOld) {
  EXPECT_TRUE(beat(8, "stop").starts_with("OK"));
  EXPECT_EQ(own("@member:7"), "journal-a 1 host 0 8");
}

}  // namespace
}  // namespace sluice::proxy::sale
