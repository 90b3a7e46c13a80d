// One connection's bytes, in clear or over TLS, with what sessions and links need of a socket.
//
// Plain until start_tls(); a plain stream costs nothing over its socket: the same system calls, no
// allocation. Over TLS the calls mean the same, only that readiness of the socket is not readiness
// of bytes: so wait with async_wait_read() and async_wait_write(), never on the socket.
//
// One thread. A handler is called from the event loop, never from inside a call, and must keep the
// stream alive. close() aborts what is under way; handlers of a closed connection that come later
// than a new one begins find themselves aborted too; that of a handshake is dropped.
#pragma once

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <functional>
#include <memory>
#include <utility>

#include "base/error.h"
#include "net/tls_session.h"

namespace sluice::net {

class Stream {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using ErrorCode = boost::system::error_code;

  explicit Stream(Socket socket) : socket_(std::move(socket)) {}

  // To connect and to ask for addresses; reading and writing is done here.
  Socket& socket() { return socket_; }
  int native_handle() { return socket_.native_handle(); }
  bool is_open() const { return socket_.is_open(); }
  bool encrypted() const { return tls_ != nullptr; }
  void close();

  // Once the socket is connected. Makes it non-blocking.
  void start_tls(std::unique_ptr<TlsSession> tls);
  // kRefused: it failed, and why. Only after start_tls(), before anything is read or written.
  void async_handshake(std::function<void(const Status&)> handler);

  // What can be done at once, on a non-blocking socket. Errors: would_block; eof when reading; else
  // the connection is gone. An error comes without bytes.
  size_t read(char* data, size_t size, ErrorCode& error);
  size_t write(const char* data, size_t size, ErrorCode& error);

  // handler(error): when read() or write(), having said would_block, is worth another call.
  template <class Handler>
  void async_wait_read(Handler&& handler);
  template <class Handler>
  void async_wait_write(Handler&& handler);

  // handler(error, bytes), as Asio's; async_write() writes all of the buffer, which stays valid.
  template <class Handler>
  void async_read_some(boost::asio::mutable_buffer buffer, Handler&& handler);
  template <class Handler>
  void async_write(boost::asio::const_buffer buffer, Handler&& handler);

 private:
  using Completion = std::function<void(const ErrorCode&, size_t)>;

  void shake_hands(std::function<void(const Status&)> handler);
  void read_tls(boost::asio::mutable_buffer buffer, Completion handler);
  void write_tls(boost::asio::const_buffer buffer, size_t written, Completion handler);

  Socket socket_;
  std::shared_ptr<TlsSession> tls_;  // null: plain. Its identity is the connection's.
};

inline size_t Stream::read(char* data, size_t size, ErrorCode& error) {
  if (tls_) return tls_->read(data, size, error);
  ssize_t n = 0;
  do n = ::recv(socket_.native_handle(), data, size, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    error.clear();
    return static_cast<size_t>(n);
  }
  if (n == 0)
    error = boost::asio::error::eof;
  else
    error.assign(errno, boost::asio::error::get_system_category());
  return 0;
}

inline size_t Stream::write(const char* data, size_t size, ErrorCode& error) {
  if (tls_) return tls_->write(data, size, error);
  ssize_t n = 0;
  do n = ::send(socket_.native_handle(), data, size, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n >= 0) {
    error.clear();
    return static_cast<size_t>(n);
  }
  error.assign(errno, boost::asio::error::get_system_category());
  return 0;
}

template <class Handler>
void Stream::async_wait_read(Handler&& handler) {
  if (!tls_) return socket_.async_wait(Socket::wait_read, std::forward<Handler>(handler));
  if (!tls_->holds_bytes())
    return socket_.async_wait(tls_->read_wait(), std::forward<Handler>(handler));
  boost::asio::post(socket_.get_executor(),
                    [handler = std::forward<Handler>(handler)]() mutable { handler(ErrorCode()); });
}

template <class Handler>
void Stream::async_wait_write(Handler&& handler) {
  socket_.async_wait(tls_ ? tls_->write_wait() : Socket::wait_write,
                     std::forward<Handler>(handler));
}

template <class Handler>
void Stream::async_read_some(boost::asio::mutable_buffer buffer, Handler&& handler) {
  if (!tls_) return socket_.async_read_some(buffer, std::forward<Handler>(handler));
  read_tls(buffer, std::forward<Handler>(handler));
}

template <class Handler>
void Stream::async_write(boost::asio::const_buffer buffer, Handler&& handler) {
  if (!tls_) return boost::asio::async_write(socket_, buffer, std::forward<Handler>(handler));
  boost::asio::post(
      socket_.get_executor(),
      [this, tls = tls_, buffer, handler = Completion(std::forward<Handler>(handler))]() mutable {
        if (tls != tls_) return handler(boost::asio::error::operation_aborted, 0);
        write_tls(buffer, 0, std::move(handler));
      });
}

}  // namespace sluice::net
