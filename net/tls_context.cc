#include "net/tls_context.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

namespace sluice::net {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

// Empty if the file can be read. OpenSSL's own words for this are hard to understand.
std::string why_unreadable(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::generic_category().message(errno);
  ::close(fd);
  return "";
}

void set_policy(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   // RESP tells where it ends: an end without goodbye is an end.
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Partial and moving: what is to be written grows between two attempts, as with send().
  // Released buffers: an idle connection would hold 34 KiB.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);  // one system call a record instead of two
  // Clients resume by tickets, which cost nothing here.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::for_server(std::string_view section,
                                                           TlsFiles files) {
  return create(Role::kServer, section, std::move(files));
}

Result<std::shared_ptr<TlsContext>> TlsContext::for_client(std::string_view section,
                                                           TlsFiles files) {
  return create(Role::kClient, section, std::move(files));
}

Result<std::shared_ptr<TlsContext>> TlsContext::create(Role role, std::string_view section,
                                                       TlsFiles files) {
  std::shared_ptr<TlsContext> context(new TlsContext(role, section, std::move(files)));
  SLUICE_TRY(context->reload());
  return context;
}

Status TlsContext::reload() {
  auto fresh = load();
  if (!fresh) return fresh.error();
  const std::lock_guard lock(mutex_);
  context_ = std::move(*fresh);
  return {};
}

Result<std::shared_ptr<TlsContext::Context>> TlsContext::load() const {
  const bool server = role_ == Role::kServer;
  auto context = std::make_shared<Context>(server ? Context::tls_server : Context::tls_client);
  set_policy(context->native_handle());
  SLUICE_TRY(load_certificate(*context));
  if (!server || !files_.ca.empty()) SLUICE_TRY(load_authorities(*context));
  return context;
}

Status TlsContext::load_certificate(Context& context) const {
  const bool needed = role_ == Role::kServer || !files_.cert.empty() || !files_.key.empty();
  if (!needed) return {};
  if (files_.cert.empty()) return invalid("tls_cert_file", "the key needs its certificate too");
  if (files_.key.empty()) return invalid("tls_key_file", "the certificate needs its key too");
  error_code error;
  // Never asked for at a terminal; see below.
  context.set_password_callback([](size_t, Context::password_purpose) { return std::string(); },
                                error);
  if (const auto why = why_unreadable(files_.cert); !why.empty())
    return invalid("tls_cert_file", files_.cert + ": " + why);
  context.use_certificate_chain_file(files_.cert, error);
  if (error)
    return invalid("tls_cert_file",
                   files_.cert + " is not a certificate in PEM form: " + error.message());
  if (const auto why = why_unreadable(files_.key); !why.empty())
    return invalid("tls_key_file", files_.key + ": " + why);
  context.use_private_key_file(files_.key, Context::pem, error);
  if (error)
    return invalid("tls_key_file", files_.key + " is not the key of " + files_.cert +
                                       " in PEM form and without a passphrase: " + error.message());
  return {};
}

Status TlsContext::load_authorities(Context& context) const {
  const bool server = role_ == Role::kServer;
  error_code error;
  context.set_verify_mode(
      server ? ssl::verify_peer | ssl::verify_fail_if_no_peer_cert : ssl::verify_peer, error);
  if (files_.ca.empty()) {
    context.set_default_verify_paths(error);
    if (error)
      return invalid("tls_ca_file", "the system's authorities cannot be read: " + error.message());
    return {};
  }
  if (const auto why = why_unreadable(files_.ca); !why.empty())
    return invalid("tls_ca_file", files_.ca + ": " + why);
  context.load_verify_file(files_.ca, error);
  if (error)
    return invalid("tls_ca_file",
                   files_.ca + " holds no certificates in PEM form: " + error.message());
  if (!server) return {};
  // Tells clients which certificate to show, and lets them resume although one was asked for.
  SSL_CTX_set_client_CA_list(context.native_handle(), SSL_load_client_CA_file(files_.ca.c_str()));
  constexpr unsigned char kSessions[] = "sluice";
  SSL_CTX_set_session_id_context(context.native_handle(), kSessions, sizeof(kSessions) - 1);
  return {};
}

Error TlsContext::invalid(std::string_view key, const std::string& what) const {
  return Error(ErrorClass::kInvalid, section_ + "." + std::string(key) + ": " + what);
}

std::shared_ptr<TlsContext::Context> TlsContext::current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

std::unique_ptr<TlsSession> TlsContext::accept(int socket) const {
  return std::make_unique<TlsSession>(current()->native_handle(), socket);
}

std::unique_ptr<TlsSession> TlsContext::connect(int socket, const std::string& host) const {
  return std::make_unique<TlsSession>(current()->native_handle(), socket, host);
}

int64_t TlsContext::certificate_end_s() const {
  const auto context = current();
  const X509* certificate = SSL_CTX_get0_certificate(context->native_handle());
  std::tm end{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
    return 0;
  return ::timegm(&end);
}

}  // namespace sluice::net
