#include "sql/connection.h"

#include <errmsg.h>
#include <mysql.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "base/units.h"
#include "sql/session.h"

namespace sluice::sql {
namespace {

constexpr unsigned long kMariadbMin = 10'06'00;
constexpr unsigned long kMysqlMin = 8'00'00;
constexpr int kLostInBulkMax = 3;

// Connector/C initialises itself in the first mysql_init, which is not safe from two threads.
bool library_ready() {
  static const bool ready = mysql_library_init(0, nullptr, nullptr) == 0;
  return ready;
}

bool is_mariadb(const char* version) {
  return std::string_view(version).find("MariaDB") != std::string_view::npos;
}

// Before these releases an INSERT in a user's trigger took away values of the rows that fired it
// (MDEV-24411).
bool bulk_is_sound(unsigned long version) {
  struct Release {
    unsigned long series, patch;
  };
  constexpr Release kFixed[] = {{10'06, 19}, {10'11, 9}, {11'01, 6}, {11'02, 5}, {11'04, 3}};
  const Release server{version / 100, version % 100};
  if (server.series > std::end(kFixed)[-1].series) return true;
  return std::any_of(std::begin(kFixed), std::end(kFixed), [&](const Release& fixed) {
    return server.series == fixed.series && server.patch >= fixed.patch;
  });
}

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

bool offers_bulk(MYSQL* handle) {
  unsigned capabilities = 0;  // the upper half, which is MariaDB's alone
  mariadb_get_infov(handle, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &capabilities);
  return (capabilities & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0 &&
         bulk_is_sound(mysql_get_server_version(handle));
}

MYSQL_BIND bind_of(const BulkRows::Column& column) {
  using Type = BulkRows::Type;
  MYSQL_BIND bind{};
  // Connector/C reads what it is bound to, whatever its types say.
  const auto buffer = [](const auto& values) {
    return const_cast<void*>(static_cast<const void*>(values.data()));
  };
  switch (column.type) {
    case Type::kUnsigned:
    case Type::kSigned:
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.is_unsigned = column.type == Type::kUnsigned;
      bind.buffer = buffer(column.numbers);
      break;
    case Type::kText:
      bind.buffer_type = MYSQL_TYPE_STRING;
      bind.buffer = buffer(column.values);
      bind.length = const_cast<unsigned long*>(column.lengths.data());
      bind.u.indicator = const_cast<char*>(column.indicators.data());
      break;
    case Type::kDateTime:
      bind.buffer_type = MYSQL_TYPE_DATETIME;
      bind.buffer = buffer(column.values);
      break;
  }
  return bind;
}

unsigned lock_wait_of(const ConnectOptions& options) {
  return std::clamp(options.timeout_s / 2, 1u, std::max(options.lock_wait_s, 1u));
}

Failure not_connected() {
  return {FailureKind::kConnectionLost, CR_SERVER_GONE_ERROR, "not connected"};
}

}  // namespace

std::string ConnectOptions::text() const {
  const std::string where = unix_socket.empty() ? host + ":" + std::to_string(port) : unix_socket;
  return user + "@" + where + (database.empty() ? "" : "/" + database);
}

Result<std::string> password_of(const ConnectOptions& options) {
  const std::string& path = options.password_file;
  if (path.empty()) return options.password;
  std::ifstream file(path);
  if (!file) {
    return Error(ErrorClass::kInvalid, "mysql.password_file: " + path +
                                           " cannot be read; create it, readable by this user "
                                           "only");
  }
  std::string password;
  std::getline(file, password);
  if (password.ends_with('\r')) password.pop_back();
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (password.starts_with(kByteOrderMark)) password.erase(0, kByteOrderMark.size());
  return password;
}

Status check_tls(const ConnectOptions& options) {
  const auto invalid = [](const std::string& message) {
    return Error(ErrorClass::kInvalid, message);
  };
  const std::pair<const char*, const std::string&> files[] = {
      {"mysql.tls_ca_file", options.tls_ca_file},
      {"mysql.tls_cert_file", options.tls_cert_file},
      {"mysql.tls_key_file", options.tls_key_file}};
  for (const auto& [key, path] : files) {
    if (path.empty()) continue;
    if (!options.tls) return invalid(std::string(key) + ": it is given, but mysql.tls is \"off\"");
    if (!std::ifstream(path)) return invalid(std::string(key) + ": " + path + " cannot be read");
  }
  if (options.tls_cert_file.empty() != options.tls_key_file.empty())
    return invalid("mysql.tls_cert_file and mysql.tls_key_file: give both or none");
  if (options.tls && !options.unix_socket.empty())
    return invalid("mysql.tls: a unix socket needs none; write \"off\", or give mysql.host");
  return {};
}

std::optional<Failure> Connection::connect(const ConnectOptions& options) {
  close();
  if (!library_ready() || (handle_ = mysql_init(nullptr)) == nullptr) {
    return Failure{FailureKind::kOther, 0, "Connector/C cannot be initialised: out of memory"};
  }
  const unsigned connect_s = options.connect_timeout_s;
  // A lock that is waited for is told by the server before the client gives up.
  const unsigned timeout_s = std::max(options.timeout_s, lock_wait_of(options) + 1);
  my_bool off = 0;
  mysql_options(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
  mysql_options(handle_, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
  mysql_options(handle_, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
  mysql_options(handle_, MYSQL_OPT_RECONNECT, &off);
  mysql_options(handle_, MYSQL_OPT_LOCAL_INFILE, &off);
  mysql_options(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (options.tls) ask_for_tls(handle_, options);
  const bool local = !options.unix_socket.empty();
  const unsigned protocol = local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_options(handle_, MYSQL_OPT_PROTOCOL, &protocol);
  const auto fail = [&](Failure failure) {
    failure.message = options.text() + ": " + failure.message;
    close();
    return failure;
  };
  const Result<std::string> password = password_of(options);
  if (!password) return fail({FailureKind::kAccessDenied, 0, password.error().message()});
  if (mysql_real_connect(
          handle_, local ? nullptr : options.host.c_str(), options.user.c_str(), password->c_str(),
          options.database.empty() ? nullptr : options.database.c_str(), options.port,
          local ? options.unix_socket.c_str() : nullptr, 0) == nullptr) {
    Failure failure = failed();
    const bool may_want_tls = failure.code == 1045 || failure.code == 3159;
    if (may_want_tls && !options.tls && !local)
      failure.message += " (an account that REQUIREs SSL says so, too: then set mysql.tls)";
    if (failure.code == CR_SSL_CONNECTION_ERROR) {
      failure.message += " (its certificate must be valid for " + options.host + ", and from " +
                         (options.tls_ca_file.empty() ? "an authority that the system trusts"
                                                      : options.tls_ca_file) +
                         "; those that MySQL makes for itself name no host: give it one that does)";
    }
    return fail(std::move(failure));
  }
  {
    const std::lock_guard lock(socket_mutex_);
    socket_ = static_cast<int>(mysql_get_socket(handle_));
  }
  if (auto failure = set_up(options)) return fail(std::move(*failure));
  return std::nullopt;
}

std::optional<Failure> Connection::set_up(const ConnectOptions& options) {
  if (auto failure = check_version()) return failure;
  takes_bulk_ = lost_in_bulk_ < kLostInBulkMax && offers_bulk(handle_);
  if (auto failure =
          set_up_session(*this, {is_mariadb(mysql_get_server_info(handle_)),
                                 mysql_get_server_version(handle_), lock_wait_of(options)})) {
    return failure;
  }
  std::vector<Row> rows;
  if (auto failure = query("SELECT @@max_allowed_packet", rows)) return failure;
  if (rows.empty() || !rows[0][0]) return std::nullopt;
  if (const auto bytes = base::parse_integer(*rows[0][0])) {
    max_allowed_packet_ = static_cast<size_t>(*bytes);
  }
  return std::nullopt;
}

std::optional<Failure> Connection::check_version() {
  const char* text = mysql_get_server_info(handle_);
  const unsigned long version = mysql_get_server_version(handle_);
  if (version >= (is_mariadb(text) ? kMariadbMin : kMysqlMin)) return std::nullopt;
  return Failure{FailureKind::kServerTooOld, 0,
                 "server version " + std::string(text) +
                     " is too old; MariaDB 10.6 or MySQL 8.0, or newer, is needed"};
}

void Connection::close() {
  {
    const std::lock_guard lock(socket_mutex_);
    socket_ = -1;
  }
  forget_prepared();
  if (handle_ != nullptr) mysql_close(handle_);
  handle_ = nullptr;
}

void Connection::forget_prepared() {
  if (prepared_ != nullptr) mysql_stmt_close(prepared_);
  prepared_ = nullptr;
}

std::optional<Failure> Connection::exec(std::string_view statement) {
  std::vector<Row> ignored;
  return query(statement, ignored);
}

std::optional<Failure> Connection::query(std::string_view statement, std::vector<Row>& rows,
                                         std::vector<std::string>* names) {
  rows.clear();
  if (handle_ == nullptr) return not_connected();
  if (mysql_real_query(handle_, statement.data(), statement.size()) != 0) return failed();
  affected_rows_ = mysql_affected_rows(handle_);
  MYSQL_RES* result = mysql_store_result(handle_);
  if (result == nullptr) {
    if (mysql_field_count(handle_) == 0) return std::nullopt;
    return failed();
  }
  const unsigned columns = mysql_num_fields(result);
  if (names != nullptr) {
    names->clear();
    for (unsigned i = 0; i < columns; ++i) names->push_back(mysql_fetch_fields(result)[i].name);
  }
  while (MYSQL_ROW values = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    Row& row = rows.emplace_back(columns);
    for (unsigned i = 0; i < columns; ++i) {
      if (values[i] != nullptr) row[i] = std::string(values[i], lengths[i]);
    }
  }
  mysql_free_result(result);
  return std::nullopt;
}

std::optional<Failure> Connection::prepare(const std::string& statement) {
  if (prepared_ != nullptr && prepared_text_ == statement) return std::nullopt;
  forget_prepared();
  if ((prepared_ = mysql_stmt_init(handle_)) == nullptr) return failed();
  prepared_text_ = statement;
  if (mysql_stmt_prepare(prepared_, statement.data(), statement.size()) == 0) return std::nullopt;
  Failure failure = failed_prepared();
  forget_prepared();
  return failure;
}

std::optional<Failure> Connection::exec_bulk(const std::string& statement, const BulkRows& rows) {
  if (handle_ == nullptr) return not_connected();
  auto failure = prepare(statement);
  if (!failure) {
    std::vector<MYSQL_BIND> binds;
    for (const BulkRows::Column& column : rows.columns()) binds.push_back(bind_of(column));
    const auto count = static_cast<unsigned>(rows.rows());
    SLUICE_ASSERT(mysql_stmt_param_count(prepared_) == binds.size(), "a value for each ?");
    if (mysql_stmt_attr_set(prepared_, STMT_ATTR_ARRAY_SIZE, &count) != 0 ||
        mysql_stmt_bind_param(prepared_, binds.data()) != 0 || mysql_stmt_execute(prepared_) != 0) {
      failure = failed_prepared();
    } else if ((affected_rows_ = mysql_stmt_affected_rows(prepared_)) != count) {
      failure = Failure{FailureKind::kOther, 0,
                        "the server put in " + std::to_string(affected_rows_) + " of " +
                            std::to_string(count) + " rows"};
    }
  }
  if (failure && failure->kind == FailureKind::kOther) takes_bulk_ = false;
  if (!failure) lost_in_bulk_ = 0;
  else if (failure->kind == FailureKind::kConnectionLost) ++lost_in_bulk_;
  return failure;
}

Failure Connection::failed_prepared() {
  const unsigned code = mysql_stmt_errno(prepared_);
  return closed_if_useless(
      {kind_of(code, mysql_stmt_sqlstate(prepared_)), code, mysql_stmt_error(prepared_)});
}

Failure Connection::failed() {
  const unsigned code = mysql_errno(handle_);
  return closed_if_useless({kind_of(code, mysql_sqlstate(handle_)), code, mysql_error(handle_)});
}

// One that takes no writes may not be the primary any more, wherever that is by now.
Failure Connection::closed_if_useless(Failure failure) {
  const FailureKind kind = failure.kind;
  if (kind == FailureKind::kConnectionLost || kind == FailureKind::kTooLarge ||
      kind == FailureKind::kReadOnly) {
    close();
  }
  return failure;
}

void Connection::rollback() {
  if (handle_ != nullptr && exec("ROLLBACK")) close();
}

void Connection::abort() {
  const std::lock_guard lock(socket_mutex_);
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

void append_quoted(std::string& out, std::string_view text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c <= '~' && c != '\'' && c != '\\';
  });
  if (is_plain) {
    out += '\'';
    out += text;
    out += '\'';
  } else {
    out += "_utf8mb4 ";
    append_hex(out, text);
  }
}

void append_hex(std::string& out, std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += "x'";
  for (const char byte : bytes) {
    out += kDigits[static_cast<unsigned char>(byte) >> 4];
    out += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  out += '\'';
}

bool is_identifier(std::string_view name) {
  const auto is_continuation = [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
  };
  const auto is_allowed = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_special = c == '`' || c == '.' || c == '/' || c == '\\';
    return byte >= ' ' && byte != 0x7f && byte < 0xf0 && !is_special;
  };
  const auto characters =
      std::count_if(name.begin(), name.end(), [&](char c) { return !is_continuation(c); });
  return characters >= 1 && characters <= 64 && !is_continuation(name[0]) && name.back() != ' ' &&
         std::all_of(name.begin(), name.end(), is_allowed);
}

std::string in_backticks(std::string_view name) { return "`" + std::string(name) + "`"; }

}  // namespace sluice::sql
