#include "sql/login.h"

#include <errmsg.h>
#include <mysql.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

namespace sluice::sql {
namespace {

// The authorities of the system by name, where OpenSSL finds them by itself. With no name given,
// Connector/C 3.4 takes any certificate, also a self-signed one, of a server that knows the
// password: whoever answers in its place would get a digest of the password before that shows.
void trust_system(MYSQL* handle) {
  const auto place = [](const char* variable, const char* usual) {
    const char* chosen = std::getenv(variable);
    return chosen != nullptr ? chosen : usual;
  };
  const char* file = place(X509_get_default_cert_file_env(), X509_get_default_cert_file());
  mysql_options(handle, MYSQL_OPT_SSL_CAPATH,
                place(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()));
  if (std::ifstream(file)) mysql_options(handle, MYSQL_OPT_SSL_CA, file);
}

void ask_for_tls(MYSQL* handle, const ConnectOptions& options) {
  my_bool on = 1;
  mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &on);
  mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
  mysql_options(handle, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
  if (options.tls_ca_file.empty()) trust_system(handle);
  for (const auto& [option, file] : {std::pair(MYSQL_OPT_SSL_CA, &options.tls_ca_file),
                                     std::pair(MYSQL_OPT_SSL_CERT, &options.tls_cert_file),
                                     std::pair(MYSQL_OPT_SSL_KEY, &options.tls_key_file)}) {
    if (!file->empty()) mysql_options(handle, option, file->c_str());
  }
}

// In clear, whoever answers in the server's place chooses how the password is proved. The plugins
// dialog and mysql_clear_password would hand it over as it is, and caching_sha2_password and
// sha256_password under a key that the other side sends; Connector/C has no switch for that but
// the list of plugins. It begins with one of these, since a refused one is not asked about twice:
// MySQL names its default first, and only then the one that the account has.
void keep_the_password(MYSQL* handle, const ConnectOptions& options) {
  mysql_options(handle, MYSQL_DEFAULT_AUTH, "mysql_native_password");
  mysql_options(handle, MARIADB_OPT_RESTRICTED_AUTH,
                options.allow_public_key_retrieval
                    ? "mysql_native_password,client_ed25519,parsec,caching_sha2_password,"
                      "sha256_password"
                    : "mysql_native_password,client_ed25519,parsec");
}

}  // namespace

unsigned lock_wait_of(const ConnectOptions& options) {
  return std::clamp(options.timeout_s / 2, 1u, std::max(options.lock_wait_s, 1u));
}

void prepare_login(st_mysql* handle, const ConnectOptions& options, const ServerAddress& server) {
  const unsigned connect_s = options.connect_timeout_s;
  // A lock that is waited for is told by the server before the client gives up.
  const unsigned timeout_s = std::max(options.timeout_s, lock_wait_of(options) + 1);
  my_bool off = 0;
  mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
  mysql_options(handle, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
  mysql_options(handle, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
  mysql_options(handle, MYSQL_OPT_RECONNECT, &off);
  mysql_options(handle, MYSQL_OPT_LOCAL_INFILE, &off);
  mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  const unsigned protocol = server.is_local() ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_options(handle, MYSQL_OPT_PROTOCOL, &protocol);
  if (server.is_local()) return;
  if (options.tls) {
    ask_for_tls(handle, options);
  } else {
    keep_the_password(handle, options);
  }
}

void explain_login(Failure& failure, const ConnectOptions& options, const ServerAddress& server) {
  const bool is_clear = !options.tls && !server.is_local();
  if (is_clear && failure.code == CR_PLUGIN_NOT_ALLOWED) {
    // Connector/C 3.3 names another plugin than it means, or a part of its name.
    failure.message =
        "the account's way to log in, probably caching_sha2_password, would show the password to "
        "whoever answers in the server's place: set mysql.tls, or give its unix socket, or, if "
        "nobody else is on that network, mysql.allow_public_key_retrieval = true";
  } else if (is_clear && (failure.code == 1045 || failure.code == 3159)) {
    failure.message += " (an account that REQUIREs SSL says so, too: then set mysql.tls)";
  } else if (failure.code == CR_SSL_CONNECTION_ERROR) {
    failure.message += " (its certificate must be valid for " + server.host + ", and from " +
                       (options.tls_ca_file.empty() ? "an authority that the system trusts"
                                                    : options.tls_ca_file) +
                       "; those that MySQL makes for itself name no host: give it one that does)";
  }
}

}  // namespace sluice::sql
