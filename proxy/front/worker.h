// What the sessions of one I/O thread share: its connections to Redis and its read buffer.
//
// Owned by the server; its members belong to the I/O thread, except where noted.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "net/tls_context.h"
#include "proxy/front/access.h"
#include "proxy/front/patrol.h"
#include "proxy/front/server_hello.h"
#include "proxy/front/services.h"
#include "proxy/upstream/command_catalog.h"
#include "proxy/upstream/errands.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/pinned.h"
#include "proxy/upstream/pipe.h"

namespace sluice::proxy::front {

class Session;

class Worker {
 public:
  // Databases above this one have no shared connection; who selects one gets a pinned one.
  static constexpr int64_t kSharedDatabaseMax = 15;
  static constexpr size_t kReadBytes = 64 * 1024;
  static constexpr std::chrono::milliseconds kPatrolEvery{100};
  static constexpr std::chrono::milliseconds kPaceEvery{2};

  Worker(upstream::IoThread& thread, Services& services);
  ~Worker();

  upstream::IoThread& thread() { return thread_; }
  Services& services() { return services_; }
  std::string& read_buffer() { return read_buffer_; }
  upstream::PinnedPool& pinned_pool() { return pinned_pool_; }
  upstream::Errands& errands() { return errands_; }
  ScriptsLoaded& scripts() { return scripts_; }
  // Looks at the session again as soon as CLIENT PAUSE is over, or nearly.
  void wait_for_pause(std::weak_ptr<Session> session);
  Patrol& patrol() { return patrol_; }
  Patrol& pacer() { return pacer_; }

  // The shared connection; made when first asked for.
  upstream::Pipe& pipe(int protocol, int64_t database);
  // No shared connection calls `receiver` any more.
  void abandon(const upstream::ReplyReceiver& receiver);
  // Who may run what; sessions are told of changes.
  Access& access() { return access_; }
  void users_changed();
  // Does nothing while the answer to an earlier call is still to come.
  void load_catalog() { catalog_loader_.load(pipe(2, 0)); }

  // The kind of a command by the table, or by what the server has told of its commands.
  CommandKind kind_of(std::string_view name) const;
  // The commands that the server has; null: not known yet, but asked for.
  const upstream::CommandCatalog* catalog();
  // What the server said to HELLO, CLIENT INFO. Null, false: it has not been asked since it was
  // reached for the first time, or anew. What was learned before is kept while it is away.
  const ServerHello* server_hello() const { return hello_ ? &*hello_ : nullptr; }
  bool knows_client_line() const { return knows_client_line_; }
  // Its whole answers. An error of learn_hello() is what a client is told.
  Status learn_hello(std::string_view reply);
  void learn_client_line(std::string_view reply);

  // Takes over an accepted socket of this thread's context; `tls` as for Session.
  void adopt(boost::asio::generic::stream_protocol::socket socket, const net::TlsContext* tls);
  void remove(const std::shared_ptr<Session>& session);
  // From now on a session ends once it has nothing left to answer; also one that comes still.
  void finish();
  // Closes every session. Posted to the I/O thread by the server when it stops.
  void close_all();

 private:
  void look_at_pause();
  void finish_sessions();
  void connected(upstream::Pipe& pipe);
  void learn_commands(const upstream::CommandCatalog& catalog);
  void access_changed();

  upstream::IoThread& thread_;
  Services& services_;
  std::string read_buffer_;
  std::string upstream_buffer_;
  upstream::Errands errands_;  // outlives the connections
  ScriptsLoaded scripts_;
  boost::asio::steady_timer pause_timer_;
  std::vector<std::weak_ptr<Session>> paused_;
  uint64_t pauses_ended_ = 0;  // when the first of paused_ came
  Access access_;
  upstream::CatalogLoader catalog_loader_;
  bool wants_catalog_ = false;            // again after each reconnect
  std::set<std::string> learned_blocking_;  // of the server's commands, those not in the table
  std::optional<ServerHello> hello_;
  bool knows_client_line_ = false;
  std::map<std::pair<int, int64_t>, std::unique_ptr<upstream::Pipe>> pipes_;
  upstream::PinnedPool pinned_pool_;
  Patrol patrol_;
  Patrol pacer_;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
  boost::asio::steady_timer finish_timer_;
  bool finishing_ = false;
};

}  // namespace sluice::proxy::front
