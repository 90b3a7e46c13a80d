// Figures of the /metrics pages of proxies and flushers, for the report of a sale.
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>

#include "ctl/sale_report.h"

namespace sluice::ctl {
namespace {

// Calls `take` with the labels and the value of each sample of the metric.
template <class Take>
void each_sample(const std::vector<std::string>& pages, std::string_view metric, const Take& take) {
  for (const std::string& page : pages) {
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(metric)) continue;
      const size_t space = line.rfind(' ');
      const std::string name = line.substr(metric.size(), space - metric.size());
      if (space == std::string::npos || (!name.empty() && name.front() != '{')) continue;
      take(name, std::strtod(line.c_str() + space, nullptr));
    }
  }
}

std::string label_in(const std::string& labels, const std::string& name) {
  const std::string begin = name + "=\"";
  const size_t at = labels.find(begin);
  if (at == std::string::npos) return "";
  const size_t from = at + begin.size();
  return labels.substr(from, labels.find('"', from) - from);
}

}  // namespace

std::vector<std::pair<std::string, uint64_t>> refusals_of(const std::vector<std::string>& pages) {
  constexpr std::array<const char*, 9> kReasons = {
      "soldout", "limit", "notstarted", "ended", "closed", "noitem", "busy", "error", "unknown"};
  std::map<std::string, double> by_reason;
  each_sample(pages, "sluice_purchases_total", [&](const std::string& labels, double value) {
    by_reason[label_in(labels, "result")] += value;
  });
  std::vector<std::pair<std::string, uint64_t>> refused;
  for (const char* reason : kReasons) {
    refused.emplace_back(reason, static_cast<uint64_t>(std::llround(by_reason[reason])));
  }
  return refused;
}

Latency latency_of(const std::vector<std::string>& pages, std::string_view metric,
                   std::string_view what) {
  std::map<double, double> below;  // bound → how many took so long at most
  each_sample(pages, std::string(metric) + "_bucket", [&](const std::string& labels, double value) {
    below[std::strtod(label_in(labels, "le").c_str(), nullptr)] += value;
  });
  Latency latency{std::string(what), 0, 0, 0, 0};
  if (below.empty()) return latency;
  const double all = below.rbegin()->second;
  latency.count = static_cast<uint64_t>(std::llround(all));
  const auto quantile = [&](double part) {
    double last = 0;
    for (const auto& [bound, count] : below) {
      // Nothing is known of what lies above the last bound but that it does.
      if (std::isfinite(bound)) last = bound;
      if (count >= part * all) return last;
    }
    return last;
  };
  if (all > 0) {
    latency.p50_s = quantile(0.5);
    latency.p99_s = quantile(0.99);
    latency.p999_s = quantile(0.999);
  }
  return latency;
}

std::string latency_text(double seconds) {
  std::array<char, 32> text;
  if (seconds < 0.001)
    std::snprintf(text.data(), text.size(), "%.0f µs", seconds * 1e6);
  else if (seconds < 1)
    std::snprintf(text.data(), text.size(), "%.1f ms", seconds * 1e3);
  else
    std::snprintf(text.data(), text.size(), "%.1f s", seconds);
  return text.data();
}

}  // namespace sluice::ctl
