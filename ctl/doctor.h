// `sluice-ctl doctor`: what is set up wrongly, each finding with what to do.
//
//   configs ─► doctor_gather*.cc: looks at all that they name ─► Gathered ─► checks ─► findings
//
// A server that says nothing is waited for kSilenceMaxS and then not asked again: what has to be
// asked of it is not looked at, and a finding says so.
//
// Gathering does all the asking and judges nothing; a check is a pure function of what was gathered
// and asks nothing. So a check is a few lines, and its test needs no server.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/config.h"
#include "ctl/config_file.h"
#include "ctl/journal_registry.h"
#include "ctl/redis_peers.h"
#include "journal/reader.h"
#include "orders/live_tables.h"
#include "orders/schema.h"
#include "sql/connection.h"

namespace sluice::ctl::doctor {

constexpr int kSilenceMaxS = 3;

enum class Severity {
  kError,    // nothing can be sold or drained, or not safely
  kWarning,  // it works, but not under load, after a restart, or only for a while
};

struct Finding {
  Severity severity;
  std::string where;   // the server, folder or file
  std::string what;    // what is wrong, with the value that was seen
  std::string remedy;  // what to do
};
using Findings = std::vector<Finding>;

// A clock against this machine's.
struct Clock {
  int64_t ahead_ms = 0;
  int64_t error_ms = 0;  // half of the round trip that it was asked in
};

struct RedisFacts {
  RedisTarget target;
  std::string trouble;               // why it could not be asked; "": it was
  std::string unknown;               // why not all could be asked that comes after INFO
  std::string info;                  // INFO
  std::optional<std::string> save;   // nullopt: CONFIG is not allowed
  std::vector<std::string> refused;  // commands on keys of the sale, with Redis's word
  std::optional<Clock> clock;
  uint32_t shelves = 0;  // of the sale in there; 0: none yet
  Peers peers;           // who sells there, by proxy.id

  std::string where() const { return "Redis at " + target.text(); }
};

// The last partition of a table of orders.
struct Partition {
  std::string table, name, upto;
  bool takes_today = true, takes_next_week = true;
};

struct MysqlFacts {
  sql::ConnectOptions options;
  orders::OrderTable orders;
  int64_t batch_bytes = 0;
  std::optional<sql::Failure> trouble;  // it could not be asked
  std::string unknown;                  // what else it did not tell, and why
  std::optional<sql::Failure> missing;  // a table, a column, or the right to read them
  std::optional<sql::Failure> takes_no_writes;
  std::vector<std::string> refused;  // "DELETE on items"
  std::vector<orders::TableEngine> engines;
  orders::SchemaReport schema;
  std::vector<Partition> partitions;
  int64_t packet_bytes = 0;
  std::optional<std::string> sql_mode;  // nullopt: it was not told
  std::optional<Clock> clock;
  std::vector<RegisteredJournal> journals;

  std::string where() const { return "MySQL at " + options.text(); }
};

struct JournalFacts {
  std::string dir;                             // canonical
  std::vector<std::string> proxies, flushers;  // the files that name it
  bool is_there = false;
  bool parent_is_there = true;
  std::string not_writable;  // why; "": it is
  std::string damage;        // why it cannot be read; "": it can, or it is empty
  std::string refusal;       // a flusher's word that it may not be drained
  std::optional<journal::JournalExtent> extent;
  std::vector<uint64_t> predecessors;
  std::string file_system;  // "ext", "nfs", "tmpfs", …
  int64_t free_bytes = 0, used_bytes = 0, max_bytes = 0;
  int64_t sync_us = 0;  // the median of some small fdatasyncs; 0: not measured
};

struct ProxyFacts {
  std::string path;
  base::Config config;
  size_t redis = 0, journal = 0;  // their places in Gathered
  std::optional<uint32_t> lane;   // proxy.id
  std::string complaint;          // of sluice-proxy --check; "": it is good
  int64_t open_files_max = 0;     // of the running proxy, else of this process
};

struct FlusherFacts {
  std::string path;
  base::Config config;
  size_t mysql = 0, journal = 0;
  std::string complaint;  // of sluice-flusher --check
};

// A file that no daemon would start with, so that there is nothing to look at.
struct Unusable {
  std::string path, why;
};

struct Gathered {
  std::vector<Unusable> unusable;
  std::vector<ProxyFacts> proxies;
  std::vector<FlusherFacts> flushers;
  std::vector<RedisFacts> redises;  // each server once, whoever names it
  std::vector<MysqlFacts> databases;
  std::vector<JournalFacts> journals;
};

// kInvalid: a file that cannot be read, or that is no daemon's.
Result<Gathered> gather(const std::vector<std::string>& paths);

// Parts of it: doctor_redis_facts.cc, doctor_mysql_facts.cc, doctor_machine_facts.cc.
void ask_redis(RedisFacts& redis);
void ask_mysql(MysqlFacts& mysql);
void look_at(JournalFacts& journal);
// What `program --check --config path` complains of; "": nothing, or it is not beside this one.
std::string complaint_of(const std::string& program, const std::string& path);
// The limit of the process that writes the journal; of this one if none does.
int64_t open_files_max(const std::string& journal_dir);
// Of the clock that says `theirs_ms` to who asked at `before_ms` and had the answer at `after_ms`.
Clock clock_of(int64_t theirs_ms, int64_t before_ms, int64_t after_ms);

struct Check {
  const char* name;
  void (*run)(const Gathered& gathered, Findings& findings);
};
std::span<const Check> config_checks();   // doctor_config_checks.cc
std::span<const Check> redis_checks();    // doctor_redis_checks.cc
std::span<const Check> mysql_checks();    // doctor_mysql_checks.cc
std::span<const Check> machine_checks();  // doctor_machine_checks.cc

Findings examine(const Gathered& gathered);

}  // namespace sluice::ctl::doctor
