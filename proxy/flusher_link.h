// The proxy's line to the flusher's admin listener: "flush now", pause and resume, and, every
// second, how far the drain has come. A thread of its own, since HTTP requests block.
//
// The flusher may be down at any time: the proxy then sells on, and says what it last knew.
#pragma once

#include <boost/json/object.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/secret.h"
#include "proxy/monitor/drain_source.h"
#include "proxy/sale/dead_letters.h"
#include "proxy/sale/flusher_port.h"

namespace sluice::proxy {

class FlusherLink final : public sale::FlusherPort, public monitor::DrainSource {
 public:
  // Where a request to the flusher stands among those that wait.
  enum class Urgency {
    kInTurn,
    kSoon,       // a pause does not stand behind many who wait for a drain
    kContinued,  // accepted before: never refused for want of room
  };
  struct Options {
    std::string url;                      // flusher.admin; "" : there is no flusher
    std::shared_ptr<base::Secret> token;  // flusher.admin_token_file; null: none
  };
  explicit FlusherLink(Options options) : options_(std::move(options)) {}
  ~FlusherLink() override;

  // The journal whose flusher is looked for, and where to tell what it says; all called on the
  // link's thread.
  struct Journal {
    std::string id;
    std::string dir;
    std::function<uint64_t()> written_sequence;
    std::function<void(uint64_t sequence)> drained;  // every record up to this one is in MySQL
    std::function<void(sale::DeadLetters::Letters)> refused_orders;  // but for these
    // A flusher of this folder refuses it (journal/refusal.h); "": none does, or no more.
    std::function<void(const std::string& why)> refused;
    // Once: from now on it is known whether MySQL has more of the journal than the folder, or that
    // nobody tells it.
    std::function<void()> proven;
  };
  // Only a flusher that follows this very folder is believed: one that tells another journal, or
  // lacks what this proxy had written a while ago, reads another.
  void start(Journal journal);
  // Whoever waits for an answer, or asks from now on, gets an error.
  void stop();

  void find_order(std::string_view item, std::string_view user, uint64_t order_id,
                  Found done) override;
  void flush(int64_t wait_ms, Drained done) override;
  void pause(Done done) override;
  void resume(Done done) override;
  sale::DrainReport report() const override;
  // Tries once more what MySQL has refused.
  void retry_dead_letters(Done done);

  bool is_configured() const override { return !options_.url.empty(); }
  std::shared_ptr<const boost::json::object> last_status() const override;
  void find_items(const std::vector<std::string>& names, Items done) override;

 private:
  // Asks the flusher, or, if it was not accepted, says so.
  using Job = std::function<void(const Status& accepted)>;
  void run();
  void poll();
  void take_status(const boost::json::object& status);
  void take_silence(const std::string& why);
  bool take_dead_letters(int64_t version);
  void look_for_refusal();
  void settle();
  void enqueue(Job job, Urgency urgency);
  void flush(int64_t wait_ms, uint64_t upto, Drained done, Urgency urgency);
  void post(std::string path, Done done);
  Result<std::string> request(std::string_view method, std::string_view path, int64_t timeout_ms);
  Result<boost::json::object> request_object(const std::string& path);

  const Options options_;
  // Constant after start().
  Journal journal_;
  // The link's thread only.
  uint64_t written_before_ = 0;  // by this proxy, when the flusher was asked before
  int64_t dead_letters_ = 0;     // the version that is known
  std::string refusal_;
  int silences_ = 0;            // polls in a row that the flusher did not answer
  int64_t answered_us_ = 0;     // monotonic; 0: never yet
  bool is_told_ = false;  // what the flusher knows of the journal, or that it cannot know it
  bool is_settled_ = false;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;                    // guarded by mutex_; bounded
  sale::DrainReport report_;                // guarded by mutex_
  std::shared_ptr<const boost::json::object> status_;  // guarded by mutex_
  bool stopping_ = false;                   // guarded by mutex_
  std::thread thread_;
};

}  // namespace sluice::proxy
