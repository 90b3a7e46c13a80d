// One connection to MySQL or MariaDB: blocking, never reconnects by itself. Statements go as text;
// many rows may also go as values (exec_bulk).
//
// Every session is set up alike, and that is verified (session.h): utf8mb4, UTC, strict SQL mode,
// REPEATABLE READ, autocommit off (a transaction begins with its first statement and ends with
// exec("COMMIT") or rollback()).
// Silent reconnects are off because a lost connection means a lost transaction, which only the
// owner can judge.
//
// Threads: one at a time; abort() alone may come from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sql/bulk_rows.h"
#include "sql/connect_options.h"
#include "sql/failure.h"
#include "sql/server_choice.h"

extern "C" struct st_mysql;
extern "C" struct st_mysql_stmt;

namespace sluice::sql {

using Row = std::vector<std::optional<std::string>>;  // nullopt: NULL

class Connection {
 public:
  Connection() = default;
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // nullopt: connected and set up, to the first of the servers that takes it; of several, only to
  // one that takes writes. The message of a failure names each server and what it said; its kind is
  // that of the server which came nearest.
  std::optional<Failure> connect(const ConnectOptions& options);
  void close();
  bool connected() const { return handle_ != nullptr; }
  // While connected: to another server than the program's other connections are at by now. To be
  // asked, and to be followed by close(), between transactions.
  bool is_elsewhere() const { return choice_ != nullptr && choice_->current() != server_; }
  // While connected.
  bool is_mariadb() const;
  // Where it is, or was last: "127.0.0.1:3306".
  const std::string& server() const { return server_text_; }

  // Runs one statement. A server that does not answer in time is passed over by the next connect:
  // one that lets in and then keeps every COMMIT waiting (for a replica, for a quorum) may not be
  // the primary any more. After kConnectionLost, kTooLarge and kReadOnly the connection is closed.
  std::optional<Failure> exec(std::string_view statement);
  // The same, with the whole result in `rows`: for small results.
  // `names`, if given, gets the names of the columns.
  std::optional<Failure> query(std::string_view statement, std::vector<Row>& rows,
                               std::vector<std::string>* names = nullptr);
  // Whether exec_bulk() is faster than text for so many rows of so many columns. Not on a MariaDB
  // whose bulk execution is not sound, nor if nothing but text has proved right for this server,
  // nor if the last three connections ended in it (somebody between here and the server may not
  // know the command, or the server not survive it).
  bool takes_bulk(size_t rows, size_t columns) const;
  // Runs "INSERT … VALUES (?, …)" for all rows at once: all go in or, when it fails, none. After a
  // kOther bulk execution is given up on this connection: takes_bulk() is false from now on. Its
  // code is kBulkNotReplicated: nothing has happened, the rows may go on as text. Its code is 0:
  // the server put in another number of rows; roll back.
  std::optional<Failure> exec_bulk(const std::string& statement, const BulkRows& rows);
  // Forgets the open transaction: ROLLBACK, or if even that fails, closing. Never fails.
  void rollback();

  // Rows that the last statement changed (an UPDATE to the same values changes none).
  uint64_t affected_rows() const { return affected_rows_; }
  // The largest statement that the server takes, in bytes.
  size_t max_allowed_packet() const { return max_allowed_packet_; }

  // Cuts the connection under a statement that is being waited for. Any thread.
  void abort();

 private:
  std::optional<Failure> connect_to(const ServerAddress& server, const ConnectOptions& options);
  std::optional<Failure> set_up(const ConnectOptions& options);
  std::optional<Failure> check_version();
  std::optional<Failure> prepare(const std::string& statement, size_t rows);
  bool bind(const BulkRows& rows);
  void forget_prepared();
  Failure failed();
  Failure failed_prepared();
  Failure closed_if_useless(Failure failure);

  st_mysql* handle_ = nullptr;
  ServerChoice* choice_ = nullptr;
  size_t server_ = 0;  // its place in the options' list
  size_t servers_ = 1;  // how many the list has
  int64_t timeout_us_ = 0;
  int64_t began_us_ = 0;  // the statement that was sent last
  std::string server_text_;
  st_mysql_stmt* prepared_ = nullptr;  // the one statement that exec_bulk() ran last
  std::string prepared_text_;
  size_t prepared_rows_ = 0;  // that it has a (?, …) for
  // How rows go as values: in one execution each with its own, or in a statement with as many (?,
  // …).
  enum class Bulk : uint8_t { kNone, kArrays, kParameters };
  Bulk bulk_ = Bulk::kNone;
  int lost_in_bulk_ = 0;  // connections, one after the other
  uint64_t affected_rows_ = 0;
  size_t max_allowed_packet_ = 1 << 20;
  std::mutex socket_mutex_;
  int socket_ = -1;  // guarded by socket_mutex_; for abort()
};

// Appends UTF-8 as a string literal: 'text' if it is plain ASCII that ends no literal whatever the
// character set, else _utf8mb4 x'…'.
void append_quoted(std::string& out, std::string_view text);
// Appends the bytes as x'…'.
void append_hex(std::string& out, std::string_view bytes);

// True for what a name may be: 1–64 characters of the basic plane, in UTF-8, none of them a control
// character, a backtick, '.', '/' or '\\', and no blank at the end.
bool is_identifier(std::string_view name);
// "`name`"
std::string in_backticks(std::string_view name);

}  // namespace sluice::sql
