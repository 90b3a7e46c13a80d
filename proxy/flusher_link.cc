#include "proxy/flusher_link.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/file.h"
#include "http/server.h"
#include "journal/refusal.h"

namespace sluice::proxy {
namespace {

constexpr auto kPollInterval = std::chrono::seconds(1);
// At the start, until the flusher has told what it makes of the journal; how long that is waited
// for.
constexpr auto kFirstPollInterval = std::chrono::milliseconds(50);
constexpr auto kProofWait = std::chrono::seconds(3);
constexpr int64_t kRequestTimeoutMs = 2'000;
// Of a flusher that has answered before: it may be slow once, under a drain or a busy machine.
constexpr int kSilencesMax = 1;
// A long FLUSH WAIT is asked for in slices, so that polls and other requests get their turn.
constexpr int64_t kWaitSliceMs = 500;
constexpr size_t kJobsMax = 64;
constexpr double kSecondsMax = 1e12;

// -1: there is none. Another program may answer there: a fraction, or what 64 bits do not hold, is
// none.
int64_t number(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  boost::system::error_code failure;
  const int64_t found = value == nullptr ? -1 : value->to_number<int64_t>(failure);
  return failure ? -1 : found;
}

std::string text(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : "";
}

// -1: there is none.
double seconds(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  boost::system::error_code failure;
  const double found = value == nullptr ? -1 : value->to_number<double>(failure);
  return failure || found < 0 || found > kSecondsMax ? -1 : found;
}

sale::DrainReport drain_report(const boost::json::object& status) {
  sale::DrainReport report;
  report.state = text(status, "state");
  report.reason = text(status, "reason");
  report.backlog_records = number(status, "backlog_records");
  report.backlog_bytes = number(status, "backlog_bytes");
  report.oldest_age_s = seconds(status, "oldest_age_seconds");
  report.rows_per_s = number(status, "rows_per_second");
  report.eta_s = seconds(status, "eta_seconds");
  const auto* mysql = status.if_contains("mysql");
  if (mysql != nullptr && mysql->is_object()) report.trouble = text(mysql->get_object(), "error");
  return report;
}

// A pause finds room behind as many drains as may wait; what was accepted once always does.
size_t room_for(FlusherLink::Urgency urgency) {
  switch (urgency) {
    case FlusherLink::Urgency::kInTurn:
      return kJobsMax;
    case FlusherLink::Urgency::kSoon:
      return 2 * kJobsMax;
    case FlusherLink::Urgency::kContinued:
      break;
  }
  return SIZE_MAX;
}

Error stopping_error() { return Error(ErrorClass::kUnavailable, "Sluice is stopping"); }

}  // namespace

FlusherLink::~FlusherLink() { stop(); }

void FlusherLink::start(Journal journal) {
  journal_ = std::move(journal);
  thread_ = std::thread([this] { run(); });
}

void FlusherLink::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  std::deque<Job> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(jobs_);
  }
  for (const Job& job : left) job(stopping_error());
}

void FlusherLink::run() {
  std::unique_lock lock(mutex_);
  auto next_poll = std::chrono::steady_clock::now();
  const auto proof_until = next_poll + kProofWait;
  while (!stopping_) {
    if (std::chrono::steady_clock::now() >= next_poll) {
      lock.unlock();
      poll();
      const auto now = std::chrono::steady_clock::now();
      if (is_told_ || options_.url.empty() || now >= proof_until) settle();
      next_poll = now + (is_settled_ ? kPollInterval : kFirstPollInterval);
      lock.lock();
    } else if (!jobs_.empty()) {
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job({});
      lock.lock();
    } else {
      wake_.wait_until(lock, next_poll);
    }
  }
}

void FlusherLink::enqueue(Job job, Urgency urgency) {
  Status accepted;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      accepted = stopping_error();
    } else if (jobs_.size() >= room_for(urgency)) {
      accepted = Error(ErrorClass::kNoSpace, "too many requests wait for the flusher; retry later");
    } else if (urgency == Urgency::kSoon) {
      jobs_.push_front(std::move(job));
    } else {
      jobs_.push_back(std::move(job));
    }
  }
  if (!accepted) return job(accepted);
  wake_.notify_all();
}

