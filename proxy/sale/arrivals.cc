#include "proxy/sale/arrivals.h"

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "proxy/sale/order_ids.h"
#include "proxy/sale/replies.h"

namespace sluice::proxy::sale {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(20);
constexpr int64_t kAskEveryUs = 200'000;
// Of the flusher at once: its requests have other things to do, too.
constexpr size_t kAskedMax = 8;

}  // namespace

Arrivals::Arrivals(upstream::IoThread& thread, upstream::Inbox& inbox, Shared& shared,
                   FlusherPort& flusher, IsRow is_row, Deliver deliver)
    : inbox_(inbox),
      shared_(shared),
      flusher_(flusher),
      is_row_(std::move(is_row)),
      deliver_(std::move(deliver)),
      timer_(thread.context()) {}

void Arrivals::wait(Shelf& shelf, Operation op) {
  const int64_t now_us = base::monotonic_us();
  const auto waiting = std::make_shared<Waiting>();
  waiting->shelf = &shelf;
  waiting->deadline_us = now_us + op.wait_ms * 1000;
  waiting->op = std::move(op);
  waiting_.push_back(waiting);
  tick();
}

void Arrivals::stop() {
  timer_.cancel();
  for (const auto& each : std::exchange(waiting_, {})) deliver_(each->op, wait_timeout_reply());
}

void Arrivals::schedule() {
  if (waiting_.empty() || std::exchange(ticking_, true)) return;
  timer_.expires_after(kLookEvery);
  timer_.async_wait([this](boost::system::error_code failure) {
    ticking_ = false;
    if (!failure) tick();
  });
}

void Arrivals::tick() {
  const int64_t now_us = base::monotonic_us();
  for (auto each = waiting_.begin(); each != waiting_.end();) {
    const std::shared_ptr<Waiting> waiting = *each;
    if (look(*waiting, now_us)) {
      each = waiting_.erase(each);
      continue;
    }
    ask_flusher(waiting, now_us);
    ++each;
  }
  schedule();
}

bool Arrivals::look(Waiting& waiting, int64_t now_us) {
  const uint64_t order_id = waiting.op.order_id;
  const bool is_own = shared_.order_ids->is_own(order_id);
  std::string reply;
  if (const auto letter = shared_.dead_letters.find(order_id)) {
    reply = wait_dead_letter_reply(letter->code, letter->text);
  } else if (is_own ? is_row_(*waiting.shelf, order_id) : waiting.is_row) {
    reply = wait_row_reply();
  } else if (now_us >= waiting.deadline_us && !waiting.is_asked) {
    reply = wait_timeout_reply();
  } else {
    return false;
  }
  deliver_(waiting.op, reply);
  return true;
}

void Arrivals::ask_flusher(const std::shared_ptr<Waiting>& waiting, int64_t now_us) {
  const Operation& op = waiting->op;
  const bool is_due = !shared_.order_ids->is_own(op.order_id) && !waiting->is_asked &&
                      now_us >= waiting->ask_at_us && asked_ < kAskedMax;
  if (!is_due) return;
  waiting->is_asked = true;
  ++asked_;
  waiting->ask_at_us = now_us + kAskEveryUs;
  flusher_.find_order(op.item, op.user, op.order_id, [this, waiting](const Result<bool>& is_row) {
    const bool found = is_row && *is_row;
    inbox_.push([this, waiting, found] {
      --asked_;
      waiting->is_asked = false;
      waiting->is_row = found;
      tick();
    });
  });
}

}  // namespace sluice::proxy::sale
