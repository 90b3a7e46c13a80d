// `sluice-ctl doctor`: the command, and the report.
#include "ctl/doctor.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/command_line.h"
#include "ctl/commands.h"
#include "ctl/figures.h"
#include "ctl/words.h"

namespace sluice::ctl {
namespace doctor {

namespace json = boost::json;

Findings examine(const Gathered& gathered) {
  Findings findings;
  for (const auto checks : {config_checks(), redis_checks(), mysql_checks(), machine_checks()}) {
    for (const Check& check : checks) check.run(gathered, findings);
  }
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  return findings;
}

namespace {

const char* severity_word(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

int64_t slowest_sync_us(const Gathered& gathered) {
  int64_t slowest_us = 0;
  for (const JournalFacts& journal : gathered.journals)
    slowest_us = std::max(slowest_us, journal.sync_us);
  return slowest_us;
}

int64_t farthest_clock_ms(const Gathered& gathered) {
  int64_t farthest_ms = 0;
  const auto take = [&](const std::optional<Clock>& clock) {
    if (clock) farthest_ms = std::max(farthest_ms, std::abs(clock->ahead_ms));
  };
  for (const RedisFacts& redis : gathered.redises) take(redis.clock);
  for (const MysqlFacts& mysql : gathered.databases) take(mysql.clock);
  return farthest_ms;
}

// "1 proxy, 1 flusher, 1 Redis, 1 database"
std::string looked_at(const Gathered& gathered) {
  const size_t proxies = gathered.proxies.size();
  return std::to_string(proxies) + (proxies == 1 ? " proxy, " : " proxies, ") +
         plural(gathered.flushers.size(), "flusher") + ", " +
         std::to_string(gathered.redises.size()) + " Redis, " +
         plural(gathered.databases.size(), "database") + " and " +
         plural(gathered.journals.size(), "journal folder");
}

void print_text(const Gathered& gathered, const Findings& findings) {
  size_t errors = 0;
  for (const Finding& finding : findings) {
    errors += finding.severity == Severity::kError ? 1 : 0;
    std::printf("%-8s %s: %s\n         do: %s\n", severity_word(finding.severity),
                printable(finding.where).c_str(), printable(finding.what).c_str(),
                printable(finding.remedy).c_str());
  }
  const std::string measured = "fdatasync " + std::to_string(slowest_sync_us(gathered)) +
                               " µs, clocks " + std::to_string(farthest_clock_ms(gathered)) +
                               " ms apart";
  if (findings.empty()) {
    std::printf("nothing found: looked at %s; %s\n", looked_at(gathered).c_str(), measured.c_str());
  } else {
    std::printf("%s, %s: looked at %s; %s\n", plural(errors, "error").c_str(),
                plural(findings.size() - errors, "warning").c_str(), looked_at(gathered).c_str(),
                measured.c_str());
  }
}

void print_json(const Gathered& gathered, const Findings& findings) {
  json::array list;
  for (const Finding& finding : findings) {
    list.push_back(json::object{{"severity", severity_word(finding.severity)},
                                {"where", finding.where},
                                {"what", finding.what},
                                {"remedy", finding.remedy}});
  }
  const json::object object{
      {"findings", list},
      {"looked_at", json::object{{"proxies", gathered.proxies.size()},
                                 {"flushers", gathered.flushers.size()},
                                 {"redis", gathered.redises.size()},
                                 {"databases", gathered.databases.size()},
                                 {"journals", gathered.journals.size()}}},
      {"measured", json::object{{"fdatasync_us", slowest_sync_us(gathered)},
                                {"clocks_apart_ms", farthest_clock_ms(gathered)}}}};
  std::printf("%s\n", json::serialize(object).c_str());
}

}  // namespace
}  // namespace doctor

int doctor_command(std::span<const std::string> args) {
  base::CommandLine line(
      "Looks for what is set up wrongly: Redis, MySQL, the mapping, journal folders and their "
      "disks, clocks, limits, numbers given twice. Says what to do about each; changes nothing.",
      "sluice-ctl doctor");
  std::vector<std::string> paths;
  bool as_json = false;
  line.option("--config", &paths,
              "a proxy.toml or flusher.toml; give those of all proxies and flushers that share a "
              "Redis or a MySQL")
      .required()
      .type_name("FILE")
      .one_value_each();
  line.flag("--json", &as_json, "print one JSON object");
  line.footer("Exit codes: 0 nothing found; 1 findings; 2 bad arguments.");
  if (const auto end = line.parse(args)) return *end;
  const auto gathered = doctor::gather(paths);
  if (!gathered) {
    std::fprintf(stderr, "doctor: %s\n", gathered.error().message().c_str());
    return kBadArguments;
  }
  const doctor::Findings findings = doctor::examine(*gathered);
  if (as_json)
    doctor::print_json(*gathered, findings);
  else
    doctor::print_text(*gathered, findings);
  return findings.empty() ? kDone : kFailed;
}

}  // namespace sluice::ctl
