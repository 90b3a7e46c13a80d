// What the proxy must do to the reply of one client's EXEC.
//
// A MULTI runs on the client's own connection to Redis, which queues its commands and runs them.
// Commands of it that speak of the client's connection to the proxy run here, when EXEC has
// succeeded, as Redis would run them then; Redis gets a PING in their place, so that its reply has
// as many elements as the client has sent commands.
//
//   client:  MULTI  CLIENT ID  GET k  EXEC        Redis:  MULTI  PING  GET k  EXEC
//   reply:   *2 [ :17, $1 v ]                     reply:  *2 [ +PONG, $1 v ]
//
// No sockets; the session's I/O thread only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/front/command_table.h"
#include "proxy/upstream/command_catalog.h"

namespace sluice::proxy::front {

class Transaction {
 public:
  // `shown` always says how many commands are queued.
  explicit Transaction(std::atomic<int64_t>& shown) : shown_(shown) { shown_ = 0; }

  // Makes of the element with which Redis answered a command the one that the client gets; "" for a
  // command without an answer (CLIENT REPLY SKIP). Runs only if the transaction has run.
  using Change = std::function<std::string(std::string_view element)>;

  // Commands that Redis queues, in their order. (If it refuses one, EXEC fails as a whole.)
  void queued(size_t commands) {
    commands_ += commands;
    shown_ = static_cast<int64_t>(commands_);
  }
  // `bytes` is about what the change keeps in memory.
  void queued(Change change, size_t bytes);

  // The commands behind it will run in this database.
  void select(int64_t database) { databases_ = {database}; }
  // They may, or else where those before it run; the client is in `current`.
  void may_select(int64_t database, int64_t current);
  // Those in which the next command may run; empty: the client's.
  std::span<const int64_t> databases() const { return databases_; }

  // A command that may be queued: whether one of them writes is asked during CLIENT PAUSE … WRITE.
  // As long as `catalog` is not known (null), what must be judged is kept.
  void note(CommandKind kind, std::span<const std::string_view> args,
            const upstream::CommandCatalog* catalog);
  bool may_write(const upstream::CommandCatalog* catalog);

  // A command was refused, and Redis knows nothing of it: EXEC must fail.
  void refuse() { refused_ = true; }
  bool refused() const { return refused_; }
  // EXEC will answer with more than an element a command.
  void subscribe() { subscribes_ = true; }
  bool subscribes() const { return subscribes_; }
  // A HELLO of it has run; Redis may not be where the last one leads.
  void greeted() { greeted_ = true; }
  bool has_greeted() const { return greeted_; }

  bool has_changes() const { return !changes_.empty(); }
  size_t bytes() const { return bytes_; }

  // EXEC's reply as the client gets it. `muted` may become true through a change (CLIENT REPLY
  // OFF): like Redis, we then say no more, in the middle of the reply.
  std::string finish(std::string_view reply, const bool& muted) const;

 private:
  static constexpr size_t kUnjudgedMax = 100;  // more of them are taken for writes

  struct Changed {
    size_t index;  // of the command
    Change change;
  };

  std::atomic<int64_t>& shown_;
  size_t commands_ = 0;
  bool writes_ = false;
  bool refused_ = false;
  bool subscribes_ = false;
  bool greeted_ = false;
  std::vector<int64_t> databases_;
  size_t bytes_ = 0;
  std::vector<std::vector<std::string>> unjudged_;  // name and first argument
  std::vector<Changed> changes_;  // by index
};

}  // namespace sluice::proxy::front
