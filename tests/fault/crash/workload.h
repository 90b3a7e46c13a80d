// A sale as the journal sees it, recorded once: group commit with submitters, a reader that follows
// like the flusher does, the compactor, a stop and a start in between.
//
// The journal's threads make the order of operations differ from run to run. A crash index refers
// to the log of the very run, so a finding is repeated by its kind and not by its index.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "journal/group_commit.h"
#include "journal/record.h"
#include "sim_file_system.h"

namespace sluice::crash {

inline constexpr const char* kDir = "journal";

// All that was ever submitted, by the sequences that it got.
struct Submitted {
  std::map<uint64_t, std::string> records;  // encoded, one each
  std::set<uint64_t> batch_ends;            // last sequences
  std::map<uint64_t, uint64_t> order_ids;   // by sequence, of batch ends: the highest up to there
};

// What a record comes down to in a snapshot, which keeps no fields.
std::string encoded(journal::Record record, bool with_fields);

journal::WriterOptions small_segments(journal::FsyncPolicy policy);

class Workload {
 public:
  explicit Workload(journal::FsyncPolicy policy) : policy_(policy) {}

  // Empty, or what went wrong.
  std::string run(SimFileSystem& fs, int runs, int batches);
  const Submitted& submitted() const { return submitted_; }

 private:
  void submit_all(SimFileSystem& fs, journal::GroupCommit& commit, int run, int lane, int batches);
  std::string follow(SimFileSystem& fs, journal::GroupCommit& commit, const std::atomic<int>& busy);

  const journal::FsyncPolicy policy_;
  std::mutex mutex_;
  Submitted submitted_;    // guarded by mutex_ while the workload runs
  uint64_t clock_ = 0;     // of records; guarded by mutex_
  uint64_t position_ = 1;  // where the follower goes on
  int64_t pass_ = 0;       // of the compactor
};

}  // namespace sluice::crash
