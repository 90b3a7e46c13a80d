// The commands that Redis has, by its own account: what COMMAND says of arity, categories and the
// positions of keys, and of users (server_users.h). Users' permissions are judged by it
// (front/permission.h).
//
//   pipe up ─► CatalogLoader: COMMAND, ACL CAT, … ─► CommandCatalog ─► the worker's own copy
//
// A catalog is immutable; each I/O thread has its own, so that nothing is shared on the way of a
// command.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "proxy/upstream/pipe.h"
#include "proxy/upstream/reply_receiver.h"
#include "proxy/upstream/server_users.h"

namespace sluice::proxy::upstream {

// Where keys are among the arguments: https://redis.io/docs/reference/key-specs/
struct KeySpec {
  enum class Begin { kIndex, kKeyword, kUnknown } begin = Begin::kUnknown;
  enum class Find { kRange, kKeyNum, kUnknown } find = Find::kUnknown;
  int64_t index = 0;       // kIndex
  std::string keyword;     // kKeyword: the first key is behind it
  int64_t start_from = 0;  // kKeyword: where to search; negative: backwards from the end
  int64_t last_key = 0;    // kRange: counted from the first, or if negative from the end
  int64_t limit = 0;       // kRange, last_key -1: only the first 1/limit of the rest are keys
  int64_t key_num_index = 0, first_key = 0;  // kKeyNum: both counted from the beginning found
  int64_t step = 1;
  bool reads = false;           // "access": the value is returned or copied
  bool writes = false;          // "insert", "update" or "delete"
  bool is_key = true;           // false: a channel, or an argument that only looks like a key
  bool incomplete = false;      // there may be keys that it does not find
  bool variable_flags = false;  // reads and writes depend on other arguments
};

struct CommandInfo {
  std::string name;      // lower case; of a subcommand "config|get"
  std::string shown;     // the name as Redis writes it: those of modules may have capitals
  int64_t arity = 0;     // exact, or at least the absolute value
  bool no_auth = false;  // allowed to everybody
  bool movable_keys = false;
  bool may_write = false;  // changes data, or what replicas are told
  bool blocks = false;     // may wait for another client's command
  std::vector<std::string> categories;  // lower case, without '@'
  std::vector<KeySpec> keys;
  std::vector<size_t> subcommands;  // indexes in all()
};

class CommandCatalog {
 public:
  static constexpr size_t kReplyBytesMax = 16 * 1024 * 1024;

  // `reply` is the whole RESP2 reply of COMMAND. kInvalid: it is not one.
  static Result<CommandCatalog> parse(std::string_view reply);

  std::span<const CommandInfo> all() const { return commands_; }  // subcommands too
  // "get" or "config|get", in any case; nullptr if there is none.
  const CommandInfo* find(std::string_view full_name) const;
  // The command that these arguments call, the subcommand if it has any. nullptr: Redis knows none.
  const CommandInfo* lookup(std::span<const std::string_view> args) const;
  size_t index_of(const CommandInfo& command) const {
    return static_cast<size_t>(&command - commands_.data());
  }
  // Lower case, without '@': one that ACL CAT tells or a command is in.
  bool has_category(std::string_view name) const;

  const ServerUsers& users() const { return users_; }
  // While it is made.
  void know_users(ServerUsers users);

 private:
  friend class CatalogReader;

  std::vector<CommandInfo> commands_;
  ServerUsers users_;
  std::set<std::string, std::less<>> categories_;
  std::unordered_map<std::string, size_t> by_name_;
};
using CatalogPtr = std::shared_ptr<const CommandCatalog>;

// Asks for the catalog over a shared connection: each time that this comes up, and whenever it may
// have changed. This I/O thread only.
class CatalogLoader final : ReplyReceiver {
 public:
  // `loaded` is told of each outcome.
  explicit CatalogLoader(std::function<void(Result<CatalogPtr>)> loaded)
      : loaded_(std::move(loaded)) {}

  // Does nothing while the answers to an earlier call are still to come.
  void load(Pipe& pipe);

 private:
  void ask(std::string_view command);
  Status take_reply();
  void end(Result<CatalogPtr> outcome);
  void reply_bytes(std::string_view bytes, size_t replies) override;
  void replies_too_deep(size_t replies) override { reply_bytes({}, replies); }  // no catalog
  void replies_lost(size_t replies, bool begun, std::string_view error) override;
  void upstream_has_room() override {}

  const std::function<void(Result<CatalogPtr>)> loaded_;
  Pipe* pipe_ = nullptr;  // while answers are to come
  std::string reply_;
  size_t step_ = 0;  // questions asked since COMMAND
  std::shared_ptr<CommandCatalog> catalog_;
  ServerUsers users_;
};

}  // namespace sluice::proxy::upstream
