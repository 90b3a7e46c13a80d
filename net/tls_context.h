// What TLS needs to know before a connection: certificates, keys and authorities, read from files.
//
// A listener and a connection to a server each have one. Files are read when it is made and again
// by reload(); connections keep what they began with. TLS 1.2 and newer, ciphers as OpenSSL and the
// system's policy have them, no renegotiation, no compression, nothing kept of ended connections.
//
// Any thread may call any member.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/tls_session.h"

namespace sluice::net {

// Paths of PEM files; "" : none.
struct TlsFiles {
  std::string cert;  // the own certificate, then those between it and the authority
  std::string key;
  std::string ca;  // authorities that the other side's certificate must come from

  bool operator==(const TlsFiles&) const = default;
};

class TlsContext {
 public:
  // `section` is for messages, which name keys: "listen" makes "listen.tls_cert_file".
  // kInvalid: a file that cannot be read or is not what it should be; says which and why.
  //
  // Of a listener: `cert` and `key` are needed; with `ca`, clients must show a certificate too.
  static Result<std::shared_ptr<TlsContext>> for_server(std::string_view section, TlsFiles files);
  // Of connections to a server, whose certificate must come from `ca` (the system's authorities if
  // that is empty) and be valid for the name that it was asked for by.
  static Result<std::shared_ptr<TlsContext>> for_client(std::string_view section, TlsFiles files);

  // Reads the files again. If one is not good, all stays as it was.
  Status reload();

  // One connection's TLS, over a connected socket that outlives it. `host` is a DNS name or an IP
  // address, as the configuration has it.
  std::unique_ptr<TlsSession> accept(int socket) const;
  std::unique_ptr<TlsSession> connect(int socket, const std::string& host) const;

  // When the own certificate ends, in seconds since 1970; 0: there is none.
  int64_t certificate_end_s() const;

 private:
  using Context = boost::asio::ssl::context;
  enum class Role { kServer, kClient };

  TlsContext(Role role, std::string_view section, TlsFiles files)
      : role_(role), section_(section), files_(std::move(files)) {}
  static Result<std::shared_ptr<TlsContext>> create(Role role, std::string_view section,
                                                    TlsFiles files);
  Result<std::shared_ptr<Context>> load() const;
  Status load_certificate(Context& context) const;
  Status load_authorities(Context& context) const;
  Error invalid(std::string_view key, const std::string& what) const;
  std::shared_ptr<Context> current() const;

  const Role role_;
  const std::string section_;
  const TlsFiles files_;
  mutable std::mutex mutex_;
  std::shared_ptr<Context> context_;  // guarded by mutex_
};

}  // namespace sluice::net
