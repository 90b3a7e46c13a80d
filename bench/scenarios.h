// The scenarios of sluice-bench, one function each. Each prints its report to stdout, problems to
// stderr, and returns the exit code of the contract: 0 done, 1 failed or a promise found broken,
// 2 bad arguments.
#pragma once

#include <cstdint>
#include <string>

#include "bench/abuse.h"
#include "bench/load.h"
#include "bench/startup.h"
#include "bench/table/table.h"
#include "sql/connection.h"

namespace sluice::bench {

struct SaleArguments {
  LoadOptions load;
  std::string item;  // "": made unique
  int64_t stock = 1'000'000;
  int64_t limit = 1;
  uint64_t buyers = 0;
  uint64_t repeat = 1;
  bool create = true;
  bool with_req = true;
  bool stream = true;  // diy only
  bool json = false;
  std::string acked_path;
  uint32_t items = 1;
  double zipf = 0.99;
};

struct PassthroughArguments {
  LoadOptions load;
  std::string command = "get";
  uint64_t keys = 10'000;
  uint64_t value_bytes = 16;
  bool json = false;
};

// For the scenarios that ask MySQL.
struct MysqlArguments {
  sql::ConnectOptions database;
  std::string password_file;
  std::string method = "insert";  // rows only
  std::string folder = "/var/tmp";
  int connections = 8;
  uint64_t rows = 300'000;
  uint64_t rows_per_statement = 1'000;
  double duration_s = 10;
  int64_t stock = 1'000'000;
  bool json = false;
};

struct CompareArguments {
  table::TableOptions table;
  bool markdown = false;
  bool json = false;
};

struct StartupArguments {
  StartupOptions startup;
  bool json = false;
};

struct AbuseArguments {
  AbuseOptions abuse;
  bool json = false;
};

int sale_scenario(SaleArguments arguments);
int diy_scenario(SaleArguments arguments);
int refusals_scenario(SaleArguments arguments);
int passthrough_scenario(const PassthroughArguments& arguments);
int mysql_scenario(MysqlArguments arguments);
int rows_scenario(MysqlArguments arguments);
int compare_scenario(CompareArguments arguments);
int startup_scenario(StartupArguments arguments);
int abuse_scenario(AbuseArguments arguments);

}  // namespace sluice::bench
