// doctor's checks of a database. What the flusher would refuse or wait for is an error.
#include <algorithm>
#include <array>

#include "base/units.h"
#include "ctl/doctor.h"
#include "ctl/figures.h"
#include "http/access.h"

namespace sluice::ctl::doctor {
namespace {

using sql::FailureKind;

constexpr int64_t kMysqlClockMaxMs = 500;
constexpr int64_t kPacketMin = 512 * 1024;  // the flusher waits with less

// Those that could be asked.
template <class Each>
void each_database(const Gathered& gathered, const Each& each) {
  for (const MysqlFacts& mysql : gathered.databases) {
    if (!mysql.trouble) each(mysql);
  }
}

std::string remedy_of(const sql::Failure& failure) {
  if (failure.code == 1049) return "create it: sluice-ctl schema apply --config flusher.toml";
  switch (failure.kind) {
    case FailureKind::kAccessDenied:
      return "correct mysql.user and mysql.password_file, or grant it the database";
    case FailureKind::kServerTooOld:
      return "use MariaDB 10.6, MySQL 8.0 or newer";
    case FailureKind::kReadOnly:
      return "name the primary in mysql.host or mysql.hosts, or set read_only = OFF there";
    case FailureKind::kOther:
      return "see what stands between: a proxy, init_connect, or a setting of the server";
    default:
      return "start it, or correct mysql.host and mysql.port";
  }
}

void mysql_reachable(const Gathered& gathered, Findings& findings) {
  for (const MysqlFacts& mysql : gathered.databases) {
    if (!mysql.trouble) continue;
    findings.push_back({Severity::kError, mysql.where(),
                        mysql.trouble->text() + "; nothing else of it was looked at",
                        remedy_of(*mysql.trouble)});
  }
}

void mysql_read_only(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    if (!mysql.takes_no_writes) return;
    findings.push_back({Severity::kError, mysql.where(), mysql.takes_no_writes->text(),
                        remedy_of(*mysql.takes_no_writes)});
  });
}

void mysql_tables(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    if (!mysql.missing) return;
    const bool right = mysql.missing->kind == FailureKind::kAccessDenied;
    findings.push_back({Severity::kError, mysql.where(), mysql.missing->text(),
                        right ? "grant its user SELECT, INSERT, UPDATE, DELETE on the database"
                              : "sluice-ctl schema apply --config flusher.toml, or compare the "
                                "tables with sluice-ctl schema print"});
  });
}

void mysql_engines(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    for (const orders::TableEngine& one : mysql.engines)
      findings.push_back({Severity::kError, mysql.where(), one.text(), one.remedy()});
  });
}

// A line of schema check says what is wrong and, after its colon, what to do.
Finding of_schema(Severity severity, const MysqlFacts& mysql, const std::string& line) {
  const size_t colon = line.rfind(": ");
  if (colon == std::string::npos)
    return {severity, mysql.where(), line, "see docs/mapping.md, and sluice-ctl schema check"};
  return {severity, mysql.where(), line.substr(0, colon), line.substr(colon + 2)};
}

void mysql_mapping(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    for (const std::string& error : mysql.schema.errors)
      findings.push_back(of_schema(Severity::kError, mysql, error));
    for (const std::string& warning : mysql.schema.warnings)
      findings.push_back(of_schema(Severity::kWarning, mysql, warning));
  });
}

void mysql_rights(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    if (mysql.refused.empty()) return;
    std::string list;
    for (const std::string& right : mysql.refused) list += (list.empty() ? "" : ", ") + right;
    findings.push_back({Severity::kError, mysql.where(),
                        "its user may not do what the drain needs: " + list,
                        "GRANT SELECT, INSERT, UPDATE, DELETE ON `" + mysql.options.database +
                            "`.* TO '" + mysql.options.user + "'@…"});
  });
}

void mysql_partitions(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    for (const Partition& last : mysql.partitions) {
      if (last.takes_next_week) continue;
      findings.push_back(
          {last.takes_today ? Severity::kWarning : Severity::kError, mysql.where(),
           "table " + last.table + " has no partition for an order of " +
               (last.takes_today ? "a week from now" : "today") + "; its last one, " + last.name +
               ", ends at " + last.upto,
           "ALTER TABLE `" + last.table +
               "` ADD PARTITION (…), in time and for all days to come; the drain waits without"});
    }
  });
}

void mysql_packet(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    if (mysql.packet_bytes >= mysql.batch_bytes && mysql.packet_bytes >= kPacketMin) return;
    const bool too_small = mysql.packet_bytes < kPacketMin;
    findings.push_back(
        {too_small ? Severity::kError : Severity::kWarning, mysql.where(),
         "max_allowed_packet is " + bytes_text(mysql.packet_bytes) +
             (too_small ? ", and the drain needs 512 KiB at least"
                        : ", less than batch.bytes, " + bytes_text(mysql.batch_bytes) +
                              ": statements are cut to it"),
         "SET GLOBAL max_allowed_packet = 16777216, and the same in the server's configuration"});
  });
}

