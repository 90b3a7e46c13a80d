#include "bench/compare_report.h"

#include <boost/json.hpp>
#include <cstdio>

#include "bench/text.h"

namespace sluice::bench {
namespace {

constexpr size_t kNameColumns = 46;
constexpr size_t kValueColumns = 20;
constexpr double kLoadQuiet = 0.7;  // above it, something else takes a core for most of the time

const char* contender_name(Contender contender) {
  switch (contender) {
    case Contender::kSluice:
      return "Sluice, journal.fsync = \"always\"";
    case Contender::kDiyDurable:
      return "do it yourself: EVALSHA + XADD, AOF always";
    case Contender::kPlain:
      return "plain EVALSHA, nothing durable";
  }
  return "";
}

const char* contender_key(Contender contender) {
  switch (contender) {
    case Contender::kSluice:
      return "sluice";
    case Contender::kDiyDurable:
      return "diy_durable";
    case Contender::kPlain:
      return "plain";
  }
  return "";
}

std::string table_row(const std::string& name, const std::vector<std::string>& values) {
  std::string line = "  " + padded(name, kNameColumns, false);
  for (const std::string& value : values) line += padded(value, kValueColumns);
  return line + "\n";
}

const PurchaseRow* row_of(const CompareResult& result, Contender contender) {
  for (const PurchaseRow& row : result.purchases) {
    if (row.contender == contender) return &row;
  }
  return nullptr;
}

std::string machine_text(const CompareResult& result) {
  const Machine& machine = result.machine;
  char sync[80];
  std::snprintf(sync, sizeof sync, ", 4 KiB append + fdatasync %.0f us (median)", machine.sync_us);
  std::string text = "Machine: " + machine.cpu + ", " + std::to_string(machine.cores) +
                     " cores, shared by servers and load generator; " + machine.kernel + "\n" +
                     "Disk:    " + machine.disk + sync + "\n" + "Servers: Redis " +
                     result.redis_version + ", " + result.database_version + "\n";
  if (machine.load > kLoadQuiet) {
    char load[120];
    std::snprintf(load, sizeof load,
                  "WARNING: the machine was busy already (load average %.1f): figures are rough.\n",
                  machine.load);
    text += load;
  }
  if (machine.in_memory) {
    text +=
        "WARNING: the data folder is in memory, where a sync costs nothing: these figures say\n"
        "nothing about durability. Choose a folder on a disk with --folder.\n";
  }
  return text;
}

std::string purchases_text(const CompareResult& result) {
  std::vector<std::string> head;
  for (const Shape& shape : result.shapes) head.push_back(shape.text());
  std::string text = "\nPurchases per second, accepted (median of " +
                     std::to_string(result.rounds) + "; below it the p99 latency)\n" +
                     table_row("", head);
  for (const PurchaseRow& row : result.purchases) {
    std::vector<std::string> rates, p99s;
    for (const double rate : row.per_second) rates.push_back(with_commas(rate));
    for (const double p99 : row.p99_ns) p99s.push_back(latency_text(static_cast<int64_t>(p99)));
    text += table_row(contender_name(row.contender), rates) + table_row("", p99s);
  }
  const PurchaseRow* sluice = row_of(result, Contender::kSluice);
  const PurchaseRow* diy = row_of(result, Contender::kDiyDurable);
  if (sluice == nullptr || diy == nullptr) return text;
  std::vector<std::string> ratios;
  for (size_t i = 0; i < result.shapes.size(); ++i) {
    char ratio[32];
    std::snprintf(ratio, sizeof ratio, "%.2f", sluice->per_second[i] / diy->per_second[i]);
    ratios.push_back(ratio);
  }
  return text + table_row("Sluice / do it yourself", ratios);
}

}  // namespace

std::string compare_text(const CompareResult& result) {
  std::string text = "\n" + machine_text(result) + purchases_text(result);
  text += "\nDrain into MySQL, rows per second (median of " + std::to_string(result.rounds) + ")\n";
  for (const DrainRow& row : result.drains) {
    text += table_row(row.name, {with_commas(row.rows_per_second)});
  }
  text +=
      "\nWhat each side runs: the same redis-server (no RDB saves, no AOF rewrites). Sluice: "
      "journal synced\nbefore every reply, its Redis without AOF, since the journal is the "
      "arbiter; REQs are idempotent.\nDo it yourself: AOF synced before every reply; no "
      "idempotency, and its consumer is yet to be written.\nMariaDB syncs each commit.\n";
  if (result.items > 0) {
    text += "Checked: MySQL holds exactly the " + with_commas(static_cast<double>(result.orders)) +
            " accepted orders of " + std::to_string(result.items) +
            " items, one a buyer; items.sold agrees.\n";
  }
  return text;
}

std::string compare_json(const CompareResult& result) {
  boost::json::object machine{{"cpu", result.machine.cpu},
                              {"cores", result.machine.cores},
                              {"kernel", result.machine.kernel},
                              {"disk", result.machine.disk},
                              {"in_memory", result.machine.in_memory},
                              {"sync_us", result.machine.sync_us},
                              {"load", result.machine.load},
                              {"redis", result.redis_version},
                              {"database", result.database_version}};
  boost::json::array purchases;
  for (const PurchaseRow& row : result.purchases) {
    for (size_t i = 0; i < result.shapes.size(); ++i) {
      purchases.push_back({{"contender", contender_key(row.contender)},
                           {"connections", result.shapes[i].connections},
                           {"pipeline", result.shapes[i].pipeline},
                           {"per_second", row.per_second[i]},
                           {"p99_us", row.p99_ns[i] / 1e3}});
    }
  }
  boost::json::array drains;
  for (const DrainRow& row : result.drains) {
    drains.push_back({{"name", row.name}, {"rows_per_second", row.rows_per_second}});
  }
  return boost::json::serialize(boost::json::object{{"machine", machine},
                                                    {"rounds", result.rounds},
                                                    {"purchases", purchases},
                                                    {"drain", drains},
                                                    {"orders_checked", result.orders}}) +
         "\n";
}

}  // namespace sluice::bench
