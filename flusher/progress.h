// In which state the flusher is: concluded from what moves, not from what is intended.
//
// One thread; times are brought along.
#pragma once

#include <cstdint>
#include <string>

#include "flusher/status.h"

namespace sluice::flusher {

// What the flush loop knows at the end of a turn.
struct Situation {
  int64_t now_us = 0;  // monotonic
  bool is_paused = false;
  uint64_t backlog_rows = 0;
  uint64_t position = 0;    // every record with a lower sequence is in MySQL
  std::string run;          // the cause of the run under way; "": there is none
  std::string trouble;      // what somebody failed with and tries again; "": nothing
  std::string held_by;      // what the pace holds the writers back for; "": nothing
  std::string hold_reason;  // why no run begins
};

struct Verdict {
  State state;
  std::string reason;
};

class Progress {
 public:
  // Call at every turn.
  Verdict judge(const Situation& now);

 private:
  uint64_t position_ = 0;
  int64_t moved_us_ = 0;  // when the position moved last, or need not move
};

}  // namespace sluice::flusher
