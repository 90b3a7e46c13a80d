// `sluice-ctl journal list | drop | redrain`: the journals that a MySQL knows, one of them given
// up, and a MySQL that was restored from a backup older than the journal's segments.
#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/command_line.h"
#include "ctl/commands.h"
#include "ctl/journal_registry.h"
#include "ctl/sources.h"
#include "journal/examine.h"
#include "journal/reader.h"
#include "journal/segment.h"
#include "journal/snapshot.h"
#include "sql/config.h"

namespace sluice::ctl {
namespace {

using base::invalid;

struct WayArguments {
  std::string dir, flusher;
  uint64_t journal_id = 0;
  std::vector<std::string> configs, sets;
  bool dry_run = false;
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

Status list(const WayArguments& arguments) {
  const auto mysql = mysql_of(arguments);
  if (!mysql) return mysql.error();
  JournalRegistry registry(*mysql);
  SLUICE_TRY(registry.connect());
  const auto journals = registry.all();
  if (!journals) return journals.error();
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

// What `redrain` works with.
struct Folder {
  journal::Folder files;
  std::string dir;

  uint64_t first_sequence() const { return files.segments.front().header.first_sequence; }
  const journal::SegmentHeader& oldest() const { return files.segments.front().header; }
};

Status check_needs_redrain(const Folder& folder, const std::optional<RegisteredJournal>& known) {
  if (!known || !known->position || *known->position < folder.first_sequence()) return {};
  return Error(ErrorClass::kRefused,
               "MySQL has the journal drained below record " + std::to_string(*known->position) +
                   ", and the segments begin with record " +
                   std::to_string(folder.first_sequence()) +
                   ": the flusher goes on there by itself, or tells what else is wrong; start it");
}

void tell_redrain(const Folder& folder, const std::optional<RegisteredJournal>& known) {
  const std::string from =
      known && known->position ? std::to_string(*known->position) : "the first";
  std::printf(
      "Journal %s of proxy.id %u in %s: MySQL needs it from record %s on; the segments begin "
      "with record %s, what is older is in the snapshot, without FIELDS.\n",
      std::to_string(folder.oldest().journal_id).c_str(), folder.oldest().proxy_id,
      folder.dir.c_str(), from.c_str(), std::to_string(folder.first_sequence()).c_str());
  if (folder.files.snapshot && folder.files.snapshot->retired_ms != 0) {
    std::printf(
        "Items that were over are in it no more: their orders up to %s UTC, as far as the "
        "backup lacks them, are lost.\n",
        base::utc_text(folder.files.snapshot->retired_ms).c_str());
  }
  std::printf(
      "To be done: what MySQL lacks of the snapshot is put in (sluice-ctl reconcile "
      "--fix); the flusher then goes on with record %s.\n",
      std::to_string(folder.first_sequence()).c_str());
}

Status redrain(const WayArguments& arguments) {
  auto overrides = base::parse_overrides(arguments.sets);
  if (!overrides) return invalid(overrides.error().message() + ": write KEY=VALUE");
  const auto sources = read_sources(arguments.configs, *overrides);
  if (!sources) return sources.error();
  base::FileSystem& fs = base::posix_file_system();
  auto lock = fs.lock(journal::path_in(arguments.dir, journal::kFlusherLockName));
  if (!lock) return lock.error().at("its flusher runs; stop it first");
  auto files = journal::load_folder(arguments.dir, fs);
  if (!files) return files.error();
  if (files->segments.empty()) {
    return Error(ErrorClass::kNotFound, "no journal in " + arguments.dir);
  }
  const Folder folder{std::move(*files), arguments.dir};
  JournalRegistry registry(sources->mysql);
  SLUICE_TRY(registry.connect());
  const auto found = registry.find(folder.oldest().journal_id);
  if (!found) return found.error();
  const std::optional<RegisteredJournal>& known = *found;
  SLUICE_TRY(check_needs_redrain(folder, known));
  tell_redrain(folder, known);
  if (arguments.dry_run) {
    tell_unchanged();
    return {};
  }
  RegisteredJournal journal = known.value_or(RegisteredJournal());
  journal.journal_id = folder.oldest().journal_id;
  journal.proxy_id = folder.oldest().proxy_id;
  SLUICE_TRY(registry.set_position(journal, folder.oldest().shelves, folder.first_sequence(),
                                   folder.oldest().fingerprint));
  std::vector<std::string> words{"--fix"};
  for (const std::string& config : arguments.configs) {
    words.insert(words.end(), {"--config", config});
  }
  for (const std::string& set : arguments.sets) words.insert(words.end(), {"--set", set});
  if (reconcile_command(words) != kDone) {
    return Error(
        ErrorClass::kUnavailable,
        "not all of it agrees yet: cure what the table names, then run sluice-ctl reconcile "
        "--fix with the same --config; the flusher may be started meanwhile");
  }
  std::printf("Done: start the flusher.\n");
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

void add_redrain_command(base::CommandLine& line) {
  const auto arguments = std::make_shared<WayArguments>();
  auto& redrain_line =
      line.command("redrain",
                   "MySQL was restored from a backup that is older than the segments: put "
                   "in what it lacks, from the snapshot, and let the flusher go on");
  redrain_line.option("DIR", &arguments->dir, "the journal's folder").required();
  redrain_line
      .option("--config", &arguments->configs,
              "a proxy's or a flusher's file; all proxies on the same Redis, and their "
              "flushers")
      .required()
      .type_name("FILE")
      .one_value_each();
  add_common(redrain_line, *arguments);
  redrain_line.flag("--dry-run", &arguments->dry_run, "only tell what would be done");
  redrain_line.does([arguments] { return end_of_way(redrain(*arguments)); });
}

}  // namespace sluice::ctl
