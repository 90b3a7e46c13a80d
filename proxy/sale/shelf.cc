#include "proxy/sale/shelf.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {

std::string_view Shelf::name_of(State state) {
  switch (state) {
    case State::kShut:
      return "shut";
    case State::kAsking:
      return "asking";
    case State::kReplaying:
      return "replaying";
    case State::kWaiting:
      return "waiting";
    case State::kUnable:
      return "unable";
    case State::kOpen:
      return "open";
  }
  return "";
}

bool Shelf::may_move(State from, State to) {
  if (to == State::kShut) return true;  // the connection may be lost at any time
  switch (from) {
    case State::kAsking:
      return to != State::kAsking;
    case State::kReplaying:
      return to == State::kAsking || to == State::kUnable;
    case State::kOpen:
      return to == State::kAsking || to == State::kUnable;
    case State::kShut:
    case State::kWaiting:
    case State::kUnable:
      return to == State::kAsking;
  }
  return false;
}

Shelf::Shelf(uint32_t shelf_number, std::string_view lane)
    : number(shelf_number),
      key(shelves::shelf_key(shelf_number)),
      receipts_key(shelves::receipts_key(shelf_number, lane)) {}

void Shelf::move(State to, std::string why, std::string_view prefix) {
  SLUICE_ASSERT(may_move(state_, to), "a shelf moves only as its table allows");
  SLUICE_ASSERT(to != State::kOpen || in_flight_.empty(),
                "what was in flight is settled before a shelf opens");
  state_ = to;
  why_ = std::move(why);
  prefix_ = prefix;
  if (to != State::kOpen) selling_ = false;
}

void Shelf::know(uint64_t lane_sequence, uint64_t journal_sequence) {
  SLUICE_ASSERT(lane_sequence_ == 0 && idle(), "recovery comes first");
  lane_sequence_ = lane_sequence;
  synced.set_last_lane_sequence(lane_sequence);
  if (journal_sequence != 0) drained.add(0, journal_sequence, lane_sequence);
}

void Shelf::gather(Operation&& op, size_t bytes, size_t operations_max, size_t bytes_max) {
  SLUICE_ASSERT(op.verb != Verb::kBuy || op.order_id == 0, "what waits has no order id yet");
  const bool fits = !waiting_.empty() && waiting_.back().operations.size() < operations_max &&
                    waiting_.back().bytes + bytes <= bytes_max;
  if (!fits) {
    waiting_.emplace_back();
    waiting_.back().operations = std::exchange(spare_, {});
  }
  waiting_.back().operations.push_back(std::move(op));
  waiting_.back().bytes += bytes;
  ++waiting_operations_;
}

void Shelf::reuse(std::vector<Operation>&& operations) {
  operations.clear();
  spare_ = std::move(operations);
}

bool Shelf::many_wait(size_t many) const {
  return waiting_.size() > 1 ||
         (!waiting_.empty() && waiting_.front().operations.size() >= many);
}

std::vector<Operation> Shelf::take_waiting() {
  SLUICE_ASSERT(!waiting_.empty(), "there is something to take");
  std::vector<Operation> operations = std::move(waiting_.front().operations);
  waiting_.pop_front();
  SLUICE_ASSERT(operations.size() <= waiting_operations_, "what waits is counted");
  waiting_operations_ -= operations.size();
  return operations;
}

std::vector<Operation> Shelf::take_all_waiting() {
  std::vector<Operation> all;
  while (!waiting_.empty()) {
    std::vector<Operation> operations = take_waiting();
    std::move(operations.begin(), operations.end(), std::back_inserter(all));
  }
  return all;
}

bool Shelf::may_send_another() const {
  if (waiting_.empty() || state_ != State::kOpen) return false;
  if (in_flight_.empty()) return true;
  return in_flight_.size() < kInFlightMax && selling_ &&
         in_flight_.front().answer == ShelfBatch::Answer::kDue;
}

ShelfBatch& Shelf::send(ShelfBatch batch) {
  SLUICE_ASSERT(state_ == State::kOpen, "only an open shelf is sold from");
  SLUICE_ASSERT(in_flight_.size() < kInFlightMax, "few batches are in flight");
  batch.expected = lane_sequence_ + in_flight_.size();
  in_flight_.push_back(std::move(batch));
  return in_flight_.back();
}

ShelfBatch* Shelf::find(uint64_t batch_number) {
  const auto found = place_of(batch_number);
  return found == in_flight_.end() ? nullptr : &*found;
}

ShelfBatch Shelf::take(uint64_t batch_number) {
  const auto found = place_of(batch_number);
  SLUICE_ASSERT(found != in_flight_.end(), "a batch is taken out of flight once");
  ShelfBatch batch = std::move(*found);
  in_flight_.erase(found);
  return batch;
}

Queue<ShelfBatch>::iterator Shelf::place_of(uint64_t batch_number) {
  return std::find_if(in_flight_.begin(), in_flight_.end(), [=](const ShelfBatch& batch) {
    return batch.number == batch_number;
  });
}

void Shelf::put_back(size_t (*bytes_of)(const Operation&)) {
  for (auto batch = in_flight_.rbegin(); batch != in_flight_.rend(); ++batch) {
    Gathering again{std::move(batch->operations)};
    std::erase_if(again.operations, [](const Operation& op) { return !op.sink; });
    if (again.operations.empty()) continue;
    for (Operation& op : again.operations) {
      if (op.verb == Verb::kBuy || op.verb == Verb::kCreate) op.order_id = 0;
      again.bytes += bytes_of(op);
    }
    waiting_operations_ += again.operations.size();
    waiting_.push_front(std::move(again));
  }
  in_flight_.clear();
}

void Shelf::settle(uint64_t sequence, uint64_t first_order_id) {
  SLUICE_ASSERT(sequence == lane_sequence_ + 1, "settled lane sequences are consecutive");
  lane_sequence_ = sequence;
  selling_ = true;
  commits_.push_back({sequence, first_order_id, {}});
}

ShelfReplies& Shelf::last_replies() {
  SLUICE_ASSERT(!commits_.empty(), "there is a commit to wait for");
  return commits_.back().replies;
}

ShelfReplies Shelf::commit_done(uint64_t sequence, bool success, uint64_t journal_sequence) {
  SLUICE_ASSERT(!commits_.empty() && commits_.front().lane_sequence == sequence,
                "a commit finds its entry");
  Commit commit = std::move(commits_.front());
  commits_.pop_front();
  if (success) {
    synced.add(commit.first_order_id, journal_sequence, sequence);
    drained.add(commit.first_order_id, journal_sequence, sequence);
  }
  return std::move(commit.replies);
}

}  // namespace sluice::proxy::sale
