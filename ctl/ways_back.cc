// `sluice-ctl journal list | drop`: the journals that a MySQL knows, and one of them given up.
#include <boost/json.hpp>
#include <cstdio>

#include "base/command_line.h"
#include "ctl/commands.h"
#include "ctl/config_file.h"
#include "ctl/journal_registry.h"
#include "sql/config.h"

namespace sluice::ctl {
namespace {

using base::invalid;

struct WayArguments {
  std::string flusher;
  uint64_t journal_id = 0;
  std::vector<std::string> sets;
  bool dry_run = false, json = false;
};

// A flusher's file tells where MySQL is.
Result<sql::ConnectOptions> mysql_of(const WayArguments& arguments) {
  auto overrides = base::parse_overrides(arguments.sets);
  if (!overrides) return invalid(overrides.error().message() + ": write KEY=VALUE");
  const auto config = read_config(flusher_keys(), arguments.flusher, *overrides);
  if (!config) return config.error();
  auto mysql = sql::connect_options(*config);
  if (!mysql) return mysql.error().at(arguments.flusher);
  return *mysql;
}

void print_json(const std::vector<RegisteredJournal>& journals) {
  boost::json::array list;
  for (const RegisteredJournal& one : journals) {
    list.push_back(boost::json::object{
        {"journal_id", std::to_string(one.journal_id)},
        {"proxy_id", one.proxy_id},
        {"retired", one.is_retired},
        {"drained_below", one.position ? boost::json::value(*one.position) : nullptr},
        {"last_seen", one.updated_at},
        {"host", one.host}});
  }
  std::printf("%s\n", boost::json::serialize(boost::json::object{{"journals", list}}).c_str());
}

Status list(const WayArguments& arguments) {
  const auto mysql = mysql_of(arguments);
  if (!mysql) return mysql.error();
  JournalRegistry registry(*mysql);
  SLUICE_TRY(registry.connect());
  const auto journals = registry.all();
  if (!journals) return journals.error();
  if (arguments.json) {
    print_json(*journals);
    return {};
  }
  constexpr const char* kRow = "%-21s %-6s %-9s %-14s %-24s %s\n";
  std::printf(kRow, "journal", "proxy", "retired", "drained below", "last seen (UTC)", "host");
  for (const RegisteredJournal& one : *journals) {
    std::printf(kRow, std::to_string(one.journal_id).c_str(), std::to_string(one.proxy_id).c_str(),
                one.is_retired ? "yes" : "no",
                one.position ? std::to_string(*one.position).c_str() : "-", one.updated_at.c_str(),
                one.host.c_str());
  }
  return {};
}

Status drop(const WayArguments& arguments) {
  const auto mysql = mysql_of(arguments);
  if (!mysql) return mysql.error();
  JournalRegistry registry(*mysql);
  SLUICE_TRY(registry.connect());
  const auto found = registry.find(arguments.journal_id);
  if (!found) return found.error();
  const std::optional<RegisteredJournal>& one = *found;
  if (!one) {
    return Error(ErrorClass::kNotFound, "journal " + std::to_string(arguments.journal_id) +
                                            " is not registered; see sluice-ctl journal list");
  }
  if (one->is_retired) {
    std::printf("journal %s is retired already\n", std::to_string(one->journal_id).c_str());
    return {};
  }
  std::printf(
      "Journal %s of proxy.id %u, on host %s, last seen %s UTC: %s\n"
      "To be done: it is retired, which sets its proxy.id free. Its orders stay. What "
      "its folder has and MySQL lacks is never drained, and a proxy that still sells with it "
      "sells nothing more once its flusher has noticed.\n",
      std::to_string(one->journal_id).c_str(), one->proxy_id, one->host.c_str(),
      one->updated_at.c_str(),
      one->position.value_or(1) == 1
          ? "nothing of it was ever drained"
          : ("drained below record " + std::to_string(*one->position)).c_str());
  if (arguments.dry_run) {
    tell_unchanged();
    return {};
  }
  SLUICE_TRY(registry.retire(one->journal_id));
  std::printf("Done. Compare what is left: sluice-ctl reconcile\n");
  return {};
}

void add_common(base::CommandLine& line, WayArguments& arguments) {
  line.option("--set", &arguments.sets, "override a key of these files; repeatable")
      .type_name("KEY=VALUE")
      .one_value_each();
}

}  // namespace

void tell_unchanged() { std::printf("\nA dry run: nothing was changed.\n"); }

int end_of_way(const Status& done) {
  if (done) return kDone;
  std::fprintf(stderr, "sluice-ctl journal: %s\n", done.error().message().c_str());
  switch (done.error().cls()) {
    case ErrorClass::kInvalid:
    case ErrorClass::kNotFound:
      return kBadArguments;
    case ErrorClass::kRefused:
    case ErrorClass::kCorrupt:
    case ErrorClass::kExists:
      return kDamaged;
    default:
      return kFailed;
  }
}

void add_list_command(base::CommandLine& line) {
  const auto arguments = std::make_shared<WayArguments>();
  auto& list_line = line.command("list", "print the journals that a MySQL knows");
  list_line.option("--config", &arguments->flusher, "a flusher's file").required();
  add_common(list_line, *arguments);
  list_line.flag("--json", &arguments->json, "print one JSON object");
  list_line.does([arguments] { return end_of_way(list(*arguments)); });
}

void add_drop_command(base::CommandLine& line) {
  const auto arguments = std::make_shared<WayArguments>();
  auto& drop_line = line.command("drop",
                                 "retire a journal in MySQL that will never come back, and set its "
                                 "proxy.id free");
  drop_line.option("ID", &arguments->journal_id, "the journal, as `list` prints it").required();
  drop_line.option("--config", &arguments->flusher, "a flusher's file").required();
  add_common(drop_line, *arguments);
  drop_line.flag("--dry-run", &arguments->dry_run, "only tell what would be done");
  drop_line.does([arguments] { return end_of_way(drop(*arguments)); });
}

}  // namespace sluice::ctl
