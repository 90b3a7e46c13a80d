#include "bench/micro/report.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "bench/micro/limits.h"
#include "bench/text.h"

namespace sluice::bench::micro {
namespace {

double median(std::vector<double> figures) {
  std::sort(figures.begin(), figures.end());
  return figures[figures.size() / 2];
}

// "812 MB/s", "4.71 M records/s"
std::string rate_text(double per_s, std::string_view unit) {
  constexpr const char* kPrefixes[] = {"", "k", "M", "G"};
  size_t prefix = 0;
  for (; per_s >= 1000 && prefix < std::size(kPrefixes) - 1; ++prefix) per_s /= 1000;
  char number[32];
  // Three digits that count.
  const int decimals = per_s < 10 ? 2 : static_cast<int>(per_s < 100);
  std::snprintf(number, sizeof number, "%.*f %s", decimals, per_s, kPrefixes[prefix]);
  return number + (unit == kBytes ? "B/s" : " " + std::string(unit) + "/s");
}

}  // namespace

void Report::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (run.run_type != Run::RT_Iteration) continue;
    auto& figures = figures_[run.run_name.function_name];
    for (const auto& [counter, unit] : {std::pair("bytes_per_second", kBytes),
                                        std::pair("items_per_second", std::string_view())}) {
      const auto found = run.counters.find(counter);
      if (found != run.counters.end()) figures[std::string(unit)].push_back(found->second);
    }
  }
}

Report::Judgement Report::judge(double factor) const {
  Judgement judgement;
  std::set<std::string> limited;
  for (const Limit& limit : kLimits) {
    const auto ran = figures_.find(std::string(limit.benchmark));
    if (ran == figures_.end()) continue;
    limited.insert(ran->first);
    const auto found = ran->second.find(limit.unit == kBytes ? std::string(kBytes) : "");
    std::string line = padded(std::string(limit.benchmark), 20, false);
    if (found == ran->second.end()) {
      judgement.complete = false;
      judgement.text += line + "failed\n";
      continue;
    }
    const double figure = median(found->second);
    line += padded(rate_text(figure, limit.unit), 24, true);
    if (factor > 0) {
      const bool fast = figure >= limit.per_s * factor;
      judgement.fast = judgement.fast && fast;
      line += "   at least " + padded(rate_text(limit.per_s * factor, limit.unit), 22, false) +
              (fast ? "ok" : "too slow");
    }
    judgement.text += line + "\n";
  }
  for (const auto& [name, figures] : figures_) {
    if (limited.contains(name)) continue;
    judgement.complete = false;
    judgement.text += padded(name, 20, false) + "has no limit in bench/micro/limits.h\n";
  }
  return judgement;
}

}  // namespace sluice::bench::micro
