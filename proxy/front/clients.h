// All clients of the proxy, for CLIENT ID, LIST and KILL, which speak of all I/O threads.
//
// A session registers itself while it lives. What LIST shows of it is either constant, an atomic,
// or guarded by the registry's mutex; nothing here is touched on the way of an ordinary command.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/front/client_line.h"

namespace sluice::proxy::front {

// The command that a client sent last, as CLIENT LIST shows it. Written by one thread, read by any:
// a reader may see parts of two names, never anything else.
class LastCommand {
 public:
  void set(std::string_view name, std::string_view argument);
  // "get"; "NULL" before the first. Of a command that is told apart by its first argument, one of
  // `containers`, both: "client|list".
  std::string text(const std::set<std::string, std::less<>>& containers) const;

 private:
  static constexpr size_t kWords = 3;  // 24 bytes, zeros behind the end; longer names are cut

  using Field = std::array<std::atomic<uint64_t>, kWords>;
  static void store(Field& field, std::string_view text);
  static std::string load(const Field& field);

  Field name_{};
  Field argument_{};
};

struct Client {
  // Constant after registration.
  int64_t id = 0;
  int fd = -1;
  std::string address;        // "127.0.0.1:51234", or "PATH:0" of the unix socket
  std::string local_address;
  int64_t connected_us = 0;   // monotonic
  std::function<void()> kill;  // ends the connection; any thread
  // CLIENT UNBLOCK: ends the blocking command under way, if there is one, as if by its time limit
  // or with an error; `done` is told on the client's thread whether there was. Any thread.
  std::function<void(bool with_error, std::function<void(bool)> done)> unblock;
  // Gives the client a connection to Redis of its own, unless it has one, and tells `told` what
  // Redis calls that, on the client's thread; 0 if that cannot be. Any thread.
  std::function<void(std::function<void(int64_t)> told)> ask_redis_id;

  // Written by the session's thread only.
  std::atomic<int64_t> active_us{0};
  std::atomic<int64_t> database{0};
  std::atomic<int> protocol{2};
  std::atomic<bool> no_evict{false};
  std::atomic<bool> redirects{false};  // CLIENT CAPA REDIRECT
  // The client that gets its invalidations; 0: it tracks for itself.
  std::atomic<int64_t> redirect{-1};
  // As in Redis: N normal, x in MULTI, b blocked, P subscriber, O monitor.
  std::atomic<char> flag{'N'};
  std::atomic<int64_t> memory_bytes{0};  // that its buffers take
  std::atomic<int64_t> input_bytes{0};   // of it: what is not yet carried out
  std::atomic<int64_t> output_bytes{0};  // of it: what the client has not yet taken
  std::atomic<int64_t> queued{-1};       // commands of its MULTI; -1: it is in none
  std::atomic<int64_t> watched{0};       // keys that it watches; one watched twice counts twice
  std::atomic<int64_t> received_bytes{0}, sent_bytes{0}, commands{0};  // in all; see count()
  // Channels, patterns, shard channels that it asked for; one asked for twice counts twice.
  std::array<std::atomic<int64_t>, 3> subscriptions{};
  LastCommand last_command;

  // Guarded by the memory budget: what it held when it was cut for that; -1 once it has gone.
  int64_t leaving_bytes = 0;

  // Cheap, since only the session's thread writes.
  static void count(std::atomic<int64_t>& counter, size_t n) {
    counter.store(counter.load(std::memory_order_relaxed) + static_cast<int64_t>(n),
                  std::memory_order_relaxed);
  }

  // Of what the client calls itself. This, and the memory it takes, its own session alone changes.
  size_t name_bytes() const {
    return name.capacity() + library_name.capacity() + library_version.capacity();
  }

  // Guarded by the registry: use Clients::set_name(), name() and the like.
  std::string name;
  std::string user = "default";
  std::string library_name;
  std::string library_version;
};
using ClientPtr = std::shared_ptr<Client>;

// Its flags as CLIENT LIST shows them.
std::string shown_flags(const Client& client);

// What a client calls itself, and the user who it is.
struct ClientNames {
  std::string name, user, library_name, library_version;
};

class Clients {
 public:
  // Gives the id. The number of clients before this one is returned, to be compared with the limit.
  int64_t add(const ClientPtr& client);
  void remove(const Client& client);
  int64_t count() const { return count_.load(std::memory_order_relaxed); }

  void set_name(Client& client, std::string_view name);
  std::string name(const Client& client) const;
  void set_user(Client& client, std::string_view name);
  std::string user(const Client& client) const;
  // Whether there is such a user, connected or not; without users configured "default" only.
  bool user_exists(std::string_view name) const;
  // How that is found out. To be set before the threads start.
  void know_users_by(std::function<bool(std::string_view)> known) { known_ = std::move(known); }
  void set_library(Client& client, bool version, std::string_view value);
  ClientNames names(const Client& client) const;

  // How the server behind describes a client; until it is known, the fields that all servers have.
  void describe_like(ClientLine line);
  // The commands that are told apart by their first argument: lower case.
  void know_containers(std::set<std::string, std::less<>> names);
  // One line of CLIENT LIST, with its line end.
  std::string line(const Client& client, int64_t now_us) const;
  std::vector<ClientPtr> all() const;  // by id
  ClientPtr find(int64_t id) const;    // null: there is none

 private:
  std::function<bool(std::string_view)> known_;
  mutable std::mutex mutex_;
  std::map<int64_t, ClientPtr> clients_;  // guarded by mutex_
  int64_t last_id_ = 0;                   // guarded by mutex_
  ClientLine line_;                       // guarded by mutex_
  std::set<std::string, std::less<>> containers_;  // guarded by mutex_
  std::atomic<int64_t> count_{0};
};

}  // namespace sluice::proxy::front
