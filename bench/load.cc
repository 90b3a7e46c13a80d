#include "bench/load.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include "bench/connection.h"
#include "bench/cpu_time.h"
#include "bench/interrupt.h"
#include "bench/progress.h"

namespace sluice::bench {
namespace {

constexpr int64_t kTickNs = 10'000'000;  // deadlines, reconnects and interrupts are seen
constexpr int64_t kConnectTimeoutNs = 10'000'000'000;
constexpr int64_t kRetryDelayNs = 100'000'000;
constexpr int64_t kTimerSlackNs = 50'000;  // the kernel's own; finer timers only spin
constexpr int kEventsMax = 32;  // in an open loop, what is due waits until these are handled
constexpr uint32_t kTimerTag = UINT32_MAX;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The default limit of 1,024 descriptors is below what --connections may ask for.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

bool worth_retrying(std::string_view prefix) {
  return prefix == "BUSY" || prefix == "LOADING" || prefix == "UNKNOWNSTATE";
}

class Generator {
 public:
  Generator(const LoadOptions& options, Address address, Workload& workload)
      : options_(options),
        address_(std::move(address)),
        workload_(workload),
        room_(static_cast<uint64_t>(options.connections) * static_cast<uint64_t>(options.pipeline)),
        progress_(options.progress) {}
  ~Generator() {
    connections_.clear();
    if (epoll_fd_ >= 0) ::close(epoll_fd_);
    if (timer_fd_ >= 0) ::close(timer_fd_);
  }

  Status connect();
  void run();
  LoadResult take_result() { return std::move(result_); }

 private:
  struct Retry {
    Sent sent;
    int64_t not_before_ns;
  };

  bool open_loop() const { return options_.rate_per_s > 0; }
  bool has_room() const { return in_flight_ < room_; }
  bool may_issue(int64_t now) const;
  int64_t due_ns(uint64_t index) const;
  bool next_request(int64_t now, Sent& sent);
  void refill(Connection& connection, int64_t now);
  void send_open(int64_t now);
  Connection* connection_with_room();
  void encode(Connection& connection, Sent sent, int64_t now);
  void flush(Connection& connection, int64_t now);

  void wait(int timeout_ms, int64_t now);
  void arm_timer(int64_t now);
  void handle(Connection& connection, uint32_t events, int64_t now);
  void receive(Connection& connection, int64_t now);
  void on_reply(Sent sent, std::string_view reply, int64_t now);
  void lose(Connection& connection, int64_t now);
  void tick(int64_t now);
  bool finished(int64_t now);

  const LoadOptions& options_;
  const Address address_;
  Workload& workload_;
  const uint64_t room_;  // requests in flight on all connections at most
  Progress progress_;
  LoadResult result_;

  int epoll_fd_ = -1;
  int timer_fd_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<char> scratch_;
  std::vector<Connection*> dirty_;  // encoded into during this dispatch, not yet flushed
  std::deque<Retry> retries_;
  size_t cursor_ = 0;  // where the search for a connection with room goes on
  uint64_t in_flight_ = 0;

  int64_t start_ns_ = 0;
  int64_t issue_end_ns_ = 0;      // no new request after this
  int64_t last_activity_ns_ = 0;  // the last send or reply
  int64_t last_reply_ns_ = 0;
  int64_t next_tick_ns_ = 0;
  int64_t stopped_ns_ = 0;  // when the last new request had been issued; 0: not yet
};

Status Generator::connect() {
  raise_descriptor_limit();
  epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  timer_fd_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u32 = kTimerTag;
  if (epoll_fd_ < 0 || timer_fd_ < 0 ||
      ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, timer_fd_, &event) != 0) {
    return base::errno_error(errno, "epoll");
  }
  const int64_t give_up_ns = now_ns() + kConnectTimeoutNs;
  for (int i = 0; i < options_.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(
        address_, static_cast<size_t>(options_.pipeline), options_.resp3));
    Connection& connection = *connections_.back();
    SLUICE_TRY(connection.open(epoll_fd_, static_cast<uint32_t>(i)));
    // One at a time, so that a burst never overflows the server's accept queue.
    while (connection.state() == Connection::State::kConnecting) {
      epoll_event ready{};
      if (::epoll_wait(epoll_fd_, &ready, 1, 100) == 1 && ready.data.u32 == uint32_t(i)) {
        SLUICE_TRY(connection.finish_open());
      } else if (now_ns() > give_up_ns || interrupted()) {
        return Error(ErrorClass::kUnavailable, "connect to " + address_.text + ": no answer");
      }
    }
  }
  return {};
}

