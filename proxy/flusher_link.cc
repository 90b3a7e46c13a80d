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
// Requests of clients that wait for their turn; a client that goes away leaves its own behind.
constexpr size_t kJobsMax = 1000;

int64_t number(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && value->is_number() ? value->to_number<int64_t>() : -1;
}

std::string text(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace

FlusherLink::FlusherLink(Options options, std::function<void(uint64_t)> drained)
    : options_(std::move(options)), drained_(std::move(drained)) {}

FlusherLink::~FlusherLink() { stop(); }

void FlusherLink::start(std::string journal_id) {
  options_.journal_id = std::move(journal_id);
  thread_ = std::thread([this] { run(); });
}

void FlusherLink::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void FlusherLink::run() {
  std::unique_lock lock(mutex_);
  auto next_poll = std::chrono::steady_clock::now();
  while (!stopping_) {
    // First, since a FLUSH WAIT puts itself into the queue again for as long as it waits.
    if (std::chrono::steady_clock::now() >= next_poll) {
      next_poll = std::chrono::steady_clock::now() + kPollInterval;
      lock.unlock();
      poll();
      lock.lock();
    } else if (!jobs_.empty()) {
      const auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    } else {
      wake_.wait_until(lock, next_poll);
    }
  }
}

Status FlusherLink::enqueue(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= kJobsMax) {
      return Error(ErrorClass::kUnavailable,
                   std::to_string(kJobsMax) + " requests wait for the flusher; retry later");
    }
    jobs_.push_back(std::move(job));
  }
  wake_.notify_all();
  return {};
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
    return Error(ErrorClass::kUnavailable, "the flusher at " + options_.url +
                                               " (flusher.admin) does not answer: " +
                                               response.error().message());
  }
  if (response->status != 200) {
    return Error(ErrorClass::kRefused, "the flusher at " + options_.url + " answered " +
                                           std::to_string(response->status) + ": " + response->body);
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
    if (object != nullptr && text(*object, "journal_id") == options_.journal_id) {
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
  const Status queued = enqueue([this, wait_ms, done] {
    const int64_t slice_ms = std::min(wait_ms, kWaitSliceMs);
    const auto body = request("POST", "/flush?wait_ms=" + std::to_string(slice_ms),
                              slice_ms + kRequestTimeoutMs);
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
    flush(wait_ms - slice_ms, done);
  });
  if (!queued) done(queued.error());
}

void FlusherLink::post(std::string path, Done done) {
  const Status queued = enqueue([this, path = std::move(path), done] {
    const auto body = request("POST", path, kRequestTimeoutMs);
    if (!body) return done(body.error());
    poll();
    done({});
  });
  if (!queued) done(queued);
}

void FlusherLink::pause(Done done) { post("/pause", std::move(done)); }

void FlusherLink::resume(Done done) { post("/resume", std::move(done)); }

std::string FlusherLink::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

}  // namespace sluice::proxy
