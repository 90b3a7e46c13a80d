#include "net/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <new>

#include "base/error.h"

namespace sluice::net {
namespace {

using boost::system::error_code;

// OpenSSL's own socket BIO writes with write(), which raises SIGPIPE where send() need not.

int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

int read_socket(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  ssize_t n = 0;
  do n = ::recv(socket_of(bio), data, static_cast<size_t>(size), 0);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(n);
}

int write_socket(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  ssize_t n = 0;
  do n = ::send(socket_of(bio), data, static_cast<size_t>(size), MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

long control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
  return 0;
}

const BIO_METHOD* socket_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* fresh =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "socket");
    if (fresh == nullptr) throw std::bad_alloc();
    BIO_meth_set_read(fresh, read_socket);
    BIO_meth_set_write(fresh, write_socket);
    BIO_meth_set_ctrl(fresh, control);
    return fresh;
  }();
  return method;
}

SSL* new_handle(SSL_CTX* context, int socket) {
  SSL* handle = SSL_new(context);
  BIO* bio = BIO_new(socket_method());
  if (handle == nullptr || bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket)));
  BIO_set_init(bio, 1);
  SSL_set_bio(handle, bio, bio);
  return handle;
}

}  // namespace

void TlsSession::Free::operator()(ssl_st* handle) const { SSL_free(handle); }

TlsSession::TlsSession(ssl_ctx_st* context, int socket) : handle_(new_handle(context, socket)) {
  SSL_set_accept_state(handle_.get());
}

TlsSession::TlsSession(ssl_ctx_st* context, int socket, const std::string& host)
    : handle_(new_handle(context, socket)) {
  SSL_set_connect_state(handle_.get());
  error_code not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  bool named = false;
  if (!not_an_address) {
    named = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(handle_.get()), host.c_str()) == 1;
  } else {
    SSL_set_hostflags(handle_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    named = SSL_set1_host(handle_.get(), host.c_str()) == 1 &&
            SSL_set_tlsext_host_name(handle_.get(), host.c_str()) == 1;
  }
  SLUICE_ASSERT(named, "the name to be verified was not taken");
}

TlsSession::~TlsSession() = default;

void TlsSession::handshake(error_code& error) {
  ERR_clear_error();
  const int result = SSL_do_handshake(handle_.get());
  error = result == 1 ? error_code() : outcome(result, read_wait_, read_broken_);
  if (error) return;
  read_wait_ = WaitType::wait_read;
  holds_bytes_ = SSL_has_pending(handle_.get()) == 1;
}

std::string TlsSession::failure(const error_code& error) const {
  if (error == boost::asio::error::eof) return "the other side closed the connection";
  const long verdict = SSL_get_verify_result(handle_.get());
  const bool ours =
      error.category() == boost::asio::error::get_ssl_category() &&
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_CERTIFICATE_VERIFY_FAILED;
  if (ours && verdict != X509_V_OK)
    return std::string("its certificate is not accepted: ") +
           X509_verify_cert_error_string(verdict);
  return error.message();
}

size_t TlsSession::read(char* data, size_t size, error_code& error) {
  error = {};
  size_t got = 0;
  while (got < size) {
    size_t n = 0;
    ERR_clear_error();
    const int result = read_broken_ ? 0 : SSL_read_ex(handle_.get(), data + got, size - got, &n);
    if (result != 1) {
      const error_code stopped = outcome(result, read_wait_, read_broken_);
      // An end or a failure is there for the next call too, although the socket may stay silent.
      holds_bytes_ = stopped != boost::asio::error::would_block;
      if (got == 0) error = stopped;
      return got;
    }
    got += n;
    // Nothing left here: that the socket is empty too need not cost a system call.
    if (SSL_has_pending(handle_.get()) == 0) break;
  }
  holds_bytes_ = SSL_has_pending(handle_.get()) == 1;
  read_wait_ = WaitType::wait_read;
  return got;
}

size_t TlsSession::write(const char* data, size_t size, error_code& error) {
  error = {};
  size_t n = 0;
  ERR_clear_error();
  const int result = write_broken_ ? 0 : SSL_write_ex(handle_.get(), data, size, &n);
  if (result == 1) return n;
  error = outcome(result, write_wait_, write_broken_);
  return 0;
}

// After a call that did not do what it was asked for.
error_code TlsSession::outcome(int result, WaitType& wait, bool& broken) {
  if (broken) return boost::asio::error::eof;
  const int saved_errno = errno;
  switch (SSL_get_error(handle_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      wait = WaitType::wait_read;
      return boost::asio::error::would_block;
    case SSL_ERROR_WANT_WRITE:
      wait = WaitType::wait_write;
      return boost::asio::error::would_block;
    case SSL_ERROR_ZERO_RETURN:
      return boost::asio::error::eof;
    case SSL_ERROR_SYSCALL:
      broken = true;
      if (saved_errno == 0) return boost::asio::error::eof;
      return {saved_errno, boost::asio::error::get_system_category()};
    default:
      read_broken_ = write_broken_ = true;
      return {static_cast<int>(ERR_get_error()), boost::asio::error::get_ssl_category()};
  }
}

void TlsSession::say_goodbye() {
  if (read_broken_ || write_broken_ || SSL_is_init_finished(handle_.get()) != 1) return;
  ERR_clear_error();
  SSL_shutdown(handle_.get());
  ERR_clear_error();
}

}  // namespace sluice::net
