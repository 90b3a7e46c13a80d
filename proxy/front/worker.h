// What the sessions of one I/O thread share: its connections to Redis and its read buffer.
//
// Owned by the server; its members belong to the I/O thread, except where noted.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "net/tls_context.h"
#include "proxy/front/access.h"
#include "proxy/front/patrol.h"
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
  void load_catalog() { catalog_loader_.load(pipe(2, 0)); }
  // What Redis calls its version; a plausible one until it is known.
  std::string redis_version();

  // Takes over an accepted socket of this thread's context; `tls` as for Session.
  void adopt(boost::asio::generic::stream_protocol::socket socket, const net::TlsContext* tls);
  void remove(const std::shared_ptr<Session>& session);
  // Closes every session. Posted to the I/O thread by the server when it stops.
  void close_all();

 private:
  void look_at_pause();
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
  std::map<std::pair<int, int64_t>, std::unique_ptr<upstream::Pipe>> pipes_;
  upstream::PinnedPool pinned_pool_;
  Patrol patrol_;
  Patrol pacer_;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
};

}  // namespace sluice::proxy::front
