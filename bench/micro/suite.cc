#include "bench/micro/suite.h"

#include <cstdio>

namespace sluice::bench::micro {

void Suite::add(const std::string& name, const Body& body) const {
  auto* added = benchmark::RegisterBenchmark(name.c_str(), body);
  if (settings_.smoke) {
    added->Iterations(1);
  } else {
    added->MinTime(settings_.run_s)->Repetitions(settings_.repetitions);
  }
}

void Suite::add_waiting(const std::string& name, int64_t rounds, const Body& body) const {
  auto* added = benchmark::RegisterBenchmark(name.c_str(), body);
  added->UseRealTime();
  if (settings_.smoke) {
    added->Iterations(1);
  } else {
    added->Iterations(rounds)->Repetitions(settings_.repetitions);
  }
}

void expect(benchmark::State& state, bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what.c_str());
  state.SkipWithError(what.c_str());
}

}  // namespace sluice::bench::micro
