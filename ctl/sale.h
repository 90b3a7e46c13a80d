// The parts of `sluice-ctl sale`, each in a file of its own.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/command_line.h"
#include "ctl/front.h"
#include "ctl/sale_item.h"

namespace sluice::ctl {

// Which daemons are meant, and how a client of the proxy logs in.
struct SaleOptions {
  std::vector<std::string> configs;
  FrontOptions front;
  bool json = false;
};

// Makes the items through the proxy: none, unless all can be made or are there with the same
// settings. Prints what was made, or why not; the exit code.
int make_items(const SaleOptions& options, const std::vector<SaleRow>& rows);
// Prints a line each to stderr, and that nothing was made; the exit code.
int refuse(const std::vector<std::string>& problems);
// "stock 100, limit 2, starts 2026-12-01 02:00:00 UTC, …"
std::string settings_text(const SaleItem& item);

// Of the files, those of proxies, or of flushers.
Result<std::vector<std::string>> configs_of(ConfigKind kind,
                                            const std::vector<std::string>& configs);

// Adds `check` and `report` to the line; their options live as long as this process.
void add_check_command(base::CommandLine& line);   // sale_check.cc
void add_report_command(base::CommandLine& line);  // sale_report.cc

}  // namespace sluice::ctl
