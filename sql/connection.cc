#include "sql/connection.h"

#include <errmsg.h>
#include <mysql.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/units.h"
#include "sql/login.h"
#include "sql/session.h"
#include "sql/writable.h"

namespace sluice::sql {
namespace {

constexpr unsigned long kMariadbMin = 10'06'00;
constexpr unsigned long kMysqlMin = 8'00'00;
constexpr int kLostInBulkMax = 3;
// Of a prepared statement with a (?, …) for each row: fewer rows are not worth the preparing, and
// more parameters than this it cannot have.
constexpr size_t kRowsPreparedMin = 256;
constexpr size_t kParametersMax = 65535;

// Connector/C initialises itself in the first mysql_init, which is not safe from two threads.
bool library_ready() {
  static const bool ready = mysql_library_init(0, nullptr, nullptr) == 0;
  return ready;
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

bool offers_bulk(MYSQL* handle) {
  unsigned capabilities = 0;  // the upper half, which is MariaDB's alone
  mariadb_get_infov(handle, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &capabilities);
  return (capabilities & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0 &&
         bulk_is_sound(mysql_get_server_version(handle));
}

// The cells of a column from `row` on. Connector/C reads what it is bound to, whatever its types
// say.
MYSQL_BIND bind_of(const BulkRows::Column& column, size_t row) {
  using Type = BulkRows::Type;
  MYSQL_BIND bind{};
  const auto from = [row](const auto& values) {
    return const_cast<void*>(static_cast<const void*>(values.data() + row));
  };
  switch (column.type) {
    case Type::kUnsigned:
    case Type::kSigned:
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.is_unsigned = column.type == Type::kUnsigned;
      bind.buffer = from(column.numbers);
      break;
    case Type::kText:
      bind.buffer_type = MYSQL_TYPE_STRING;
      bind.buffer = from(column.values);
      bind.length = static_cast<unsigned long*>(from(column.lengths));
      bind.u.indicator = static_cast<char*>(from(column.indicators));
      break;
    case Type::kDateTime:
      bind.buffer_type = MYSQL_TYPE_DATETIME;
      bind.buffer = from(column.values);
      break;
  }
  return bind;
}

// One cell alone: what is bound by pointer in an array is bound itself.
MYSQL_BIND bind_cell(const BulkRows::Column& column, size_t row) {
  MYSQL_BIND bind = bind_of(column, row);
  if (!column.values.empty()) bind.buffer = const_cast<void*>(column.values[row]);
  if (column.type != BulkRows::Type::kText) return bind;
  bind.u.indicator = nullptr;
  bind.buffer_length = column.lengths[row];
  if (column.indicators[row] != STMT_INDICATOR_NONE) bind.buffer_type = MYSQL_TYPE_NULL;
  return bind;
}

// "INSERT … VALUES (?,?)" → "INSERT … VALUES (?,?),(?,?)"
std::string for_rows(const std::string& statement, size_t rows) {
  const std::string row = statement.substr(statement.rfind('('));
  std::string all = statement;
  all.reserve(statement.size() + rows * (row.size() + 1));
  for (size_t i = 1; i < rows; ++i) all.append(1, ',').append(row);
  return all;
}

Failure not_connected() {
  return {FailureKind::kConnectionLost, CR_SERVER_GONE_ERROR, "not connected"};
}

// How near to being of use a server came that refused.
int nearness(FailureKind kind) {
  if (kind == FailureKind::kConnectionLost) return 0;
  return kind == FailureKind::kReadOnly ? 1 : 2;
}

// Of several servers, none of which can be used.
Failure none_of(const std::vector<Failure>& failures) {
  const Failure* nearest = failures.data();
  std::string message;
  for (const Failure& failure : failures) {
    if (nearness(failure.kind) > nearness(nearest->kind)) nearest = &failure;
    message += (message.empty() ? "none of mysql.hosts can be used: " : "; ") + failure.text();
  }
  return {nearest->kind, nearest->code, message};
}

}  // namespace

std::optional<Failure> Connection::connect(const ConnectOptions& options) {
  const std::vector<ServerAddress> servers = options.servers();
  choice_ = options.choice;
  servers_ = servers.size();
  timeout_us_ = int64_t{options.timeout_s} * 1'000'000;
  // The one in use comes first, then all in the order of the list.
  const size_t in_use = choice_ == nullptr ? 0 : choice_->current();
  std::vector<size_t> order{in_use};
  for (size_t i = 0; i < servers.size(); ++i) {
    if (i != in_use) order.push_back(i);
  }
  std::vector<Failure> failures;
  for (const size_t i : order) {
    server_ = i;
    server_text_ = servers[i].text();
    auto failure = connect_to(servers[i], options);
    if (!failure) {
      if (choice_ != nullptr) choice_->choose(i);
      return std::nullopt;
    }
    failure->message = options.text(servers[i]) + ": " + failure->message;
    close();
    failures.push_back(std::move(*failure));
  }
  return failures.size() == 1 ? failures[0] : none_of(failures);
}

std::optional<Failure> Connection::connect_to(const ServerAddress& server,
                                              const ConnectOptions& options) {
  close();
  if (!library_ready() || (handle_ = mysql_init(nullptr)) == nullptr) {
    return Failure{FailureKind::kOther, 0, "Connector/C cannot be initialised: out of memory"};
  }
  began_us_ = base::monotonic_us();
  prepare_login(handle_, options, server);
  const Result<std::string> password = password_of(options);
  if (!password) return Failure{FailureKind::kAccessDenied, 0, password.error().message()};
  const bool is_local = server.is_local();
  if (mysql_real_connect(handle_, is_local ? nullptr : server.host.c_str(), options.user.c_str(),
                         password->c_str(),
                         options.database.empty() ? nullptr : options.database.c_str(), server.port,
                         is_local ? server.unix_socket.c_str() : nullptr, 0) == nullptr) {
    Failure failure = failed();
    explain_login(failure, options, server);
    return failure;
  }
  {
    const std::lock_guard lock(socket_mutex_);
    socket_ = static_cast<int>(mysql_get_socket(handle_));
  }
  return set_up(options);
}

std::optional<Failure> Connection::set_up(const ConnectOptions& options) {
  if (auto failure = check_version()) return failure;
  if (lost_in_bulk_ < kLostInBulkMax) {
    if (!is_mariadb())
      bulk_ = Bulk::kParameters;
    else
      bulk_ = offers_bulk(handle_) ? Bulk::kArrays : Bulk::kNone;
  } else {
    bulk_ = Bulk::kNone;
  }
  const SessionOptions session{is_mariadb(), mysql_get_server_version(handle_),
                               lock_wait_of(options)};
  if (auto failure = set_up_session(*this, session)) return failure;
  if (options.must_take_writes || options.hosts.size() > 1) {
    if (auto failure = check_takes_writes(*this)) return failure;
  }
  if (auto failure = wait_for_the_cluster(*this)) return failure;
  std::vector<Row> rows;
  if (auto failure = query("SELECT @@max_allowed_packet", rows)) return failure;
  if (rows.empty() || !rows[0][0]) return std::nullopt;
  if (const auto bytes = base::parse_integer(*rows[0][0])) {
    max_allowed_packet_ = static_cast<size_t>(*bytes);
  }
  return std::nullopt;
}

bool Connection::is_mariadb() const {
  const std::string_view version = mysql_get_server_info(handle_);
  return version.find("MariaDB") != std::string_view::npos;
}

std::optional<Failure> Connection::check_version() {
  const char* text = mysql_get_server_info(handle_);
  const unsigned long version = mysql_get_server_version(handle_);
  if (version >= (is_mariadb() ? kMariadbMin : kMysqlMin)) return std::nullopt;
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
  began_us_ = base::monotonic_us();
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

bool Connection::takes_bulk(size_t rows, size_t columns) const {
  if (bulk_ != Bulk::kParameters) return bulk_ == Bulk::kArrays;
  return rows >= kRowsPreparedMin && rows * columns <= kParametersMax;
}

// `rows`: how many (?, …) it is to have.
std::optional<Failure> Connection::prepare(const std::string& statement, size_t rows) {
  if (prepared_ != nullptr && prepared_rows_ == rows && prepared_text_ == statement)
    return std::nullopt;
  forget_prepared();
  if ((prepared_ = mysql_stmt_init(handle_)) == nullptr) return failed();
  prepared_text_ = statement;
  prepared_rows_ = rows;
  const std::string whole = for_rows(statement, rows);
  if (mysql_stmt_prepare(prepared_, whole.data(), whole.size()) == 0) return std::nullopt;
  Failure failure = failed_prepared();
  forget_prepared();
  return failure;
}

// False: the reason is in prepared_.
bool Connection::bind(const BulkRows& rows) {
  std::vector<MYSQL_BIND> binds;
  if (bulk_ == Bulk::kArrays) {
    const auto count = static_cast<unsigned>(rows.rows());
    if (mysql_stmt_attr_set(prepared_, STMT_ATTR_ARRAY_SIZE, &count) != 0) return false;
    for (const BulkRows::Column& column : rows.columns()) binds.push_back(bind_of(column, 0));
  } else {
    binds.reserve(rows.rows() * rows.columns().size());
    for (size_t row = 0; row < rows.rows(); ++row) {
      for (const BulkRows::Column& column : rows.columns()) binds.push_back(bind_cell(column, row));
    }
  }
  SLUICE_ASSERT(mysql_stmt_param_count(prepared_) == binds.size(), "a value for each ?");
  return mysql_stmt_bind_param(prepared_, binds.data()) == 0;
}

std::optional<Failure> Connection::exec_bulk(const std::string& statement, const BulkRows& rows) {
  if (handle_ == nullptr) return not_connected();
  began_us_ = base::monotonic_us();
  auto failure = prepare(statement, bulk_ == Bulk::kArrays ? 1 : rows.rows());
  if (!failure) {
    if (!bind(rows) || mysql_stmt_execute(prepared_) != 0) {
      failure = failed_prepared();
    } else if ((affected_rows_ = mysql_stmt_affected_rows(prepared_)) != rows.rows()) {
      failure = Failure{FailureKind::kOther, 0,
                        "the server put in " + std::to_string(affected_rows_) + " of " +
                            std::to_string(rows.rows()) + " rows"};
    }
  }
  if (failure && failure->kind == FailureKind::kOther) bulk_ = Bulk::kNone;
  if (!failure) lost_in_bulk_ = 0;
  else if (failure->kind == FailureKind::kConnectionLost) ++lost_in_bulk_;
  return failure;
}

Failure Connection::failed_prepared() {
  const unsigned code = mysql_stmt_errno(prepared_);
  return closed_if_useless(
      {kind_of(code, mysql_stmt_sqlstate(prepared_), mysql_stmt_error(prepared_)), code,
       mysql_stmt_error(prepared_)});
}

Failure Connection::failed() {
  const unsigned code = mysql_errno(handle_);
  return closed_if_useless(
      {kind_of(code, mysql_sqlstate(handle_), mysql_error(handle_)), code, mysql_error(handle_)});
}

// One that takes no writes may not be the primary any more, wherever that is by now.
Failure Connection::closed_if_useless(Failure failure) {
  const FailureKind kind = failure.kind;
  const bool is_late = base::monotonic_us() - began_us_ >= timeout_us_;
  if (kind == FailureKind::kConnectionLost && is_late && choice_ != nullptr)
    choice_->pass_over(server_, servers_);
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
