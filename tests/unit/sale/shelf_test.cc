#include "proxy/sale/shelf.h"

#include <gtest/gtest.h>

namespace sluice::proxy::sale {
namespace {

using State = Shelf::State;

class NoSink final : public ReplySink {
 public:
  void deliver(uint64_t, std::string_view) override {}
};

Operation buy(const std::string& user) {
  Operation op;
  op.verb = Verb::kBuy, op.item = "phone", op.user = user, op.quantity = 1;
  op.sink = std::make_shared<NoSink>();
  return op;
}

void gather(Shelf& shelf, const std::string& users) {
  for (const char user : users) shelf.gather(buy(std::string(1, user)), 10, 3, 100);
}

ShelfBatch next_batch(Shelf& shelf, uint64_t number, uint64_t first_order_id) {
  ShelfBatch batch;
  batch.number = number, batch.first_order_id = first_order_id;
  batch.operations = shelf.take_waiting();
  for (Operation& op : batch.operations) op.order_id = first_order_id++;
  return batch;
}

std::string users_of(const std::vector<Operation>& operations) {
  std::string users;
  for (const Operation& op : operations) users += op.user;
  return users;
}

size_t ten_bytes(const Operation&) { return 10; }

void open(Shelf& shelf) {
  shelf.move(State::kAsking);
  shelf.move(State::kOpen);
}

TEST(Shelf, MovesOnlyAsItsTableAllows) {
  const State all[] = {State::kShut,    State::kAsking, State::kReplaying,
                       State::kWaiting, State::kUnable, State::kOpen};
  std::string table;
  for (const State from : all) {
    for (const State to : all) table += Shelf::may_move(from, to) ? 'x' : '.';
    table += '\n';
  }
  EXPECT_EQ(table,
            "xx....\n"   // shut
            "x.xxxx\n"   // asking
            "xx..x.\n"   // replaying
            "xx....\n"   // waiting
            "xx....\n"   // unable
            "xx..x.\n");  // open
  Shelf shelf(3, "7");
  EXPECT_DEATH(shelf.move(State::kOpen), "moves only as its table allows");
}

TEST(Shelf, GatheringsAreBoundedByOperationsAndBytes) {
  Shelf shelf(3, "7");
  gather(shelf, "abcd");
  shelf.gather(buy("e"), 95, 3, 100);
  EXPECT_EQ(shelf.waiting_operations(), 5u);
  EXPECT_EQ(users_of(shelf.take_waiting()), "abc");
  EXPECT_EQ(users_of(shelf.take_waiting()), "d");
  EXPECT_EQ(users_of(shelf.take_waiting()), "e");
  EXPECT_EQ(shelf.waiting_operations(), 0u);
  EXPECT_TRUE(shelf.idle());
}

TEST(Shelf, ABatchBehindAnotherForeseesItsSequence) {
  Shelf shelf(3, "7");
  shelf.know(41, 1000);
  gather(shelf, "abcdefghi");
  EXPECT_FALSE(shelf.may_send_another()) << "it is shut";
  open(shelf);
  ASSERT_TRUE(shelf.may_send_another());
  EXPECT_EQ(shelf.send(next_batch(shelf, 1, 100)).expected, 41u);
  EXPECT_FALSE(shelf.may_send_another()) << "the first one may write nothing";
  shelf.take(1);
  shelf.settle(42, 100);
  EXPECT_EQ(shelf.send(next_batch(shelf, 2, 110)).expected, 42u);
  ASSERT_TRUE(shelf.may_send_another()) << "it sells";
  EXPECT_EQ(shelf.send(next_batch(shelf, 3, 120)).expected, 43u);
  shelf.find(2)->answer = ShelfBatch::Answer::kRefused;
  gather(shelf, "z");
  EXPECT_FALSE(shelf.may_send_another()) << "the gate comes first";
}

TEST(Shelf, WhatWasNotAppliedGoesBackInItsOrderWithoutItsIds) {
  Shelf shelf(3, "7");
  gather(shelf, "abcdef");
  open(shelf);
  shelf.send(next_batch(shelf, 1, 100));
  shelf.take(1);
  shelf.settle(1, 100);
  gather(shelf, "ghi");
  shelf.send(next_batch(shelf, 2, 110));
  shelf.send(next_batch(shelf, 3, 120));
  shelf.find(3)->operations[1].sink.reset();  // its client was told -UNKNOWNSTATE
  gather(shelf, "j");
  shelf.put_back(ten_bytes);
  EXPECT_TRUE(shelf.in_flight().empty());
  EXPECT_EQ(shelf.waiting_operations(), 6u);
  const std::vector<Operation> again = shelf.take_all_waiting();
  EXPECT_EQ(users_of(again), "defgij");
  for (const Operation& op : again) EXPECT_EQ(op.order_id, 0u);
}

TEST(Shelf, RepliesLeaveWithTheirCommitInOrder) {
  Shelf shelf(3, "7");
  shelf.settle(1, 100);
  shelf.last_replies().operations.push_back(buy("a"));
  shelf.settle(2, 110);
  shelf.last_replies().operations.push_back(buy("b"));
  EXPECT_EQ(users_of(shelf.commit_done(1, true, 7).operations), "a");
  EXPECT_FALSE(shelf.synced.has_arrived(100));
  shelf.synced.arrived(7);
  EXPECT_TRUE(shelf.synced.has_arrived(109));
  EXPECT_FALSE(shelf.idle());
  EXPECT_EQ(users_of(shelf.commit_done(2, false, 0).operations), "b");
  EXPECT_TRUE(shelf.idle());
}

// Each of them once decided about money.
TEST(ShelfDeath, WhatMustHoldEndsTheProcessIfItDoesNot) {
  Shelf shelf(3, "7");
  EXPECT_DEATH(shelf.settle(2, 1), "settled lane sequences are consecutive");
  shelf.settle(1, 1);
  EXPECT_DEATH(shelf.settle(1, 1), "settled lane sequences are consecutive");
  EXPECT_DEATH((void)shelf.commit_done(2, true, 9), "a commit finds its entry");
  (void)shelf.commit_done(1, true, 9);
  EXPECT_DEATH((void)shelf.commit_done(1, true, 9), "a commit finds its entry");
  EXPECT_DEATH((void)shelf.last_replies(), "there is a commit to wait for");
  EXPECT_DEATH((void)shelf.take(1), "a batch is taken out of flight once");
  EXPECT_DEATH(shelf.send({}), "only an open shelf is sold from");
  Operation numbered = buy("a");
  numbered.order_id = 5;
  EXPECT_DEATH(shelf.gather(std::move(numbered), 1, 1, 1), "has no order id yet");
  gather(shelf, "a");
  open(shelf);
  shelf.send(next_batch(shelf, 1, 100));
  EXPECT_DEATH(open(shelf), "what was in flight is settled before");
}

}  // namespace
}  // namespace sluice::proxy::sale
