// Where MySQL is, and as whom to log in: what a connection is made with.
//
// Filled from the configuration by sql/config.h; constant after start-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice::sql {

class ServerChoice;

struct ServerAddress {
  std::string host = "127.0.0.1";
  uint16_t port = 3306;
  std::string unix_socket;  // not empty: instead of host and port

  bool is_local() const { return !unix_socket.empty(); }
  // "db1:3306", "[::1]:3306" or "/path".
  std::string text() const;
  bool operator==(const ServerAddress&) const = default;
};

// "host", "host:port", "[v6]:port" or "/path/of/socket". kInvalid says what to write instead.
Result<ServerAddress> parse_server_address(std::string_view text, uint16_t default_port);

struct ConnectOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 3306;
  std::string unix_socket;  // not empty: instead of host and port
  // Not empty: instead of the three above. All of one cluster, of which one at a time takes writes.
  std::vector<ServerAddress> hosts;
  // One that takes no writes is refused; of several in `hosts` that is so anyway.
  bool must_take_writes = false;
  // Not null: which of `hosts` the program is at. Outlives the connections.
  ServerChoice* choice = nullptr;

  std::string user;
  std::string password;
  std::string password_file;  // not empty: its first line is the password, read at each connect
  // A server that is talked to in clear may be asked for the key that the password is sent under.
  bool allow_public_key_retrieval = false;
  std::string database;       // may be empty: none chosen
  bool tls = false;           // then the server's certificate must be valid for its host
  std::string tls_ca_file;    // empty: the system's authorities
  std::string tls_cert_file;  // to show to the server, with its key; empty: none
  std::string tls_key_file;
  unsigned connect_timeout_s = 5;  // for each server
  unsigned timeout_s = 60;         // for one statement's answer
  unsigned lock_wait_s = 5;        // for a lock; at most half of timeout_s

  // In the order in which they are tried; never empty.
  std::vector<ServerAddress> servers() const;
  // "user@127.0.0.1:3306/database", for messages; never the password. Of several servers
  // "user@db1:3306,db2:3306/database".
  std::string text() const;
  std::string text(const ServerAddress& server) const;
};

// Of its file (base::read_secret), read anew each time. kInvalid: that cannot be read.
Result<std::string> password_of(const ConnectOptions& options);

// kInvalid: TLS settings that contradict each other, or a file that cannot be read; names the key.
Status check_tls(const ConnectOptions& options);

}  // namespace sluice::sql
