#include "net/stream.h"

namespace sluice::net {
namespace {

namespace error = boost::asio::error;

}  // namespace

void Stream::close() {
  if (tls_) tls_->say_goodbye();
  tls_.reset();
  ErrorCode ignored;
  socket_.close(ignored);
}

void Stream::start_tls(std::unique_ptr<TlsSession> tls) {
  ErrorCode ignored;
  socket_.native_non_blocking(true, ignored);
  tls_ = std::move(tls);
}

void Stream::async_handshake(std::function<void(const Status&)> handler) {
  boost::asio::post(socket_.get_executor(),
                    [this, tls = tls_, handler = std::move(handler)]() mutable {
                      if (tls != tls_) return;
                      shake_hands(std::move(handler));
                    });
}

void Stream::shake_hands(std::function<void(const Status&)> handler) {
  ErrorCode failure;
  tls_->handshake(failure);
  if (!failure) return handler({});
  if (failure != error::would_block)
    return handler(Error(ErrorClass::kRefused, "TLS handshake: " + tls_->failure(failure)));
  socket_.async_wait(tls_->read_wait(), [this, tls = tls_, handler = std::move(handler)](
                                            const ErrorCode& aborted) mutable {
    if (aborted || tls != tls_) return;
    shake_hands(std::move(handler));
  });
}

void Stream::read_tls(boost::asio::mutable_buffer buffer, Completion handler) {
  async_wait_read(
      [this, tls = tls_, buffer, handler = std::move(handler)](const ErrorCode& aborted) mutable {
        if (aborted || tls != tls_) return handler(error::operation_aborted, 0);
        ErrorCode failure;
        const size_t got = tls->read(static_cast<char*>(buffer.data()), buffer.size(), failure);
        if (failure == error::would_block) return read_tls(buffer, std::move(handler));
        handler(failure, got);
      });
}

void Stream::write_tls(boost::asio::const_buffer buffer, size_t written, Completion handler) {
  ErrorCode failure;
  while (written < buffer.size() && !failure) {
    written += tls_->write(static_cast<const char*>(buffer.data()) + written,
                           buffer.size() - written, failure);
  }
  if (failure != error::would_block) return handler(failure, written);
  async_wait_write([this, tls = tls_, buffer, written,
                    handler = std::move(handler)](const ErrorCode& aborted) mutable {
    if (aborted || tls != tls_) return handler(error::operation_aborted, written);
    write_tls(buffer, written, std::move(handler));
  });
}

}  // namespace sluice::net
