#include "proxy/sale/beat.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/clock.h"
#include "base/decimal.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/operation_text.h"
#include "proxy/sale/script_call.h"
#include "resp/info.h"

namespace sluice::proxy::sale {
namespace {

using upstream::Reply;

// Whether the gate has written there of this process.
bool is_known_on(const Shelf& shelf) {
  return shelf.state() == Shelf::State::kOpen || shelf.state() == Shelf::State::kWaiting ||
         shelf.state() == Shelf::State::kReplaying;
}

// The places of beat.lua's reply.
constexpr size_t kEpoch = 1, kNumber = 3, kItems = 4, kForgotten = 5, kDeleting = 6, kMembers = 7;

}  // namespace

Beat::Beat(upstream::IoThread& thread, upstream::RedisClient& redis, Shared& shared,
           ShelfMap& shelves, BeatEvents& events)
    : redis_(redis),
      shared_(shared),
      shelves_(shelves),
      events_(events),
      timer_(thread.context()),
      pulses_(shared.shelves) {}

Beat::Pulse& Beat::pulse_of(const Shelf& shelf) { return pulses_[shelf.number]; }

void Beat::connected(const std::string& replication_id) {
  replication_id_ = replication_id;
  under_way_ = 0;
  schedule();
}

void Beat::lost() {
  replication_id_.clear();
  timer_.cancel();
  for (Pulse& pulse : pulses_) pulse.confirmed = 0;
}

// Whoever waits for others looks more often.
bool Beat::waits() const {
  return std::any_of(shelves_.begin(), shelves_.end(), [](const auto& shelf) {
    return shelf->state() == Shelf::State::kWaiting;
  });
}

void Beat::schedule() {
  const Limits& limits = shared_.limits;
  timer_.expires_after(std::chrono::microseconds(
      waits() ? std::min(limits.join_poll_us, limits.beat_us) : limits.beat_us));
  timer_.async_wait([this](boost::system::error_code failure) {
    if (failure || stopped_ || replication_id_.empty()) return;
    beat();
    schedule();
  });
}

void Beat::beat() {
  if (under_way_ > 0 || !redis_.connected()) return;  // Redis is slow: not one behind the other
  check_process();
  for (const auto& shelf : shelves_) {
    if (is_known_on(*shelf)) call(*shelf, false, {});
  }
}

// Redis takes a new replication id, and keeps its connections, when its first replica comes, when
// its last one has been gone for long, and when it ceases to be a replica itself. Only in the last
// case was its data another's, but all proxies must agree about the identity.
void Beat::check_process() {
  redis_.call({"INFO", "replication"}, [this](const Result<Reply>& reply) {
    if (!reply || reply->is_error() || replication_id_.empty() || stopped_) return;
    const std::string id = resp::info_value(reply->text(), "master_replid");
    if (id.empty() || id == replication_id_) return;
    events_.changed("its replication id is a new one");
  });
}

void Beat::stop(std::function<void()> done) {
  stopped_ = true;
  timer_.cancel();
  const auto left = std::make_shared<size_t>(1);
  const auto one_less = [left, done = std::move(done)] {
    if (--*left == 0) done();
  };
  for (const auto& shelf : shelves_) {
    if (!is_known_on(*shelf) || !redis_.connected()) continue;
    ++*left;
    call(*shelf, true, one_less);
  }
  one_less();
}

void Beat::call(Shelf& shelf, bool last, std::function<void()> done) {
  ++under_way_;
  const Sent sent{base::monotonic_us(), shelf.created()};
  eval_script(redis_, shared_.scripts.beat,
              {"1", shelf.key, shared_.lane, shared_.journal_id, shared_.incarnation, shared_.host,
               shared_.lanes->known(), std::to_string(sent.number), last ? "stop" : ""},
              [this, &shelf, sent, done = std::move(done)](const Result<Reply>& reply) {
                if (under_way_ > 0) --under_way_;
                if (!reply) return;
                if (done) return done();
                if (!stopped_ && !replication_id_.empty()) answered(shelf, *reply, sent);
              });
}

void Beat::answered(Shelf& shelf, const Reply& reply, const Sent& sent) {
  if (reply.is_error()) return events_.refused(shelf, reply.text());
  const std::string_view word = reply.size() > 0 ? reply.at(0).text() : std::string_view();
  if (word == "OK" && reply.size() >= kMembers) {
    take(shelf, reply, sent);
  } else if (word == "LOST") {
    events_.rewound(shelf, "was flushed, or lost it", false);
  } else if (word == "FORGOTTEN") {
    spdlog::warn("this proxy was given up with sluice-ctl peers forget; it joins again");
    events_.rewound(shelf, "has this proxy given up", false);
  } else if (word == "IMPOSTOR" && reply.size() > 1) {
    shared_.fatal(Error(ErrorClass::kRefused,
                        "Redis at " + redis_.endpoint().text() + " knows proxy.id " +
                            shared_.lane + " with another writer now (" +
                            std::string(reply.at(1).text()) + "): it was taken over"));
  }
}

void Beat::take(Shelf& shelf, const Reply& reply, const Sent& sent) {
  Pulse& pulse = pulse_of(shelf);
  int64_t before = 0, items = 0;
  uint64_t epoch = 0;
  if (!base::parse_decimal(reply.at(kNumber).text(), before) ||
      !base::parse_decimal(reply.at(kItems).text(), items) ||
      !base::parse_decimal(reply.at(kEpoch).text(), epoch)) {
    return events_.rewound(shelf, "answers a beat with what is no answer", false);
  }
  if (before < pulse.confirmed) {
    pulse.confirmed = 0;
    return events_.rewound(shelf, "went back in time", true);
  }
  pulse.confirmed = sent.number;
  // Those created since are counted until the next beat, perhaps twice.
  const int64_t change = items - pulse.items - static_cast<int64_t>(sent.created);
  shared_.items.fetch_add(static_cast<size_t>(change), std::memory_order_relaxed);
  shelf.forget_created(sent.created);
  pulse.items = items;
  for (size_t i = kMembers; i < reply.size(); ++i) meet(reply.at(i).text());
  std::string_view forgotten = reply.at(kForgotten).text();
  while (!forgotten.empty()) {
    uint64_t id = 0;
    if (base::parse_decimal(take_until(forgotten, ','), id)) shared_.lanes->forget(id);
  }
  std::string_view deleting = reply.at(kDeleting).text();
  while (!deleting.empty()) events_.deleting(shelf, std::string(take_until(deleting, ' ')));
  events_.beaten(shelf, epoch);
}

// "lane journal"; what others wrote there may be anything.
void Beat::meet(std::string_view member) {
  uint64_t id = 0;
  if (!base::parse_decimal(take_until(member, ' '), id)) return;
  if (Lanes::is_journal_id(member)) shared_.lanes->learn(id, std::string(member));
}

}  // namespace sluice::proxy::sale
