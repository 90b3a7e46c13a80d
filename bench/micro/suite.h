// The micro-benchmarks: one part of Sluice each, alone, as often as fits into a moment.
//
// Each file of this folder registers the benchmarks of one part. A benchmark checks once what it
// computed, so that a part that became fast by doing nothing fails; `sluice-microbench --smoke`,
// a part of `make test`, runs each once for that alone. What they have to reach: limits.h.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <string>

namespace sluice::bench::micro {

class Suite {
 public:
  struct Settings {
    bool smoke = false;               // each benchmark runs once
    double run_s = 0.2;               // of each repetition
    int repetitions = 3;              // medians are reported
    std::string folder = "/var/tmp";  // of the journals; on a real disk
  };
  explicit Suite(const Settings& settings) : settings_(settings) {}

  const std::string& folder() const { return settings_.folder; }

  using Body = std::function<void(benchmark::State&)>;
  // A benchmark of one thread that never waits: rates are of its CPU time.
  void add(const std::string& name, const Body& body) const;
  // One that waits for the disk: rates are of the time on the clock. A fixed number of rounds,
  // because a journal only grows.
  void add_waiting(const std::string& name, int64_t rounds, const Body& body) const;

 private:
  const Settings settings_;
};

// Ends the benchmark without a figure, saying why on stderr, unless `holds`.
void expect(benchmark::State& state, bool holds, const std::string& what);

void add_resp(const Suite& suite);
void add_script(const Suite& suite);
void add_inbox(const Suite& suite);
void add_coalescer(const Suite& suite);
void add_journal(const Suite& suite);
void add_recovery(const Suite& suite);
void add_commit(const Suite& suite);
void add_rows(const Suite& suite);

}  // namespace sluice::bench::micro
