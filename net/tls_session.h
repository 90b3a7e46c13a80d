// TLS over one connected socket: what recv() and send() are to a plain one.
//
// It does not own the socket and waits for nothing by itself: over a non-blocking socket each call
// does what can be done now and ends with would_block; over a blocking one that means that the
// socket's time limit is over. One thread at a time.
#pragma once

#include <boost/asio/socket_base.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>
#include <string>

extern "C" {
struct ssl_st;
struct ssl_ctx_st;
}

namespace sluice::net {

class TlsSession {
 public:
  using WaitType = boost::asio::socket_base::wait_type;

  // The side that is connected to. Both: the context may go away meanwhile.
  TlsSession(ssl_ctx_st* context, int socket);
  // The side that connects; the other one must prove that it is `host`.
  TlsSession(ssl_ctx_st* context, int socket, const std::string& host);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Until it ends without an error nothing can be read or written. failure() says why it ended
  // with one other than would_block.
  void handshake(boost::system::error_code& error);
  std::string failure(const boost::system::error_code& error) const;

  // Fills the buffer as far as it can. Errors: would_block, eof (the other side has ended), or the
  // reason for which the connection is of no use any more. Never an error with bytes.
  size_t read(char* data, size_t size, boost::system::error_code& error);
  // Writes what the socket takes; after would_block it is to be called with the same bytes again,
  // more may follow them.
  size_t write(const char* data, size_t size, boost::system::error_code& error);

  // read() is worth calling although the socket is not readable.
  bool holds_bytes() const { return holds_bytes_; }
  // What the socket must be ready for before the call that would have blocked is repeated.
  WaitType read_wait() const { return read_wait_; }
  WaitType write_wait() const { return write_wait_; }

  ssl_st* native_handle() { return handle_.get(); }

  // Tells the other side that no more comes, if that can be done at once.
  void say_goodbye();

 private:
  boost::system::error_code outcome(int result, WaitType& wait, bool& broken);

  struct Free {
    void operator()(ssl_st* handle) const;
  };
  const std::unique_ptr<ssl_st, Free> handle_;
  WaitType read_wait_ = WaitType::wait_read;
  WaitType write_wait_ = WaitType::wait_write;
  bool holds_bytes_ = false;
  // No more calls: OpenSSL wants none after a failure. One in writing leaves what is on its way to
  // be read, an alert that says why, for example.
  bool read_broken_ = false;
  bool write_broken_ = false;
};

}  // namespace sluice::net