void mysql_mode(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    if (!mysql.sql_mode || mysql.sql_mode->find("STRICT_") != std::string::npos) return;
    findings.push_back(
        {Severity::kWarning, mysql.where(),
         "sql_mode is \"" + *mysql.sql_mode +
             "\", not strict: Sluice's own sessions are, but whoever else writes to these tables "
             "has values cut off unsaid",
         "SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',STRICT_TRANS_TABLES'), and in the "
         "server's configuration"});
  });
}

bool is_this_machine(const sql::ServerAddress& server) {
  return server.is_local() || server.host == "localhost" || server.host == "::1" ||
         server.host.starts_with("127.");
}

void mysql_tls(const Gathered& gathered, Findings& findings) {
  for (const MysqlFacts& mysql : gathered.databases) {
    const auto servers = mysql.options.servers();
    if (mysql.options.tls || std::all_of(servers.begin(), servers.end(), is_this_machine)) continue;
    findings.push_back({Severity::kWarning, mysql.where(),
                        std::string("orders go to another machine in clear") +
                            (mysql.options.allow_public_key_retrieval
                                 ? ", and whoever is between may have the password "
                                   "(mysql.allow_public_key_retrieval)"
                                 : ""),
                        "write mysql.tls = true and, for an authority of your own, "
                        "mysql.tls_ca_file; unless nobody else is on that network"});
  }
}

void mysql_clock(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    if (!mysql.clock || std::abs(mysql.clock->ahead_ms) <= kMysqlClockMaxMs + mysql.clock->error_ms)
      return;
    const int64_t ahead_ms = mysql.clock->ahead_ms;
    findings.push_back({Severity::kError, mysql.where(),
                        "its clock is " + std::to_string(std::abs(ahead_ms)) + " ms " +
                            (ahead_ms > 0 ? "ahead of" : "behind") + " this machine's",
                        "synchronise both (chrony or systemd-timesyncd); times of rows and of "
                        "orders are compared with each other"});
  });
}

// The same number in this database for another journal.
void mysql_proxy_id(const Gathered& gathered, Findings& findings) {
  for (const FlusherFacts& flusher : gathered.flushers) {
    const JournalFacts& journal = gathered.journals[flusher.journal];
    std::optional<uint32_t> lane;
    if (journal.extent) lane = journal.extent->proxy_id;
    for (const ProxyFacts& proxy : gathered.proxies) {
      if (proxy.journal == flusher.journal && proxy.lane) lane = proxy.lane;
    }
    const MysqlFacts& mysql = gathered.databases[flusher.mysql];
    for (const RegisteredJournal& other : mysql.journals) {
      if (other.is_retired || !lane || other.proxy_id != *lane) continue;
      if (journal.extent && journal.extent->journal_id == other.journal_id) continue;
      findings.push_back(
          {Severity::kError, journal.proxies.empty() ? flusher.path : journal.proxies[0],
           "its proxy.id " + std::to_string(*lane) + " is that of journal " +
               std::to_string(other.journal_id) + " on host " + other.host + " in " +
               mysql.where() + ", last drained " + other.updated_at,
           "give this proxy another proxy.id; or, if that journal is gone for good: sluice-ctl "
           "journal drop " +
               std::to_string(other.journal_id)});
    }
  }
}

void mysql_unknown(const Gathered& gathered, Findings& findings) {
  each_database(gathered, [&](const MysqlFacts& mysql) {
    if (mysql.unknown.empty()) return;
    findings.push_back({Severity::kWarning, mysql.where(),
                        "not everything could be looked at: " + mysql.unknown,
                        "give its user SELECT on the database, and look again"});
  });
}

constexpr std::array kMysqlChecks{
    Check{"mysql.reachable", mysql_reachable},   Check{"mysql.read_only", mysql_read_only},
    Check{"mysql.tables", mysql_tables},         Check{"mysql.engines", mysql_engines},
    Check{"mysql.mapping", mysql_mapping},       Check{"mysql.rights", mysql_rights},
    Check{"mysql.partitions", mysql_partitions}, Check{"mysql.packet", mysql_packet},
    Check{"mysql.sql_mode", mysql_mode},         Check{"mysql.tls", mysql_tls},
    Check{"mysql.clock", mysql_clock},           Check{"mysql.proxy_id", mysql_proxy_id},
    Check{"mysql.unknown", mysql_unknown},
};

}  // namespace

std::span<const Check> mysql_checks() { return kMysqlChecks; }

}  // namespace sluice::ctl::doctor
