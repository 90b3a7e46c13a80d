// `sluice-ctl journal redrain`: MySQL was restored from a backup older than the segments of one or
// several journals. What it lacks is put in from their snapshots; the flushers go on behind that.
//
//   look at all journals given ─► tell ─► each checkpoint to its oldest segment ─► reconcile --fix
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/clock.h"
#include "base/command_line.h"
#include "ctl/commands.h"
#include "ctl/journal_registry.h"
#include "ctl/sources.h"
#include "journal/examine.h"
#include "journal/reader.h"
#include "journal/segment.h"
#include "journal/snapshot.h"

namespace sluice::ctl {
namespace {

using base::invalid;

struct RedrainArguments {
  std::vector<std::string> dirs, configs, sets;
  bool dry_run = false;
};

struct Folder {
  journal::Folder files;
  std::string dir;
  std::optional<RegisteredJournal> known;  // to MySQL

  uint64_t first_sequence() const { return oldest().first_sequence; }
  const journal::SegmentHeader& oldest() const { return files.segments.front().header; }
  bool needs_redrain() const {
    return !known || !known->position || *known->position < first_sequence();
  }
};

Result<Folder> open_folder(const std::string& dir, JournalRegistry& registry) {
  auto files = journal::load_folder(dir, base::posix_file_system());
  if (!files) return files.error();
  if (files->segments.empty()) return Error(ErrorClass::kNotFound, "no journal in " + dir);
  Folder folder{std::move(*files), dir, {}};
  auto known = registry.find(folder.oldest().journal_id);
  if (!known) return known.error();
  folder.known = std::move(*known);
  return folder;
}

void tell(const Folder& folder) {
  const std::string from = folder.known && folder.known->position
                               ? std::to_string(*folder.known->position)
                               : "the first";
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

class Redrain {
 public:
  explicit Redrain(const RedrainArguments& arguments) : arguments_(arguments) {}

  Status run() {
    auto overrides = base::parse_overrides(arguments_.sets);
    if (!overrides) return invalid(overrides.error().message() + ": write KEY=VALUE");
    const auto sources = read_sources(arguments_.configs, *overrides);
    if (!sources) return sources.error();
    SLUICE_TRY(lock());
    JournalRegistry registry(sources->mysql);
    SLUICE_TRY(registry.connect());
    SLUICE_TRY(look(registry));
    SLUICE_TRY(look_for_others(*sources, registry));
    for (const Folder& folder : folders_) tell(folder);
    if (arguments_.dry_run) {
      tell_unchanged();
      return {};
    }
    for (const Folder& folder : folders_) SLUICE_TRY(set_position(folder, registry));
    return fix();
  }

 private:
  Status lock() {
    for (const std::string& dir : arguments_.dirs) {
      auto lock = base::posix_file_system().lock(journal::path_in(dir, journal::kFlusherLockName));
      if (!lock) return lock.error().at("the flusher of " + dir + " runs; stop it first");
      locks_.push_back(std::move(*lock));
    }
    return {};
  }

  Status look(JournalRegistry& registry) {
    for (const std::string& dir : arguments_.dirs) {
      auto folder = open_folder(dir, registry);
      if (!folder) return folder.error();
      if (!folder->needs_redrain()) {
        return Error(ErrorClass::kRefused,
                     dir + ": MySQL has the journal drained below record " +
                         std::to_string(*folder->known->position) +
                         ", and the segments begin with record " +
                         std::to_string(folder->first_sequence()) +
                         ": the flusher goes on there by itself, or tells what else is wrong; "
                         "start it");
      }
      folders_.push_back(std::move(*folder));
    }
    return {};
  }

  // A backup is of all journals: nothing can be compared before each is in its place.
  Status look_for_others(const Sources& sources, JournalRegistry& registry) const {
    namespace fs = std::filesystem;
    std::string too;
    for (const JournalSource& source : sources.journals) {
      std::error_code failure;
      const bool is_given =
          std::any_of(arguments_.dirs.begin(), arguments_.dirs.end(),
                      [&](const auto& dir) { return fs::equivalent(dir, source.dir, failure); });
      if (is_given) continue;
      const auto folder = open_folder(source.dir, registry);
      if (!folder && folder.error().cls() == ErrorClass::kNotFound) continue;
      if (!folder) return folder.error();
      if (folder->known && folder->needs_redrain()) too += " " + source.dir;
    }
    if (too.empty()) return {};
    return Error(ErrorClass::kRefused,
                 "MySQL lacks what is behind the segments of others, too: give their folders as "
                 "well:" +
                     too);
  }

  Status set_position(const Folder& folder, JournalRegistry& registry) const {
    RegisteredJournal journal = folder.known.value_or(RegisteredJournal());
    journal.journal_id = folder.oldest().journal_id;
    journal.proxy_id = folder.oldest().proxy_id;
    return registry.set_position(journal, folder.oldest().shelves, folder.first_sequence(),
                                 folder.oldest().fingerprint);
  }

  Status fix() const {
    std::vector<std::string> words{"--fix"};
    for (const std::string& config : arguments_.configs)
      words.insert(words.end(), {"--config", config});
    for (const std::string& set : arguments_.sets) words.insert(words.end(), {"--set", set});
    if (reconcile_command(words) != kDone) {
      return Error(
          ErrorClass::kUnavailable,
          "not all of it agrees yet: cure what the table names, then run sluice-ctl reconcile "
          "--fix with the same --config; the flusher may be started meanwhile");
    }
    std::printf("Done: start the flusher.\n");
    return {};
  }

  const RedrainArguments& arguments_;
  std::vector<std::unique_ptr<base::FileLock>> locks_;
  std::vector<Folder> folders_;
};

}  // namespace

void add_redrain_command(base::CommandLine& line) {
  const auto arguments = std::make_shared<RedrainArguments>();
  auto& redrain =
      line.command("redrain",
                   "MySQL was restored from a backup that is older than the segments: put "
                   "in what it lacks, from the snapshot, and let the flusher go on");
  redrain.option("DIR", &arguments->dirs, "the journals' folders").required();
  redrain
      .option("--config", &arguments->configs,
              "a proxy's or a flusher's file; all proxies on the same Redis, and their "
              "flushers")
      .required()
      .type_name("FILE")
      .one_value_each();
  redrain.option("--set", &arguments->sets, "override a key of these files; repeatable")
      .type_name("KEY=VALUE")
      .one_value_each();
  redrain.flag("--dry-run", &arguments->dry_run, "only tell what would be done");
  redrain.does([arguments] { return end_of_way(Redrain(*arguments).run()); });
}

}  // namespace sluice::ctl
