#include "proxy/sale/confirmation.h"

#include <iterator>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/order_ids.h"
#include "proxy/sale/purchase_call.h"
#include "proxy/sale/script_call.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {
namespace {

using Kind = Verdict::Kind;

constexpr auto kPollInterval = std::chrono::milliseconds(20);

// The client names the order.
bool names_order(Verb verb) { return verb == Verb::kCancel || verb == Verb::kPay; }

bool is_of_item(Verb verb) {
  return verb != Verb::kBuy && verb != Verb::kQuery && !names_order(verb);
}

// The order that an answer speaks of; 0: none.
uint64_t order_of(const Operation& op, const Verdict& verdict) {
  if (is_of_item(op.verb)) return 0;
  if (names_order(op.verb)) return op.order_id;
  return static_cast<uint64_t>(verdict.numbers[verdict.kind == Kind::kLimit ? 1 : 0]);
}

// What a receipt has in it if it is of what the answer speaks of: the order, or any change of this
// kind to an item of the shelf.
std::string mark_of(const Operation& op, const Verdict& verdict) {
  return is_of_item(op.verb) ? item_operation_mark(op.verb)
                             : std::to_string(order_of(op, verdict));
}

}  // namespace

Confirmation::Confirmation(upstream::IoThread& thread, upstream::RedisClient& redis, Shared& shared,
                           Done done)
    : redis_(redis), shared_(shared), done_(std::move(done)), timer_(thread.context()) {}

bool Confirmation::needed(const Operation& op, const Verdict& verdict) const {
  if (!op.sink || shared_.lanes->alone()) return false;
  if (is_of_item(op.verb)) return true;
  const uint64_t order = order_of(op, verdict);
  // Of its own orders a lane knows by itself, unless the answer also tells of a cancellation.
  const bool own = shared_.order_ids->is_own(order);
  return order != 0 && !(own && op.verb == Verb::kBuy);
}

void Confirmation::hold(Shelf& shelf, Operation op, const Verdict& verdict) {
  ++held_;
  const int64_t deadline_us = base::monotonic_us() + shared_.limits.unknown_after_us;
  gathering_[&shelf].push_back({std::move(op), verdict, shelf.epoch(), deadline_us});
  ask_all();
}

void Confirmation::ask_all() {
  if (under_way_ > 0) return;
  std::unordered_map<Shelf*, Batch> due;
  due.swap(gathering_);
  for (auto& [shelf, batch] : due) ask(*shelf, std::move(batch));
}

// All other lanes: an order may be one lane's and its cancellation another's.
void Confirmation::ask(Shelf& shelf, Batch batch) {
  const auto asked = std::make_shared<Batch>();  // std::function copies
  for (Held& held : batch) {
    if (redis_.connected() && held.epoch == shelf.epoch()) {
      asked->push_back(std::move(held));
    } else {
      finish(shelf, held, false);
    }
  }
  if (asked->empty()) return;
  std::vector<std::string> words{"", shelf.key};
  for (const auto& [id, journal] : shared_.lanes->peers()) {
    words.push_back(shelves::receipts_key(shelf.number, std::to_string(id)));
  }
  words[0] = std::to_string(words.size() - 1);
  words.push_back("find");
  words.push_back(std::to_string(shelf.epoch()));
  for (const Held& held : *asked) {
    words.push_back(mark_of(held.op, held.verdict));
  }
  ++under_way_;
  eval_script(redis_, shared_.scripts.receipts, std::move(words),
              [this, &shelf, asked](const Result<upstream::Reply>& reply) {
                --under_way_;
                answered(shelf, *asked, reply);
                ask_all();
              });
}

void Confirmation::answered(Shelf& shelf, Batch& batch, const Result<upstream::Reply>& reply) {
  const bool asked = reply && reply->size() == batch.size();
  for (size_t i = 0; i < batch.size(); ++i) {
    Held& held = batch[i];
    if (asked && reply->at(i).integer() == 0) {
      finish(shelf, held, true);
    } else if (!asked || base::monotonic_us() > held.deadline_us) {
      finish(shelf, held, false);
    } else {
      to_poll_[&shelf].push_back(std::move(held));
      poll_later();
    }
  }
}

void Confirmation::finish(Shelf& shelf, Held& held, bool confirmed) {
  --held_;
  done_(shelf, held.op, held.verdict, confirmed);
}

void Confirmation::poll_later() {
  if (std::exchange(polling_, true)) return;
  timer_.expires_after(kPollInterval);
  timer_.async_wait([this](boost::system::error_code failure) {
    polling_ = false;
    if (failure) return;
    for (auto& [shelf, batch] : to_poll_) {
      Batch& gathering = gathering_[shelf];
      std::move(batch.begin(), batch.end(), std::back_inserter(gathering));
    }
    to_poll_.clear();
    ask_all();
  });
}

void Confirmation::lost() {
  for (auto* batches : {&gathering_, &to_poll_}) {
    for (auto& [shelf, batch] : *batches) {
      for (Held& held : batch) finish(*shelf, held, false);
    }
    batches->clear();
  }
}

void Confirmation::stop() {
  timer_.cancel();
  lost();
}

}  // namespace sluice::proxy::sale
