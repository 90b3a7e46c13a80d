// Collects what Google Benchmark measured, and holds it against the limits.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace sluice::bench::micro {

class Report final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override;

  // One line a limit of each benchmark that ran: figure (the median of its repetitions), limit,
  // and what comes of it. `factor` times the limits; 0: they are not looked at.
  struct Judgement {
    std::string text;
    bool complete = true;  // every benchmark that ran has every figure, and a limit
    bool fast = true;      // none is below its limit
  };
  Judgement judge(double factor) const;

 private:
  // Benchmark → unit ("bytes" or "") → figures a second.
  std::map<std::string, std::map<std::string, std::vector<double>>> figures_;
};

}  // namespace sluice::bench::micro
