#include "base/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace sluice::base {
namespace {

constexpr const char* kVariable = "SLUICE_FAILPOINT";

struct Description {
  Failpoint point;
  std::string_view name;
  bool can_fail;  // passed with failpoint_status()
  std::string_view text;
};

constexpr size_t kPoints = static_cast<size_t>(Failpoint::kCount);

constexpr std::array<Description, kPoints> kTable{{
    {Failpoint::kSaleBeforeScript, "sale.before-script", false,
     "a batch is made, Redis has not got it"},
    {Failpoint::kSaleAfterScript, "sale.after-script", false,
     "Redis has applied and answered a batch, the journal knows nothing of it"},
    {Failpoint::kSaleBeforeReply, "sale.before-reply", false,
     "a batch is in the journal, its clients were told nothing"},
    {Failpoint::kJournalBeforeWrite, "journal.before-write", true,
     "a group of frames is made, not written"},
    {Failpoint::kJournalBeforeSync, "journal.before-sync", true, "written, not fdatasynced"},
    {Failpoint::kJournalAfterSync, "journal.after-sync", false,
     "a group is written and, under always, fdatasynced; nobody was told"},
    {Failpoint::kSegmentBeforeRename, "segment.before-rename", true,
     "the next segment has its header, not its name"},
    {Failpoint::kSegmentAfterRename, "segment.after-rename", true,
     "the next segment has its name, the folder is not synced"},
    {Failpoint::kRecoveryBeforeRename, "recovery.before-rename", true,
     "the tail is rewritten, the new segment has no name"},
    {Failpoint::kRecoveryAfterRename, "recovery.after-rename", true,
     "the new segment has its name, the old one is not cut"},
    {Failpoint::kGateAfterEpoch, "gate.after-epoch", false,
     "an item's epoch is raised, nothing is repaired"},
    {Failpoint::kGateImport, "gate.import", false,
     "a receipt that the journal lacks is read, not yet handed to the journal"},
    {Failpoint::kReplayChunk, "replay.chunk", false, "Redis has taken a chunk of a replay"},
    {Failpoint::kFlushAfterRead, "flush.after-read", false, "records are read, no writer has them"},
    {Failpoint::kFlushBeforeInsert, "flush.before-insert", false,
     "the transaction has moved its checkpoint, inserted nothing"},
    {Failpoint::kFlushAfterInsert, "flush.after-insert", false,
     "the rows are inserted, items is not updated"},
    {Failpoint::kFlushBeforeCommit, "flush.before-commit", false,
     "all of a transaction but its COMMIT is done"},
    {Failpoint::kFlushAfterCommit, "flush.after-commit", false,
     "COMMIT is answered, this process has not taken notice"},
    {Failpoint::kJanitorBeforeDelete, "janitor.before-delete", true,
     "a segment is found to be deletable"},
    {Failpoint::kJanitorAfterDelete, "janitor.after-delete", true, "a segment is deleted"},
    {Failpoint::kCompactBeforeRename, "compact.before-rename", true,
     "the new manifest of the snapshot is synced, the old one counts"},
    {Failpoint::kCompactAfterRename, "compact.after-rename", true,
     "the new manifest counts, the folder is not synced"},
    {Failpoint::kCompactBeforeDelete, "compact.before-delete", true,
     "the parts that the new manifest does not name are still there"},
}};

constexpr bool in_order() {
  for (size_t i = 0; i < kPoints; ++i) {
    if (kTable[i].point != static_cast<Failpoint>(i) || kTable[i].name.empty()) return false;
  }
  return true;
}
static_assert(in_order(), "a row for each failpoint, in their order");

enum class Action { kKill, kDelay, kError };

struct Armed {
  Failpoint point = Failpoint::kCount;
  uint64_t count = 0;
  Action action = Action::kKill;
  std::chrono::milliseconds delay{0};
  std::atomic<uint64_t> passes{0};
};

// Written by arm_failpoint() before `armed` is set, read by passing threads after.
constinit Armed state;

const Description& described(Failpoint point) { return kTable[static_cast<size_t>(point)]; }

const Description* find(std::string_view name) {
  const auto* found = std::find_if(kTable.begin(), kTable.end(),
                                   [name](const auto& row) { return row.name == name; });
  return found == kTable.end() ? nullptr : found;
}

bool parse(std::string_view text, uint64_t& value) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() && end == text.data() + text.size();
}

// What stands before the first `separator` in `text`, and `text` behind it.
std::string_view cut(std::string_view& text, std::string_view separators) {
  const size_t at = std::min(text.find_first_of(separators), text.size());
  const std::string_view word = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return word;
}

Error meaningless(std::string_view text, const std::string& why) {
  return Error(ErrorClass::kInvalid, std::string(kVariable) + "=" + std::string(text) + ": " + why +
                                         "; write NAME:COUNT[:kill|:delay MS|:error]. Names:\n" +
                                         list_failpoints());
}

}  // namespace

Status failpoint_state::pass(Failpoint point) {
  if (point != state.point) return {};
  if (state.passes.fetch_add(1, std::memory_order_relaxed) + 1 != state.count) return {};
  switch (state.action) {
    case Action::kKill:
      ::kill(::getpid(), SIGKILL);
      while (true) ::pause();
    case Action::kDelay:
      std::this_thread::sleep_for(state.delay);
      return {};
    case Action::kError:
      break;
  }
  return Error(ErrorClass::kIo, "failpoint " + std::string(described(point).name));
}

Status arm_failpoint(std::string_view text) {
  failpoint_state::armed.store(false);
  if (text.empty()) return {};
  std::string_view rest = text;
  const Description* row = find(cut(rest, ":"));
  if (row == nullptr) return meaningless(text, "there is no such failpoint");
  uint64_t count = 0, delay_ms = 0;
  if (!parse(cut(rest, ":"), count) || count == 0) {
    return meaningless(text, "the count must be a number from 1 on");
  }
  const std::string_view action = cut(rest, ": ");
  if (action == "error" && !row->can_fail) return meaningless(text, "that step cannot fail");
  if (action == "delay") {
    if (!parse(rest, delay_ms)) return meaningless(text, "delay needs milliseconds");
  } else if ((!action.empty() && action != "kill" && action != "error") || !rest.empty()) {
    return meaningless(text, "there is no such action");
  }
  state.point = row->point;
  state.count = count;
  state.action = action == "delay"   ? Action::kDelay
                 : action == "error" ? Action::kError
                                     : Action::kKill;
  state.delay = std::chrono::milliseconds(delay_ms);
  state.passes.store(0);
  failpoint_state::armed.store(true);
  return {};
}

std::string list_failpoints() {
  std::string out;
  for (const Description& row : kTable) {
    std::string name(row.name);
    name.resize(24, ' ');
    out += "  " + name + std::string(row.text) + (row.can_fail ? " (error)" : "") + "\n";
  }
  return out;
}

std::optional<int> arm_failpoint_from_environment() {
  const char* text = std::getenv(kVariable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  if (std::string_view(text) == "list") {
    std::fputs(list_failpoints().c_str(), stdout);
    return 0;
  }
  if (const Status armed = arm_failpoint(text); !armed) {
    std::fprintf(stderr, "%s", armed.error().message().c_str());
    return 2;
  }
  std::fprintf(stderr, "%s=%s is armed: this is a test\n", kVariable, text);
  return std::nullopt;
}

}  // namespace sluice::base
