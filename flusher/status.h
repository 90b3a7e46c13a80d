// What the flusher is doing, for people, dashboards and readiness checks.
//
// Every part reports here what it has really done or failed to do; the admin listener reads a copy.
// The state is derived from that (progress.h), so "DRAINING" never hides that nothing moves.
//
// Threads: any; one mutex.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "flusher/server_load.h"
#include "flusher/trigger.h"
#include "sql/failure.h"

namespace sluice::flusher {

// Reasons that are known by their words.
inline constexpr std::string_view kStarting = "starting";
inline constexpr std::string_view kCommittedNothing = "MySQL has committed nothing for ";

// Of what the flusher is blocked, besides the classes of MySQL's failures (sql::kind_name):
inline constexpr std::string_view kByJournal = "journal";   // its folder cannot be read
inline constexpr std::string_view kByStartUp = "start_up";  // MySQL or its schema, at the start
inline constexpr std::string_view kByStall = "stalled";     // nothing moves, and nobody says why
inline constexpr std::string_view kBlockades[] = {
    "deadlock",  "lock_wait", "connection", "refused_data", "duplicate", "too_large",
    "read_only", "full",      "schema",     "refuses_all",  "access",    "server_too_old",
    "other",     kByJournal,  kByStartUp,   kByStall};

enum class State {
  kIdle,      // nothing to drain
  kHolding,   // a backlog, and no trigger fires
  kDraining,  // rows go in as fast as they can
  kPaced,     // rows go in, held back so as not to hurt the database
  kBlocked,   // something outside is in the way (the journal, MySQL, its schema); nothing moves
  kPaused,    // by an operator
};
inline constexpr State kStates[] = {State::kIdle,  State::kHolding, State::kDraining,
                                    State::kPaced, State::kBlocked, State::kPaused};
std::string_view state_name(State state);

// What MySQL said last, of one class of failures.
struct LastFailure {
  uint64_t count = 0;  // since the flusher's start
  std::string text;
  int64_t at_ms = 0;  // wall clock
};

// What the journal has and MySQL has not.
struct Backlog {
  uint64_t records = 0;
  int64_t bytes = 0;  // estimated
  int64_t oldest_age_us = 0;
};

struct StatusSnapshot {
  State state = State::kBlocked;
  std::string reason{kStarting};
  std::string trigger;  // what began the last run; "": none yet
  std::vector<TriggerState> triggers;  // all that are configured
  std::optional<int64_t> next_scheduled_s;  // when trigger.schedule says "drain" again
  uint64_t journal_id = 0;
  uint64_t position = 0;  // every record with a lower sequence is in MySQL
  uint64_t last_sequence = 0;  // of the journal, as the flusher sees it
  std::optional<Backlog> backlog;  // nullopt: not known, as MySQL has not told the position yet
  int64_t load_per_s = 0;
  uint64_t rows_total = 0;
  uint64_t dead_letter_rows = 0;
  int64_t dead_letters_version = 0;  // another whenever they may be others than before
  int64_t last_commit_ms = 0;  // wall clock; 0: none yet
  int64_t rows_per_s = 0;
  int64_t pace_rows_per_s = 0;  // what may go at most; 0: no limit
  std::vector<ReplicaState> replicas;
  bool mysql_connected = false;
  std::string mysql_error;  // of the loop's own connection; "": none since the last success
  std::map<uint32_t, std::string> writer_errors;  // by writer, as long as its batch is not in
  std::map<sql::FailureKind, LastFailure> failures;

  // What is in the way, of anybody's; "": nothing.
  std::string trouble() const;
  // While blocked, by what, as one of kBlockades; else "".
  std::string_view blocked_by() const;
  // Notes a failure under its class.
  void failed(const sql::Failure& failure);
  // Until the backlog is drained at the present rate; nullopt: it is not being drained.
  std::optional<double> eta_s() const;
};

class StatusBoard {
 public:
  StatusSnapshot read() const;

  // Changes the snapshot under the lock: board.update([&](StatusSnapshot& s) { … }).
  template <class Change>
  void update(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change(snapshot_);
    }
    changed_.notify_all();
  }

  // Until every record below `sequence` is in MySQL: true; or `timeout_ms` or close(): false.
  bool wait_position(uint64_t sequence, int64_t timeout_ms) const;
  // Ends all waits.
  void close();

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  StatusSnapshot snapshot_;  // guarded by mutex_
  bool closed_ = false;      // guarded by mutex_
};

}  // namespace sluice::flusher
