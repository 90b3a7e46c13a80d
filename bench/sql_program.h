// How a private SQL server is made and started: the one place that knows of MariaDB's and MySQL's
// ways. The bench and the unit tests run one of their own with it.
//
// It is the machine's mariadbd, unless SLUICE_TEST_SQL_SERVER names mysqld, which must be 8.4 or
// newer (scripts/matrix sets it).
#pragma once

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace sluice::bench {

class SqlProgram {
 public:
  using Words = std::vector<std::string>;

  SqlProgram() {
    const char* name = std::getenv("SLUICE_TEST_SQL_SERVER");
    if (name != nullptr) name_ = name;
  }
  explicit SqlProgram(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  bool is_mariadb() const { return name_ == "mariadbd"; }

  // Makes an empty data folder with an account root without password. `scratch` is a private folder
  // for its temporary tables: a mariadbd that starts removes those of all others that share its
  // tmpdir.
  Words install(const std::string& data, const std::string& scratch) const {
    Words words{"mysqld", "--no-defaults", "--initialize-insecure"};
    if (is_mariadb()) {
      words = {"mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal",
               "--skip-test-db", "--skip-name-resolve"};
    }
    words.insert(words.end(), {"--user=" + user(), "--datadir=" + data, "--tmpdir=" + scratch});
    return words;
  }

  // Starts a server of that data folder, with its log of changes as large as that, its socket
  // (my.sock), pid file and temporary tables in `folder`, and with its default durability.
  Words serve(const std::string& data, const std::string& folder, int log_mib,
              const Words& further) const {
    Words words{name_,
                "--no-defaults",
                "--user=" + user(),
                "--datadir=" + data,
                "--socket=" + folder + "/my.sock",
                "--pid-file=" + folder + "/my.pid",
                "--tmpdir=" + folder,
                (is_mariadb() ? "--innodb-log-file-size=" : "--innodb-redo-log-capacity=") +
                    std::to_string(log_mib) + "M"};
    // MySQL listens for its second protocol too, on a fixed port, unless it is told not to.
    if (!is_mariadb()) words.push_back("--mysqlx=OFF");
    words.insert(words.end(), further.begin(), further.end());
    return words;
  }

 private:
  // Both refuse to run as root unless told so by name.
  static std::string user() {
    const passwd* entry = ::getpwuid(::geteuid());
    return entry == nullptr ? "root" : entry->pw_name;
  }

  std::string name_ = "mariadbd";
};

}  // namespace sluice::bench
