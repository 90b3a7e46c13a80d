// What the sessions of one I/O thread share: its connections to Redis and its read buffer.
//
// Owned by the server; its members belong to the I/O thread, except where noted.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>

#include "net/tls_context.h"
#include "proxy/front/services.h"
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

  Worker(upstream::IoThread& thread, Services& services);
  ~Worker();

  upstream::IoThread& thread() { return thread_; }
  Services& services() { return services_; }
  std::string& read_buffer() { return read_buffer_; }
  upstream::PinnedPool& pinned_pool() { return pinned_pool_; }

  // The shared connection; made when first asked for.
  upstream::Pipe& pipe(int protocol, int64_t database);
  // No shared connection calls `receiver` any more.
  void abandon(const upstream::ReplyReceiver& receiver);
  // What Redis calls its version; a plausible one until it is known.
  std::string redis_version();

  // Takes over an accepted socket of this thread's context; `tls` as for Session.
  void adopt(boost::asio::generic::stream_protocol::socket socket, const net::TlsContext* tls);
  void remove(const std::shared_ptr<Session>& session);
  // Closes every session. Posted to the I/O thread by the server when it stops.
  void close_all();

 private:
  upstream::IoThread& thread_;
  Services& services_;
  std::string read_buffer_;
  std::string upstream_buffer_;
  std::map<std::pair<int, int64_t>, std::unique_ptr<upstream::Pipe>> pipes_;
  upstream::PinnedPool pinned_pool_;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
};

}  // namespace sluice::proxy::front
