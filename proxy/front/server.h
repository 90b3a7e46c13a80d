// The listeners: accepts clients and hands them to the I/O threads in turn.
//
// One acceptor for each address, on the first I/O thread; a session then stays on the thread that
// it was given. create() before the threads start; the rest from any thread while they run.
//
// The end has steps, so that what a client has asked is answered and no reply is cut:
//
//   start ─► … ─► finish(): nobody is accepted, nothing more is read; who has all replies is closed
//                   │       what waits for the sale or Redis is still answered
//                   └─► stop(): who is left is closed
//
// A listening socket that was inherited outlives the process: connections wait in its queue for the
// one that is started next.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/tls_context.h"
#include "proxy/front/worker.h"

namespace sluice::proxy::front {

struct ListenOptions {
  std::string address;      // "127.0.0.1:6479", "[::1]:6479"; "" : no TCP listener
  std::string unix_socket;  // a path; "" : none
  std::shared_ptr<net::TlsContext> tls;  // of the TCP listener; null: it speaks in clear
  // Sockets that listen already, on these addresses; -1: one is to be made.
  int inherited_tcp = -1;
  int inherited_unix = -1;
};

// kInvalid if these cannot be listened on anywhere; tries nothing.
Status check(const ListenOptions& options);
// True if no other machine can reach what is listened on.
bool is_local(const ListenOptions& options);

class Server {
 public:
  // kInvalid: a malformed address; kUnavailable: the address is taken. Messages name the key.
  static Result<std::unique_ptr<Server>> create(
      const ListenOptions& options, std::vector<std::unique_ptr<upstream::IoThread>>& threads,
      Services& services);
  ~Server();

  // Begins to accept.
  void start();
  // Accepts nobody any more, and closes each client once all that it has asked is answered and has
  // reached it. Returns when nobody is accepted.
  void finish();
  // After finish(): closes every client; returns when that is done.
  void stop();
  // Has every session judged by the users now in force, soon. Any thread, while they run.
  void users_changed();
  unsigned short port() const { return port_; }  // of the TCP listener; for tests that ask for 0

 private:
  Server(const ListenOptions& options, std::vector<std::unique_ptr<upstream::IoThread>>& threads,
         Services& services);
  Status listen_tcp();
  Status listen_unix();
  void close_unix();
  template <class Acceptor>
  void accept(Acceptor& acceptor, boost::asio::steady_timer& retry, const net::TlsContext* tls);
  upstream::IoThread& next_thread();

  const ListenOptions options_;
  std::vector<std::unique_ptr<upstream::IoThread>>& threads_;
  std::vector<std::unique_ptr<Worker>> workers_;  // as many as threads
  boost::asio::ip::tcp::acceptor tcp_;
  boost::asio::local::stream_protocol::acceptor unix_;
  boost::asio::steady_timer tcp_retry_;  // one each: a wait begun anew ends the one before
  boost::asio::steady_timer unix_retry_;
  unsigned short port_ = 0;
  size_t next_ = 0;
  bool stopping_ = false;  // first I/O thread
};

}  // namespace sluice::proxy::front
