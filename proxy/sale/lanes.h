// Which proxies may have sold through this Redis: the lanes that a shelf waits for after a rewind.
//
// Redis may lose everything, also who sold through it, and a proxy may be down when it does. So the
// membership is durable in each journal folder, in the file `peers`, and a proxy sells only after
// all others have it there: each tells on every shelf whom it has (beat.h), and the gate looks.
//
//   a thread's beat ──learn(), forget()──► the writer's thread: the file ──► peers(), known()
//
// One Lanes a proxy, owned by main's SaleSetup; any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "journal/peers.h"

namespace sluice::proxy::sale {

class Lanes {
 public:
  using Peers = journal::Peers;
  static constexpr std::string_view kUnknownJournal = "-";  // of one that others speak of
  // Whether a text can be a journal's id; what others wrote into Redis may be anything.
  static bool is_journal_id(std::string_view text);

  // Reads `dir`/peers. kCorrupt: the file is damaged, the message says what to do (exit code 3).
  // `failed` is called, on any thread, if the file cannot be written.
  static Result<std::unique_ptr<Lanes>> open(const std::string& dir, base::FileSystem& fs,
                                             uint64_t proxy_id,
                                             std::function<void(const Error&)> failed);
  ~Lanes() { stop(); }
  // Ends the writer's thread; what it has not begun to write is not written. Main's thread.
  void stop();

  // Those that are in the file.
  Peers peers() const;
  // No other proxy has ever sold through this Redis. Lock-free.
  bool alone() const { return alone_.load(std::memory_order_relaxed); }
  // For scripts: ",1,2,": all lanes, this one included.
  std::string known() const;

  // Another member was met, or an operator has given one up. They return at once: the file is
  // written first, and then peers() tells it; a crash forgets none of them.
  void learn(uint64_t id, const std::string& journal);
  void forget(uint64_t id);

 private:
  Lanes(std::string dir, base::FileSystem& fs, uint64_t proxy_id, Peers peers,
        std::function<void(const Error&)> failed);
  void write_on();
  void complain(uint64_t id, const std::string& known, const std::string& journal);

  const std::string dir_;
  base::FileSystem& fs_;
  const uint64_t proxy_id_;
  const std::function<void(const Error&)> failed_;
  std::atomic<bool> alone_{true};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_, like all below but for the thread.
  Peers peers_;       // in the file
  Peers wanted_;      // to be in the file
  Peers complaints_;  // other journals of theirs, of which the log has been told
  bool stopping_ = false;
  std::thread writer_;
};

// For messages; `lanes`: "3,5". "proxies 3, 5", and what an operator can do about them.
std::string proxies_text(std::string_view lanes);
std::string forget_hint(std::string_view lanes);

}  // namespace sluice::proxy::sale
