// Failpoints: named places of the protocol at which a test can kill this very process.
//
//   SLUICE_FAILPOINT=NAME:COUNT[:ACTION]    at the COUNT-th pass of that place:
//     kill       SIGKILL to itself (the default): no instruction runs after it
//     delay MS   sleeps, then goes on; written with a blank or a colon before MS
//     error      the step fails, with an Error (only where the step can fail)
//   SLUICE_FAILPOINT=list                   prints the names and ends
//
// Compiled in always, so that what is tested is what is shipped; costs one relaxed load of a bool
// that is false in every process without the variable. The state belongs to the process, like the
// environment that sets it: main() arms it once, before there is a second thread, and any thread
// may pass.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::base {

// In the order of the steps; failpoint.cc has a name and a description for each.
enum class Failpoint : uint8_t {
  kSaleBeforeScript,
  kSaleAfterScript,
  kSaleBeforeReply,
  kJournalBeforeWrite,
  kJournalBeforeSync,
  kJournalAfterSync,
  kSegmentBeforeRename,
  kSegmentAfterRename,
  kRecoveryBeforeRename,
  kRecoveryAfterRename,
  kGateAfterEpoch,
  kGateImport,
  kReplayChunk,
  kFlushAfterRead,
  kFlushBeforeInsert,
  kFlushAfterInsert,
  kFlushBeforeCommit,
  kFlushAfterCommit,
  kJanitorBeforeDelete,
  kJanitorAfterDelete,
  kCompactBeforeRename,
  kCompactAfterRename,
  kCompactBeforeDelete,
  kCount,  // of the points above
};

namespace failpoint_state {
inline constinit std::atomic<bool> armed{false};
Status pass(Failpoint point);
}  // namespace failpoint_state

// Marks a place that cannot fail by itself.
inline void failpoint(Failpoint point) {
  if (failpoint_state::armed.load(std::memory_order_relaxed)) [[unlikely]] {
    (void)failpoint_state::pass(point);
  }
}

// Marks a step that can fail: SLUICE_TRY(failpoint_status(…)) before it.
inline Status failpoint_status(Failpoint point) {
  if (failpoint_state::armed.load(std::memory_order_relaxed)) [[unlikely]] {
    return failpoint_state::pass(point);
  }
  return {};
}

// Arms what "NAME:COUNT[:ACTION]" says, in place of what was armed before; an empty one disarms.
// kInvalid, with every name in the message, if it says nothing that there is.
Status arm_failpoint(std::string_view text);

// One line a name: the name, and what has and has not happened there.
std::string list_failpoints();

// For main(), before anything else: arms what SLUICE_FAILPOINT says, and says so on stderr. Holds
// an exit code if the program is to end: 0 after "list", 2 after a text that means nothing.
std::optional<int> arm_failpoint_from_environment();

}  // namespace sluice::base
