// The flusher's heart: watches the journal, asks the trigger, feeds the writers while a run is on.
//
//   wait for the journal and MySQL ─► load checkpoints ─► turn, turn, turn … ─► stop
//
//   a turn:  observe (journal extent, triggers, status)
//            holding?   a trigger fires ─► draining
//            draining?  feed writers until one is full or the journal's end is reached;
//                       all committed and nothing left ─► holding
//
// run() is main's thread; requests come from signal and admin threads. Exactly-once rests on the
// checkpoints alone: this loop may be killed at any instruction.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/file.h"
#include "flusher/batcher.h"
#include "flusher/checkpoint.h"
#include "flusher/dead_letter.h"
#include "flusher/journal_watch.h"
#include "flusher/load_probe.h"
#include "flusher/metrics.h"
#include "flusher/options.h"
#include "flusher/pace.h"
#include "flusher/pause_switch.h"
#include "flusher/progress.h"
#include "flusher/status.h"
#include "flusher/trigger.h"
#include "sql/connection.h"

namespace sluice::flusher {

// How run() ended; the exit codes of the contract.
struct LoopEnd {
  int exit_code = 0;  // 0 stopped or drained, 1 failed, 3 refused to go on to protect data
  std::string message;
  // MySQL and the journal do not belong together: what is sold on cannot be drained as it was told.
  bool is_refusal = false;
};

class FlushLoop {
 public:
  // once: drain all that is there, paused or not, then end. References outlive the loop.
  FlushLoop(const Options& options, bool once, base::FileSystem& fs, StatusBoard& status,
            FlushMetrics& metrics);

  LoopEnd run();

  // Any thread.
  void stop();
  // In force at once. Its error: a restart will have forgotten it, and why.
  Status pause(bool paused);
  bool paused() const { return !once_ && pause_.is_on(); }
  // Drains everything that is there at the next turn, whatever the triggers say.
  void request_flush();
  // Takes over the live parts of `options`.
  void set_options(const Options& options);
  // How often it has gone round, whatever came of it; one that does not rise has come to a stop.
  uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }

 private:
  bool stopping() const;
  // Sleeps until `us` have passed or somebody calls.
  void wait(int64_t us);
  void wake();

  Status prepare();
  Status lock_folder();
  void tell_proxy(const std::string& refusal);
  std::optional<LoopEnd> prepare_until_ready();
  std::optional<LoopEnd> turn();
  Status work();
  std::optional<LoopEnd> journal_failed(const Error& error);
  void take_requests();
  Status observe();
  Status observe_oldest();
  void report();
  void begin_run(Cause cause);
  bool should_feed();
  Status feed();
  void run_finished(bool drained);
  std::optional<LoopEnd> check_end();
  void look_after_mysql();
  std::optional<sql::Failure> look_at_load();
  std::optional<sql::Failure> look_after_control();
  void meet(int64_t now_us);
  void look_at_dead_letters();

  Options options_;  // run()'s thread
  const bool once_;
  base::FileSystem& fs_;
  StatusBoard& status_;
  FlushMetrics& metrics_;

  // run()'s thread only.
  std::unique_ptr<base::FileLock> lock_;  // of the folder, against other flushers
  JournalWatch journal_;
  Trigger trigger_;
  Pace pace_;
  Progress progress_;
  LoadProbe load_probe_;
  ServerLoad load_;  // as of the last look
  CheckpointKey key_;
  std::vector<std::string> schema_told_;  // warnings about the orders table
  sql::Connection control_;  // checkpoints at start-up, then health; abort() from stop()
  // Of a server that was connected to anew it is not known yet whether it has what was committed.
  enum class Server { kNew, kKnown, kBehind } server_ = Server::kKnown;
  std::unique_ptr<Batcher> batcher_;
  Observation now_;
  journal::JournalExtent extent_;
  std::optional<Cause> cause_;      // of the run under way
  uint64_t read_end_ = UINT64_MAX;  // a change of batch.writers reads no further before it is done
  int64_t oldest_ms_ = 0;           // time of the oldest record not in MySQL; 0: none
  int64_t observed_us_ = 0;         // when
  int64_t mysql_checked_us_ = 0;    // when
  int64_t mysql_delay_us_ = 0;      // until the next check
  DeadLetterTally dead_letters_;    // as of the last look
  int64_t met_us_ = 0;              // when early cancels were looked through last
  int64_t progressed_us_ = 0;       // when the position last moved
  uint64_t incarnation_ = 0;        // as registered
  uint64_t rate_position_ = 0;      // position and time of the last rate sample
  int64_t rate_us_ = 0;

  PauseSwitch pause_;  // any thread
  std::atomic<uint64_t> rounds_{0};

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  bool woken_ = false;
  bool stop_ = false;
  bool flush_requested_ = false;
  std::optional<Options> new_options_;
};

}  // namespace sluice::flusher