Result<std::string> FlusherLink::request(std::string_view method, std::string_view path,
                                         int64_t timeout_ms) {
  if (options_.url.empty()) {
    return Error(ErrorClass::kInvalid, "no flusher is configured: set flusher.admin");
  }
  const auto ask = [&] {
    return http::fetch(method, options_.url, path, options_.token ? options_.token->value() : "",
                       timeout_ms);
  };
  auto response = ask();
  constexpr int kUnauthorized = 401;
  if (response && response->status == kUnauthorized && options_.token != nullptr) {
    const auto is_another = options_.token->reload();
    if (is_another && *is_another) response = ask();
  }
  if (!response) {
    return Error(ErrorClass::kUnavailable,
                 "the flusher at " + options_.url +
                     " (flusher.admin) does not answer: " + response.error().message());
  }
  if (response->status != 200) {
    return Error(ErrorClass::kRefused, "the flusher at " + options_.url + " answered " +
                                           std::to_string(response->status) + ": " +
                                           response->body);
  }
  return std::move(response->body);
}

void FlusherLink::settle() {
  if (std::exchange(is_settled_, true)) return;
  look_for_refusal();
  journal_.proven();
}

void FlusherLink::poll() {
  look_for_refusal();
  is_told_ |= !refusal_.empty();
  const uint64_t written = journal_.written_sequence();
  const auto body = request("GET", "/status", kRequestTimeoutMs);
  boost::system::error_code failure;
  const auto parsed = body ? boost::json::parse(*body, failure) : boost::json::value();
  if (const boost::json::object* status = failure ? nullptr : parsed.if_object()) {
    silences_ = 0;
    answered_us_ = base::monotonic_us();
    take_status(*status);
  } else {
    take_silence(body ? "it answers something that is no status" : body.error().message());
  }
  written_before_ = written;
}

