// One connection's bytes, in clear or over TLS, with what sessions and links need of a socket.
//
// Plain until start_tls(); a plain stream costs nothing over its socket: the same system calls, no
// allocation. Over TLS the calls mean the same, only that readiness of the socket is not readiness
// of bytes: wait_read() and wait_write() know the difference.
//
// One thread, that of the poller. Its owner is called from the event loop, never from inside a
// call, and no more after close(), for whatever was waited for before. Closed streams can be used
// again.
#pragma once

#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cerrno>
#include <functional>
#include <memory>

#include "base/error.h"
#include "net/poller.h"
#include "net/tls_session.h"

namespace sluice::net {

class StreamEvents {
 public:
  // What was waited for: reading, writing, or both may be worth another call. The stream's end and
  // errors are told by that call. May close the stream, or destroy it with its owner.
  virtual void stream_ready(bool read, bool write) = 0;

 protected:
  ~StreamEvents() = default;
};

class Stream final : Pollable {
 public:
  // With which Asio connects and accepts.
  using Socket = boost::asio::generic::stream_protocol::socket;
  using ErrorCode = boost::system::error_code;

  Stream(Poller& poller, StreamEvents& events) : poller_(poller), events_(events) {}
  ~Stream() { close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Takes over a connected socket. Makes it non-blocking.
  void open(Socket socket, ErrorCode& error);
  void close();
  bool is_open() const { return fd_ >= 0; }
  int native_handle() const { return fd_; }
  bool encrypted() const { return tls_ != nullptr; }

  void start_tls(std::unique_ptr<TlsSession> tls) { tls_ = std::move(tls); }
  // kRefused: it failed, and why. Only after start_tls(), before anything is read or written.
  void async_handshake(std::function<void(const Status&)> handler);

  // What can be done at once. Errors: would_block; eof when reading; else the connection is gone.
  // An error comes without bytes.
  size_t read(char* data, size_t size, ErrorCode& error);
  size_t write(const char* data, size_t size, ErrorCode& error);

  // Calls stream_ready() once when read() or write() is worth a call: after one that said
  // would_block, or that took or brought all there was, only when that has changed. Asking twice is
  // asking once; asking costs no system call.
  void wait_read() { wait(kRead); }
  void wait_write() { wait(kWrite); }

 private:
  void wait(uint8_t what);
  bool may(uint8_t what) const;
  uint8_t socket_wait(uint8_t what) const;
  void socket_ready() override;
  void shake_hands();
  void blocked(uint8_t on) { ready_ &= static_cast<uint8_t>(~on); }

  Poller& poller_;
  StreamEvents& events_;
  int fd_ = -1;
  uint8_t waits_ = 0;                             // kRead, kWrite: what the owner asked for
  std::unique_ptr<TlsSession> tls_;               // null: plain
  std::function<void(const Status&)> handshake_;  // while it is under way
};

inline size_t Stream::read(char* data, size_t size, ErrorCode& error) {
  if (tls_) {
    const size_t got = tls_->read(data, size, error);
    if (error == boost::asio::error::would_block) blocked(socket_wait(kRead));
    return got;
  }
  ssize_t n = 0;
  do n = ::recv(fd_, data, size, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  // A short read has emptied the socket (epoll(7), question 9), so the next edge will tell.
  if (n > 0 ? static_cast<size_t>(n) < size && !short_reads_lie_ : n < 0) blocked(kRead);
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
  if (tls_) {
    const size_t taken = tls_->write(data, size, error);
    if (error == boost::asio::error::would_block) blocked(socket_wait(kWrite));
    return taken;
  }
  ssize_t n = 0;
  do n = ::send(fd_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n >= 0) {
    error.clear();
    return static_cast<size_t>(n);
  }
  blocked(kWrite);
  error.assign(errno, boost::asio::error::get_system_category());
  return 0;
}

inline bool Stream::may(uint8_t what) const {
  return (ready_ & socket_wait(what)) != 0 || (what == kRead && tls_ && tls_->holds_bytes());
}

// Over TLS reading may wait for room to write in, and the other way round.
inline uint8_t Stream::socket_wait(uint8_t what) const {
  if (!tls_) return what;
  const auto wait = what == kRead ? tls_->read_wait() : tls_->write_wait();
  return wait == TlsSession::WaitType::wait_read ? kRead : kWrite;
}

inline void Stream::wait(uint8_t what) {
  waits_ |= what;
  if (may(what)) poller_.call_soon(*this);
}

}  // namespace sluice::net
