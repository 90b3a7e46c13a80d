// The scenarios of sluice-bench, one function each. Each prints its report to stdout, problems to
// stderr, and returns the exit code of the contract: 0 done, 1 failed or a promise found broken,
// 2 bad arguments.
#pragma once

#include <cstdint>
#include <string>

#include "bench/abuse.h"
#include "bench/compare.h"
#include "bench/load.h"
#include "bench/startup.h"

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
};

struct PassthroughArguments {
  LoadOptions load;
  std::string command = "get";
  uint64_t keys = 10'000;
  uint64_t value_bytes = 16;
  bool json = false;
};

struct CompareArguments {
  CompareOptions compare;
  bool quick = false;
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
int passthrough_scenario(const PassthroughArguments& arguments);
int compare_scenario(CompareArguments arguments);
int startup_scenario(StartupArguments arguments);
int abuse_scenario(AbuseArguments arguments);

}  // namespace sluice::bench
