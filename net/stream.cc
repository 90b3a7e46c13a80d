#include "net/stream.h"

#include <unistd.h>

#include <utility>

namespace sluice::net {

void Stream::open(Socket socket, ErrorCode& error) {
  close();
  waits_ = 0;
  socket.native_non_blocking(true, error);
  // Asio is to forget the socket: it would look at it whenever bytes come.
  if (!error) fd_ = socket.release(error);
  if (error || poller_.add(fd_, *this)) return;
  error.assign(errno, boost::asio::error::get_system_category());
  close();
}

void Stream::close() {
  if (fd_ < 0) return;
  if (tls_) tls_->say_goodbye();
  tls_.reset();
  handshake_ = nullptr;
  waits_ = 0;
  poller_.remove(*this);
  ::close(std::exchange(fd_, -1));
}

void Stream::async_handshake(std::function<void(const Status&)> handler) {
  handshake_ = std::move(handler);
  poller_.call_soon(*this);
}

void Stream::shake_hands() {
  ErrorCode failure;
  tls_->handshake(failure);
  if (failure == boost::asio::error::would_block) return blocked(socket_wait(kRead));
  const auto handler = std::exchange(handshake_, nullptr);
  if (!failure) return handler({});
  handler(Error(ErrorClass::kRefused, "TLS handshake: " + tls_->failure(failure)));
}

void Stream::socket_ready() {
  if (handshake_) return shake_hands();
  uint8_t due = 0;
  for (const uint8_t what : {kRead, kWrite}) {
    if ((waits_ & what) != 0 && may(what)) due |= what;
  }
  waits_ &= static_cast<uint8_t>(~due);
  if (due != 0) events_.stream_ready((due & kRead) != 0, (due & kWrite) != 0);
}

}  // namespace sluice::net
