#include "proxy/flusher_link.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <fstream>

#include "http/server.h"

namespace sluice::proxy {
namespace {

constexpr auto kPollInterval = std::chrono::seconds(1);
constexpr int64_t kRequestTimeoutMs = 2'000;
// A long FLUSH WAIT is asked for in slices, so that polls and other requests get their turn.
constexpr int64_t kWaitSliceMs = 500;
constexpr size_t kJobsMax = 64;

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

void FlusherLink::start(std::string journal_id, std::function<void(uint64_t)> drained) {
  journal_id_ = std::move(journal_id);
  drained_ = std::move(drained);
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
  while (!stopping_) {
    if (std::chrono::steady_clock::now() >= next_poll) {
      lock.unlock();
      poll();
      lock.lock();
      next_poll = std::chrono::steady_clock::now() + kPollInterval;
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
  std::string token;
  if (!options_.token_file.empty()) {
    std::ifstream file(options_.token_file);
    std::getline(file, token);
  }
  auto response = http::fetch(method, options_.url, path, token, timeout_ms);
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

void FlusherLink::poll() {
  const auto body = request("GET", "/status", kRequestTimeoutMs);
  std::string state = "unreachable";
  int64_t backlog = -1;
  if (body) {
    boost::system::error_code failure;
    const auto parsed = boost::json::parse(*body, failure);
    const boost::json::object* object = failure ? nullptr : parsed.if_object();
    if (object != nullptr && text(*object, "journal_id") == journal_id_) {
      state = text(*object, "state");
      backlog = number(*object, "backlog_records");
      const int64_t position = number(*object, "position");
      if (position > 0) drained_(static_cast<uint64_t>(position - 1));
    } else if (object != nullptr) {
      state = "another journal";
    }
  }
  backlog_.store(backlog);
  const std::lock_guard lock(mutex_);
  state_ = state;
}

void FlusherLink::flush(int64_t wait_ms, Drained done) {
  flush(wait_ms, std::move(done), Urgency::kInTurn);
}

void FlusherLink::flush(int64_t wait_ms, Drained done, Urgency urgency) {
  const auto job = [this, wait_ms, done = std::move(done)](const Status& accepted) {
    if (!accepted) return done(accepted.error());
    const int64_t slice_ms = std::min(wait_ms, kWaitSliceMs);
    const auto body =
        request("POST", "/flush?wait_ms=" + std::to_string(slice_ms), slice_ms + kRequestTimeoutMs);
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
    if (wait_ms <= slice_ms) return done(left);
    flush(wait_ms - slice_ms, done, Urgency::kContinued);
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

std::string FlusherLink::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

}  // namespace sluice::proxy