void Generator::run() {
  start_ns_ = now_ns();
  issue_end_ns_ = start_ns_ + options_.duration_us * 1000;
  last_activity_ns_ = last_reply_ns_ = start_ns_;
  next_tick_ns_ = start_ns_ + kTickNs;
  progress_.start(start_ns_);
  if (!open_loop()) {
    for (auto& connection : connections_) refill(*connection, now_ns());
  }
  int64_t now = now_ns();
  while (!finished(now)) {
    if (open_loop()) {
      send_open(now);
      arm_timer(now);
    }
    wait(static_cast<int>(std::max<int64_t>(0, next_tick_ns_ - now) / 1'000'000) + 1, now);
    now = now_ns();
    if (now >= next_tick_ns_) tick(now);
  }
  result_.unanswered = in_flight_;
  result_.elapsed_s = static_cast<double>(last_reply_ns_ - start_ns_) / 1e9;
  if (open_loop()) {
    const int64_t until = std::min(now, issue_end_ns_);
    auto due =
        static_cast<uint64_t>(static_cast<double>(until - start_ns_) / 1e9 * options_.rate_per_s);
    if (options_.requests > 0) due = std::min(due, options_.requests);
    if (due > result_.sent && !result_.interrupted) result_.not_sent = due - result_.sent;
  }
  progress_.finish();
}

bool Generator::may_issue(int64_t now) const {
  if (result_.interrupted || now >= issue_end_ns_) return false;
  return options_.requests == 0 || result_.sent < options_.requests;
}

int64_t Generator::due_ns(uint64_t index) const {
  return start_ns_ + static_cast<int64_t>(static_cast<double>(index) / options_.rate_per_s * 1e9);
}

// The next request that may go out now: one to be repeated first, then a new one.
bool Generator::next_request(int64_t now, Sent& sent) {
  if (!retries_.empty() && retries_.front().not_before_ns <= now) {
    sent = retries_.front().sent;
    retries_.pop_front();
    ++result_.resent;
    return true;
  }
  if (!may_issue(now)) return false;
  sent = {result_.sent, open_loop() ? due_ns(result_.sent) : now};
  if (sent.intended_ns > now) return false;
  if (open_loop()) result_.sent_late_ns.record(now - sent.intended_ns);
  ++result_.sent;
  return true;
}

void Generator::encode(Connection& connection, Sent sent, int64_t now) {
  workload_.append_request(sent.index, connection.out());
  connection.push(sent);
  ++in_flight_;
  last_activity_ns_ = now;
}

void Generator::flush(Connection& connection, int64_t now) {
  if (!connection.flush()) lose(connection, now);
}

// A connection whose replies have all come sends what may go out: in a closed loop anything, in an
// open one what was due before there was room. To wait until all that is ready has been read would
// turn one stall into a convoy, in which generator and server take turns at working.
void Generator::refill(Connection& connection, int64_t now) {
  if (connection.state() != Connection::State::kReady || connection.in_flight() > 0) return;
  Sent sent;
  while (connection.room() > 0 && next_request(now, sent)) encode(connection, sent, now);
  if (connection.in_flight() > 0) flush(connection, now);
}

Connection* Generator::connection_with_room() {
  for (size_t tried = 0; tried < connections_.size(); ++tried) {
    Connection& candidate = *connections_[cursor_];
    if (++cursor_ == connections_.size()) cursor_ = 0;
    if (candidate.state() == Connection::State::kReady && candidate.room() > 0) return &candidate;
  }
  return nullptr;
}

void Generator::send_open(int64_t now) {
  while (has_room()) {
    const size_t cursor = cursor_;
    Connection* connection = connection_with_room();
    Sent sent;
    if (connection == nullptr || !next_request(now, sent)) {
      cursor_ = cursor;
      break;
    }
    if (!connection->unsent()) dirty_.push_back(connection);
    encode(*connection, sent, now);
  }
  for (Connection* connection : dirty_) flush(*connection, now);
  dirty_.clear();
}

