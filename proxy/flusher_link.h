// The proxy's line to the flusher's admin listener: "flush now", pause and resume, and, every
// second, how far the drain has come. A thread of its own, since HTTP requests block.
//
// The flusher may be down at any time: the proxy then sells on, and says what it last knew.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "proxy/sale/flusher_port.h"

namespace sluice::proxy {

class FlusherLink final : public sale::FlusherPort {
 public:
  // Where a request to the flusher stands among those that wait.
  enum class Urgency {
    kInTurn,
    kSoon,       // a pause does not stand behind many who wait for a drain
    kContinued,  // accepted before: never refused for want of room
  };
  struct Options {
    std::string url;         // flusher.admin; "" : there is no flusher
    std::string token_file;  // flusher.admin_token_file; "" : none
  };
  explicit FlusherLink(Options options) : options_(std::move(options)) {}
  ~FlusherLink() override;

  // Only a flusher of this journal is believed. `drained(sequence)`: every record up to this one is
  // in MySQL; called on the link's thread.
  void start(std::string journal_id, std::function<void(uint64_t)> drained);
  // Whoever waits for an answer, or asks from now on, gets an error.
  void stop();

  void flush(int64_t wait_ms, Drained done) override;
  void pause(Done done) override;
  void resume(Done done) override;
  std::string state() const override;
  int64_t backlog_records() const override { return backlog_.load(); }

 private:
  // Asks the flusher, or, if it was not accepted, says so.
  using Job = std::function<void(const Status& accepted)>;
  void run();
  void poll();
  void enqueue(Job job, Urgency urgency);
  void flush(int64_t wait_ms, Drained done, Urgency urgency);
  void post(std::string path, Done done);
  Result<std::string> request(std::string_view method, std::string_view path, int64_t timeout_ms);

  const Options options_;
  // Constant after start().
  std::string journal_id_;
  std::function<void(uint64_t)> drained_;
  std::atomic<int64_t> backlog_{-1};
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;                    // guarded by mutex_; bounded
  std::string state_ = "unknown";           // guarded by mutex_
  bool stopping_ = false;                   // guarded by mutex_
  std::thread thread_;
};

}  // namespace sluice::proxy
