#include "bench/table/table_report.h"

#include <boost/json.hpp>
#include <cstdio>

#include "bench/text.h"

namespace sluice::bench::table {
namespace {

constexpr size_t kColumns = 100;
constexpr double kBusyCoresQuiet = 0.3;
constexpr int kRoundsTrusted = 5;  // medians of fewer are rough

std::string machine_text(const TableResult& result) {
  const Machine& machine = result.machine;
  char sync[80];
  std::snprintf(sync, sizeof sync, ", 4 KiB append + fdatasync %.0f us (median)", machine.sync_us);
  std::string text = "Machine: " + machine.cpu + ", " + std::to_string(machine.cores) +
                     " cores, shared by servers and load generator\n         " + machine.kernel +
                     "; " + machine.disk + sync + "\n";
  text += "Servers: Redis " + result.redis_version + ", " +
          (result.database_version.empty() ? "no database" : result.database_version) + "\n";
  if (machine.busy_cores > kBusyCoresQuiet) {
    char busy[120];
    std::snprintf(
        busy, sizeof busy,
        "WARNING: other programs kept %.1f cores busy before the start: figures are rough.\n",
        machine.busy_cores);
    text += busy;
  }
  if (machine.in_memory) {
    text +=
        "WARNING: the data folder is in memory, where a sync costs nothing: these figures say\n"
        "nothing about durability. Choose a folder on a disk with --folder.\n";
  }
  if (result.rounds < kRoundsTrusted) {
    text += "ROUGH: " + std::to_string(result.rounds) +
            " round of short runs; figures move by a tenth and more. make bench takes 5.\n";
  }
  return text;
}

std::string section_text(const Section& section) {
  std::string text = "\n" + section.title + "\n";
  size_t cells = section.columns.size();
  for (const Section::Row& row : section.rows) cells = std::max(cells, row.cells.size());
  const size_t cell_columns = cells <= 3 ? 20 : 14;
  const size_t name_columns = kColumns - 2 - cells * cell_columns;
  const auto line = [&](const std::string& name, const std::vector<std::string>& values) {
    std::string out = "  " + padded(name, name_columns, false);
    for (const std::string& value : values) out += padded(value, cell_columns);
    return out + "\n";
  };
  if (!section.columns.empty()) text += line("", section.columns);
  for (const Section::Row& row : section.rows) text += line(row.name, row.cells);
  if (!section.note.empty()) text += "  " + section.note + "\n";
  return text;
}

std::string goal_line(const std::string& measure, const std::string& wanted,
                      const std::string& figure, const std::string& ratio,
                      const std::string& verdict) {
  return "  " + padded(measure, 45, false) + padded(wanted, 26, false) + padded(figure, 13) +
         padded(ratio, 6) + " " + verdict + "\n";
}

std::string goals_text(const std::vector<Goal>& goals) {
  std::string text = "\n" + goal_line("", "goal", "figure", "ratio", "");
  size_t reached = 0;
  for (const Goal& goal : goals) {
    reached += goal.reached();
    char ratio[32];
    std::snprintf(ratio, sizeof ratio, "%.2f", goal.ratio());
    const bool measured = goal.missing.empty();
    text += goal_line(goal.measure, goal.wanted_text(),
                      measured ? figure_text(goal.figure, goal.unit) : "-", measured ? ratio : "-",
                      goal.reached() ? "reached"
                      : measured     ? "MISSED"
                                     : "-");
    if (!measured) text += "    not measured: " + goal.missing + "\n";
  }
  return text + "  " + std::to_string(reached) + " of " + std::to_string(goals.size()) +
         " reached. Ratio: figure / what it is compared with, or / the goal.\n";
}

constexpr const char* kWhatRuns =
    "\nWhat each side runs: the same redis-server (no RDB saves, no AOF rewrites). Sluice: "
    "journal\n"
    "synced before every reply, its Redis without AOF, since the journal is the arbiter; REQs are\n"
    "idempotent. Do it yourself: AOF synced before every reply; no idempotency, and its consumer "
    "is\n"
    "yet to be written. MariaDB syncs each commit.\n";

}  // namespace

std::string table_text(const TableResult& result) {
  std::string text = "\n" + machine_text(result);
  for (const Section& section : result.sections) text += section_text(section);
  text += goals_text(result.goals) + kWhatRuns;
  if (result.items > 0) {
    text += "Checked: MySQL holds exactly the " + with_commas(static_cast<double>(result.orders)) +
            " acknowledged orders of " + with_commas(static_cast<double>(result.items)) +
            " items, by their ids; items.sold agrees.\n";
  }
  char end[80];
  std::snprintf(end, sizeof end, "Medians of %d interleaved rounds; all of it took %.0f s.\n",
                result.rounds, result.seconds);
  return text + end;
}

std::string table_markdown(const TableResult& result) {
  const auto row = [](const std::vector<std::string>& cells) {
    std::string line = "|";
    for (const std::string& cell : cells) line += " " + cell + " |";
    return line + "\n";
  };
  std::string text = "| measure | goal | figure | ratio | |\n|---|---|---|---|---|\n";
  for (const Goal& goal : result.goals) {
    char ratio[32];
    std::snprintf(ratio, sizeof ratio, "%.2f", goal.ratio());
    const bool measured = goal.missing.empty();
    text += row({goal.measure, goal.wanted_text(),
                 measured ? figure_text(goal.figure, goal.unit) : goal.missing,
                 measured ? ratio : "", measured ? goal.reached() ? "reached" : "missed" : ""});
  }
  for (const Section& section : result.sections) {
    std::vector<std::string> head{section.title};
    head.insert(head.end(), section.columns.begin(), section.columns.end());
    while (head.size() <= section.rows.front().cells.size()) head.emplace_back();
    text += "\n" + row(head) + row(std::vector<std::string>(head.size(), "---"));
    for (const Section::Row& figures : section.rows) {
      std::vector<std::string> cells{figures.name};
      cells.insert(cells.end(), figures.cells.begin(), figures.cells.end());
      text += row(cells);
    }
  }
  return text;
}

std::string table_json(const TableResult& result) {
  const Machine& machine = result.machine;
  boost::json::array goals, sections;
  for (const Goal& goal : result.goals) {
    boost::json::object object{{"measure", goal.measure}, {"goal", goal.wanted_text()}};
    if (goal.missing.empty()) {
      object["figure"] = goal.figure;
      object["figure_text"] = figure_text(goal.figure, goal.unit);
      object["ratio"] = goal.ratio();
      object["reached"] = goal.reached();
    } else {
      object["missing"] = goal.missing;
    }
    goals.push_back(std::move(object));
  }
  for (const Section& section : result.sections) {
    boost::json::array rows;
    for (const Section::Row& row : section.rows) {
      rows.push_back({{"name", row.name}, {"cells", boost::json::value_from(row.cells)}});
    }
    sections.push_back({{"title", section.title},
                        {"columns", boost::json::value_from(section.columns)},
                        {"rows", rows}});
  }
  boost::json::object object{
      {"machine", boost::json::object{{"cpu", machine.cpu},
                                      {"cores", machine.cores},
                                      {"kernel", machine.kernel},
                                      {"disk", machine.disk},
                                      {"in_memory", machine.in_memory},
                                      {"sync_us", machine.sync_us},
                                      {"busy_cores", machine.busy_cores},
                                      {"redis", result.redis_version},
                                      {"database", result.database_version}}},
      {"rounds", result.rounds},
      {"seconds", result.seconds},
      {"goals", goals},
      {"sections", sections},
      {"orders_checked", result.orders}};
  return boost::json::serialize(object) + "\n";
}

}  // namespace sluice::bench::table