// Until it has been silent for longer than a moment, what it last told stands.
void FlusherLink::take_silence(const std::string& why) {
  ++silences_;
  if (answered_us_ != 0 && silences_ <= kSilencesMax) return;
  std::string reason = why;
  if (answered_us_ != 0) {
    const int64_t silent_us = base::monotonic_us() - answered_us_;
    reason += "; it last answered " + std::to_string((silent_us + 500'000) / 1'000'000) + " s ago";
  }
  const std::lock_guard lock(mutex_);
  report_ = {.state = "unreachable", .reason = std::move(reason)};
  status_.reset();
}

// What another process tells is checked against what is known here.
void FlusherLink::take_status(const boost::json::object& status) {
  const int64_t position = number(status, "position"), last = number(status, "last_sequence");
  sale::DrainReport report = drain_report(status);
  bool is_known = false;
  const std::string journal = text(status, "journal_id");
  if (journal.empty() || journal == "0") {
    // it looks for the journal yet
  } else if (journal != journal_.id) {
    report.state = "another journal (" + journal + ")";
  } else if (last >= 0 && static_cast<uint64_t>(last) < written_before_) {
    report.state = "another copy of this journal, which ends with record " + std::to_string(last);
  } else if (!take_dead_letters(number(status, "dead_letters_version"))) {
    // what is drained now may be one of them
  } else {
    is_known = true;
    if (position > 0 && static_cast<uint64_t>(position) <= journal_.written_sequence() + 1) {
      journal_.drained(static_cast<uint64_t>(position - 1));
      is_told_ = true;
    }
  }
  is_told_ |= !report.trouble.empty();  // it has no MySQL to ask
  if (!is_known) report = {report.state, report.reason, report.trouble};
  auto believed = is_known ? std::make_shared<const boost::json::object>(status) : nullptr;
  const std::lock_guard lock(mutex_);
  report_ = std::move(report);
  status_ = std::move(believed);
}

// Known before more is taken for drained.
bool FlusherLink::take_dead_letters(int64_t version) {
  if (version < 0 || version == dead_letters_) return true;
  const auto body = request("GET", "/dead_letters", kRequestTimeoutMs);
  boost::system::error_code failure;
  const auto parsed = body ? boost::json::parse(*body, failure) : boost::json::value();
  const boost::json::array* letters = failure ? nullptr : parsed.if_array();
  if (letters == nullptr) return false;
  sale::DeadLetters::Letters refused;
  for (const boost::json::value& value : *letters) {
    const boost::json::object* letter = value.if_object();
    uint64_t id = 0;
    if (letter == nullptr || !base::parse_decimal(text(*letter, "order_id"), id)) continue;
    refused[id] = {static_cast<uint32_t>(std::max<int64_t>(number(*letter, "code"), 0)),
                   text(*letter, "error")};
  }
  journal_.refused_orders(std::move(refused));
  dead_letters_ = version;
  return true;
}

void FlusherLink::look_for_refusal() {
  std::string why = journal::refusal(journal_.dir, base::posix_file_system());
  if (why == refusal_) return;
  if (why.empty()) {
    spdlog::info("the flusher refuses the journal no more");
  } else {
    spdlog::error("nothing is sold: the flusher refuses the journal: {}", why);
  }
  journal_.refused(why);
  refusal_ = std::move(why);
}

// What the flusher tells at `path`; empty if it is no object.
Result<boost::json::object> FlusherLink::request_object(const std::string& path) {
  const auto body = request("GET", path, kRequestTimeoutMs);
  if (!body) return body.error();
  boost::system::error_code failure;
  const auto parsed = boost::json::parse(*body, failure);
  const boost::json::object* object = failure ? nullptr : parsed.if_object();
  return object == nullptr ? boost::json::object() : *object;
}

// Names hold nothing that a query string would have to escape.
void FlusherLink::find_order(std::string_view item, std::string_view user, uint64_t order_id,
                             Found done) {
  std::string path = "/order?order_id=" + std::to_string(order_id);
  path.append("&item=").append(item).append("&user=").append(user);
  const auto job = [this, path = std::move(path), done = std::move(done)](const Status& accepted) {
    if (!accepted) return done(accepted.error());
    const auto answer = request_object(path);
    if (!answer) return done(answer.error());
    done(text(*answer, "found") == "row");
  };
  enqueue(job, Urgency::kInTurn);
}

void FlusherLink::flush(int64_t wait_ms, Drained done) {
  flush(wait_ms, journal_.written_sequence(), std::move(done), Urgency::kInTurn);
}

void FlusherLink::flush(int64_t wait_ms, uint64_t upto, Drained done, Urgency urgency) {
  const auto job = [this, wait_ms, upto, done = std::move(done)](const Status& accepted) {
    if (!accepted) return done(accepted.error());
    const int64_t slice_ms = std::min(wait_ms, kWaitSliceMs);
    // Of this journal, and all that is in it here: a flusher of another copy has drained that.
    const std::string path = "/flush?wait_ms=" + std::to_string(slice_ms) +
                             "&journal=" + journal_.id + "&upto=" + std::to_string(upto);
    const auto body = request("POST", path, slice_ms + kRequestTimeoutMs);
    if (!body) return done(body.error());
    boost::system::error_code failure;
    const auto parsed = boost::json::parse(*body, failure);
    const boost::json::object* object = failure ? nullptr : parsed.if_object();
    const auto* drained = object == nullptr ? nullptr : object->if_contains("drained");
    if (drained != nullptr && drained->is_bool() && drained->get_bool()) {
      poll();  // so that ORDER answers "database" from now on
      return done(int64_t{0});
    }
    const int64_t left = object == nullptr ? -1 : std::max<int64_t>(number(*object, "backlog"), 1);
    if (wait_ms <= slice_ms) {
      poll();  // for what is in the way
      return done(left);
    }
    flush(wait_ms - slice_ms, upto, done, Urgency::kContinued);
  };
  enqueue(job, urgency);
}

void FlusherLink::post(std::string path, Done done) {
  const auto job = [this, path = std::move(path), done = std::move(done)](const Status& accepted) {
    if (!accepted) return done(accepted);
    const auto body = request("POST", path, kRequestTimeoutMs);
    if (!body) return done(body.error());
    poll();
    done({});
  };
  enqueue(job, Urgency::kSoon);
}

void FlusherLink::pause(Done done) { post("/pause", std::move(done)); }

void FlusherLink::resume(Done done) { post("/resume", std::move(done)); }

void FlusherLink::retry_dead_letters(Done done) { post("/dlq/retry", std::move(done)); }

std::shared_ptr<const boost::json::object> FlusherLink::last_status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void FlusherLink::find_items(const std::vector<std::string>& names, Items done) {
  std::string path = "/items";
  for (const std::string& name : names) {
    path.append(path.size() == 6 ? "?item=" : "&item=").append(name);
  }
  const auto job = [this, path, done = std::move(done)](const Status& accepted) {
    if (!accepted) return done(accepted.error());
    done(request_object(path));
  };
  enqueue(job, Urgency::kInTurn);
}

sale::DrainReport FlusherLink::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace sluice::proxy