// While no connection has room nothing can go out, and the next reply will wake the loop.
void Generator::arm_timer(int64_t now) {
  if (!may_issue(now) || !has_room()) return;
  const int64_t delay_ns = std::max(due_ns(result_.sent) - now, kTimerSlackNs);
  itimerspec spec{};
  spec.it_value.tv_sec = delay_ns / 1'000'000'000;
  spec.it_value.tv_nsec = delay_ns % 1'000'000'000;
  ::timerfd_settime(timer_fd_, 0, &spec, nullptr);
}

void Generator::wait(int timeout_ms, int64_t now) {
  epoll_event events[kEventsMax];
  const int count = ::epoll_wait(epoll_fd_, events, kEventsMax, timeout_ms);
  for (int i = 0; i < count; ++i) {
    const uint32_t tag = events[i].data.u32;
    // Setting the timer anew also clears its expiry: its number need never be read.
    if (tag == kTimerTag) continue;
    now = now_ns();
    handle(*connections_[tag], events[i].events, now);
  }
}

void Generator::handle(Connection& connection, uint32_t events, int64_t now) {
  if (connection.state() == Connection::State::kClosed) return;
  if (connection.state() == Connection::State::kConnecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0 || !connection.finish_open()) return;
  }
  if ((events & EPOLLIN) != 0) receive(connection, now);
  if (connection.state() != Connection::State::kReady) return;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) return lose(connection, now);
  if (connection.unsent()) flush(connection, now);
  refill(connection, now);
}

void Generator::receive(Connection& connection, int64_t now) {
  const Status status = connection.read_replies(scratch_, [&](std::string_view reply) {
    --in_flight_;
    on_reply(connection.pop(), reply, now);
  });
  if (!status) lose(connection, now);
}

void Generator::on_reply(Sent sent, std::string_view reply, int64_t now) {
  const Outcome outcome = workload_.judge(sent.index, reply);
  const int64_t latency_ns = now - sent.intended_ns;
  last_activity_ns_ = last_reply_ns_ = now;
  progress_.count(outcome.kind, latency_ns);
  switch (outcome.kind) {
    case OutcomeKind::kAccepted:
      ++result_.accepted;
      result_.accepted_ns.record(latency_ns);
      break;
    case OutcomeKind::kRefused:
      result_.refused.add(outcome.name);
      result_.refused_ns.record(latency_ns);
      break;
    case OutcomeKind::kError:
      result_.errors.add(outcome.name);
      if (options_.retry && worth_retrying(outcome.name)) {
        retries_.push_back({sent, now + kRetryDelayNs});
      }
      break;
  }
}

// Requests without a reply are asked again or counted as lost; tick() connects again.
void Generator::lose(Connection& connection, int64_t now) {
  if (connection.state() == Connection::State::kReady) ++result_.disconnects;
  connection.close();
  while (connection.in_flight() > 0) {
    const Sent sent = connection.pop();
    --in_flight_;
    if (options_.retry) {
      retries_.push_back({sent, now + kRetryDelayNs});
    } else {
      ++result_.lost;
    }
  }
}

void Generator::tick(int64_t now) {
  next_tick_ns_ = now + kTickNs;
  if (interrupted()) result_.interrupted = true;
  progress_.tick(now, in_flight_);
  for (size_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = *connections_[i];
    if (connection.state() == Connection::State::kClosed) {
      // A server that is down refuses again at once; the next tick tries again.
      (void)connection.open(epoll_fd_, static_cast<uint32_t>(i)).ok();
    } else {
      refill(connection, now);
    }
  }
}

bool Generator::finished(int64_t now) {
  const bool idle = in_flight_ == 0 && retries_.empty();
  if (!may_issue(now)) {
    if (stopped_ns_ == 0) stopped_ns_ = now;
    if (idle || result_.interrupted) return idle || now - stopped_ns_ > 2'000'000'000;
    return now - stopped_ns_ > options_.patience_us * 1000;
  }
  // A server that takes no more requests ends the run, too.
  const bool waiting = !idle || !open_loop() || due_ns(result_.sent) < now;
  return waiting && now - last_activity_ns_ > options_.patience_us * 1000;
}

}  // namespace

Result<LoadResult> run_load(const LoadOptions& options, Workload& workload) {
  auto address = resolve_address(options.address);
  if (!address) return address.error();
  auto generator = std::make_unique<Generator>(options, std::move(*address), workload);
  SLUICE_TRY(generator->connect());
  const double cpu_s = thread_cpu_s();
  generator->run();
  LoadResult result = generator->take_result();
  result.own_cpu_s = thread_cpu_s() - cpu_s;
  return result;
}

}  // namespace sluice::bench
