// The listeners: accepts clients and hands them to the I/O threads in turn.
//
// One acceptor for each address, on the first I/O thread; a session then stays on the thread that
// it was given. create() before the threads start; stop() from any thread while they run.
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

  void start();
  // Accepts nobody any more and closes every client; returns when that is done.
  void stop();
  // Has every session judged by the users now in force, soon. Any thread, while they run.
  void users_changed();
  unsigned short port() const { return port_; }  // of the TCP listener; for tests that ask for 0

 private:
  Server(const ListenOptions& options, std::vector<std::unique_ptr<upstream::IoThread>>& threads,
         Services& services);
  Status listen_tcp();
  Status listen_unix();
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
  bool stopping_ = false;
};

}  // namespace sluice::proxy::front
