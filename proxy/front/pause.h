// CLIENT PAUSE: until when the clients of this proxy wait, and with which commands. Redis itself is
// not paused, nor are clients of other proxies.
//
// Owned by Services; any thread. The sessions ask before each command; one that must wait is
// looked at again by its worker until the pause is over.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>

#include "proxy/front/command_table.h"
#include "proxy/upstream/command_catalog.h"

namespace sluice::proxy::front {

class Pause {
 public:
  enum class Mode : uint8_t { kNone, kWrite, kAll };

  // A pause under way is made longer and stricter, never shorter or milder.
  void begin(Mode mode, int64_t end_us);
  void end();

  // False while nothing is paused: the one question on the way of an ordinary command.
  bool active() const { return mode_.load(std::memory_order_relaxed) != Mode::kNone; }
  // Whether a command that may write, or not, has to wait; ends a pause whose time has come.
  bool holds(bool writes, int64_t now_us);
  // How many pauses have ended: as long as that stays and one is active(), who waits waits on.
  uint64_t ended(int64_t now_us);

 private:
  void end_in_time(int64_t now_us);

  std::mutex mutex_;
  std::atomic<Mode> mode_{Mode::kNone};  // written under mutex_
  int64_t end_us_ = 0;                   // monotonic; guarded by mutex_
  uint64_t ended_ = 0;                   // guarded by mutex_
};

// Whether the command has to wait during CLIENT PAUSE … WRITE: if the server's `catalog` says that
// it writes or may be replicated. Null, not known yet: any command may. Of EXEC its commands
// decide.
bool may_write(CommandKind kind, std::span<const std::string_view> args,
               const upstream::CommandCatalog* catalog);

}  // namespace sluice::proxy::front
