// `sluice-ctl journal adopt | repair`: takes the history of one proxy, or of several, over into a
// new journal, from what is left of their folders, from Redis and from MySQL.
//
//   look (changes nothing) ─► tell ─► new folder beside the old one ─► MySQL: the old
//   journals are retired, the new one registered ─► the folders change places ─► Redis: the lanes
//   are taken away, the shelves to be made anew from the journals
//
// Each step leaves what the next run begins with: until the folders have changed places the old one
// is there, and from then on the new one, which is whole.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <set>

#include "base/clock.h"
#include "base/command_line.h"
#include "base/decimal.h"
#include "ctl/commands.h"
#include "ctl/comparison.h"
#include "ctl/evidence.h"
#include "ctl/journal_registry.h"
#include "ctl/new_journal.h"
#include "ctl/redis_items.h"
#include "ctl/redis_lanes.h"
#include "journal/lineage.h"
#include "journal/peers.h"
#include "journal/refusal.h"
#include "journal/segment.h"

namespace sluice::ctl {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNamedMax = 20;

struct AdoptArguments {
  std::string dir;
  std::vector<std::string> configs, also, sets;
  std::string proxy_id;
  bool dry_run = false;
};

using base::invalid;

// The proxy.id in the newest readable header of a folder.
std::optional<uint32_t> lane_in(const std::string& dir) {
  const auto found = journal::salvage_header(dir, base::posix_file_system());
  if (!found || found->journal_id == 0) return std::nullopt;
  return found->proxy_id;
}

class Adoption {
 public:
  explicit Adoption(AdoptArguments arguments) : arguments_(std::move(arguments)) {}

  Status run() {
    SLUICE_TRY(choose());
    SLUICE_TRY(lock());
    auto redis = RedisConnection::connect(sources_.redis);
    if (!redis) return redis.error();
    RedisLanes lanes(*redis);
    SLUICE_TRY(lanes.check_dead(what_.lanes));
    JournalRegistry registry(sources_.mysql);
    SLUICE_TRY(registry.connect());
    SLUICE_TRY(find_living(lanes, registry));
    MysqlItems mysql(sources_.mysql, sources_.orders);
    auto evidence = gather_evidence(what_, *redis, mysql);
    if (!evidence) return evidence.error();
    mysql.end();
    const auto registered = registry.of_lanes(what_.lanes);
    if (!registered) return registered.error();
    SLUICE_TRY(complete(*evidence, *registered));
    tell(*evidence, *registered);
    if (arguments_.dry_run) {
      tell_unchanged();
      return {};
    }
    const std::string next = dir_ + ".adopting";
    fs::remove_all(next);
    auto made = write_journal(next, lane_, *evidence);
    if (!made) return made.error();
    SLUICE_TRY(write_peers(next));
    SLUICE_TRY(write_lineage(next, *evidence, *registered));
    SLUICE_TRY(
        registry.take_over(*registered, journal_ids(*evidence), *made, lane_, evidence->shelves));
    SLUICE_TRY(change_places(next));
    SLUICE_TRY(lanes.take_over(what_.lanes, lane_));
    tell_next(*made);
    return compare(*redis);
  }

 private:
  // Which folder, which lanes, and as which proxy the new journal goes on.
  Status choose() {
    auto overrides = base::parse_overrides(arguments_.sets);
    if (!overrides) return invalid(overrides.error().message() + ": write KEY=VALUE");
    auto sources = read_sources(arguments_.configs, *overrides);
    if (!sources) return sources.error();
    sources_ = std::move(*sources);
    std::error_code failure;
    dir_ = fs::weakly_canonical(fs::absolute(arguments_.dir), failure).string();
    const auto own = std::find_if(sources_.journals.begin(), sources_.journals.end(),
                                  [&](const JournalSource& one) { return one.dir == dir_; });
    if (own == sources_.journals.end()) {
      return invalid(arguments_.dir +
                     " is the journal.dir of no proxy given; give that proxy's "
                     "file with --config");
    }
    const std::optional<uint32_t> before = lane_in(dir_);
    SLUICE_TRY(choose_lane(*own, before));
    what_.lanes.insert(before.value_or(lane_));
    what_.folders.push_back(dir_);
    for (const std::string& also : arguments_.also) SLUICE_TRY(add_also(also));
    for (const JournalSource& other : sources_.journals) {
      const bool is_taken =
          std::find(what_.folders.begin(), what_.folders.end(), other.dir) != what_.folders.end();
      if (!is_taken && !what_.lanes.contains(other.lane)) what_.others.push_back(other);
    }
    return {};
  }

  Status choose_lane(const JournalSource& own, std::optional<uint32_t> before) {
    if (!arguments_.proxy_id.empty()) {
      if (base::parse_decimal(arguments_.proxy_id, lane_) && lane_ <= 1023) return {};
      return invalid("--proxy-id " + arguments_.proxy_id + ": it is a number from 0 to 1023");
    }
    if (own.is_lane_known) {
      lane_ = own.lane;
    } else if (before) {
      lane_ = *before;
    } else {
      return invalid(
          "which proxy.id wrote " + dir_ +
          " cannot be seen there any more, nor is it in the proxy's file: give it with "
          "--proxy-id (`sluice-ctl peers list`, or sluice_journal, tell which there are)");
    }
    return {};
  }

  // Another proxy's folder, or, if that is gone, its number.
  Status add_also(const std::string& also) {
    uint32_t lane = 0;
    if (base::parse_decimal(also, lane) && lane <= 1023) {
      what_.lanes.insert(lane);
      return {};
    }
    std::error_code failure;
    const std::string dir = fs::weakly_canonical(fs::absolute(also), failure).string();
    const auto of_folder = lane_in(dir);
    if (!of_folder) {
      return invalid("--also " + also +
                     ": no journal can be read there; if it is gone, give the "
                     "proxy.id that wrote it instead");
    }
    what_.lanes.insert(*of_folder);
    what_.folders.push_back(dir);
    return {};
  }

  // What those sold is theirs. A proxy of this Redis that is not given is refused: without its
  // journal it cannot be told what of the stock it gave.
  Status find_living(RedisLanes& lanes, JournalRegistry& registry) {
    for (const JournalSource& other : what_.others) what_.living.insert(other.lane);
    const auto known = lanes.known();
    if (!known) return known.error();
    for (const uint32_t lane : *known) {
      if (what_.lanes.contains(lane) || what_.living.contains(lane)) continue;
      const std::string number = std::to_string(lane);
      return invalid("proxy " + number +
                     " sells from this Redis, too: give its --config; or, if it "
                     "is gone for good, --also " +
                     number + " to take its history over");
    }
    const auto journals = registry.all();
    if (!journals) return journals.error();
    for (const RegisteredJournal& one : *journals) {
      if (!one.is_retired && !what_.lanes.contains(one.proxy_id)) what_.living.insert(one.proxy_id);
    }
    return {};
  }

  // Neither a proxy nor a flusher may work on the folders meanwhile.
  Status lock() {
    for (const std::string& folder : what_.folders) {
      if (!fs::exists(folder)) continue;
      for (const std::string_view name : {journal::kLockName, journal::kFlusherLockName}) {
        auto lock = base::posix_file_system().lock(journal::path_in(folder, name));
        if (!lock) {
          return lock.error().at(folder + " is in use; stop its proxy and its flusher first");
        }
        locks_.push_back(std::move(*lock));
      }
    }
    return {};
  }

  // Where neither a folder nor Redis tells it, MySQL does.
  static Status complete(Evidence& evidence, const std::vector<RegisteredJournal>& registered) {
    for (const RegisteredJournal& one : registered) {
      if (evidence.shelves == 0) evidence.shelves = one.shelves;
    }
    if (evidence.shelves != 0) return {};
    return Error(ErrorClass::kNotFound,
                 "neither a folder, nor Redis, nor MySQL knows these proxies: there is nothing to "
                 "take over; start the proxy with a new folder");
  }

  std::set<uint64_t> journal_ids(const Evidence& evidence) const {
    std::set<uint64_t> ids;
    for (const journal::Salvage& folder : evidence.folders) {
      if (folder.journal_id != 0) ids.insert(folder.journal_id);
    }
    return ids;
  }

  void tell(const Evidence& evidence, const std::vector<RegisteredJournal>& registered) const {
    for (size_t i = 0; i < what_.folders.size(); ++i) {
      tell_folder(what_.folders[i], evidence.folders[i]);
    }
    std::printf("Redis at %s: %s\n", sources_.redis.text().c_str(),
                evidence.redis_has_lanes ? "knows what these proxies sold"
                                         : "knows nothing of these proxies");
    tell_orders(evidence);
    tell_stock(evidence);
    std::string ids;
    for (const RegisteredJournal& one : registered) {
      ids += (ids.empty() ? "" : ", ") + std::to_string(one.journal_id) + " (proxy.id " +
             std::to_string(one.proxy_id) + ", host " + one.host + ")";
    }
    std::printf(
        "To be done: a new journal in %s, of proxy.id %u; the old folder stays "
        "beside it\n",
        dir_.c_str(), lane_);
    if (!ids.empty()) std::printf("  MySQL: retired: %s\n", ids.c_str());
    std::printf("  Redis: its shelves are made anew from the journals\n");
  }

  static void tell_folder(const std::string& dir, const journal::Salvage& found) {
    if (found.journal_id == 0) {
      std::printf("%s: no journal\n", dir.c_str());
    } else {
      std::printf("%s: journal %llu of proxy.id %u, records to %llu\n", dir.c_str(),
                  static_cast<unsigned long long>(found.journal_id), found.proxy_id,
                  static_cast<unsigned long long>(found.end_sequence - 1));
    }
    for (const std::string& damage : found.damage) std::printf("  damaged: %s\n", damage.c_str());
    for (const journal::Salvage::Gap& gap : found.gaps) {
      std::printf("  lost there: records %llu to %llu\n",
                  static_cast<unsigned long long>(gap.first),
                  static_cast<unsigned long long>(gap.end - 1));
    }
  }

  void tell_orders(const Evidence& evidence) const {
    uint64_t all = 0, folder_only = 0, redis_only = 0, mysql_only = 0, to_drain = 0;
    for (const auto& [key, item] : evidence.items) {
      for (const auto& [id, order] : item.orders) {
        ++all;
        folder_only += order.in_folder && !order.in_redis && !order.in_mysql ? 1 : 0;
        redis_only += !order.in_folder && order.in_redis && !order.in_mysql ? 1 : 0;
        mysql_only += !order.in_folder && !order.in_redis && order.in_mysql ? 1 : 0;
        to_drain += order.in_mysql ? 0 : 1;
      }
    }
    std::printf(
        "Orders that are proven: %llu of %zu items; %llu by the folder alone, %llu by Redis "
        "alone (without FIELDS), %llu by MySQL alone; %llu are still to be drained\n",
        static_cast<unsigned long long>(all), evidence.items.size(),
        static_cast<unsigned long long>(folder_only), static_cast<unsigned long long>(redis_only),
        static_cast<unsigned long long>(mysql_only), static_cast<unsigned long long>(to_drain));
  }

  // Where the sides do not agree about what was given.
  void tell_stock(const Evidence& evidence) const {
    size_t named = 0;
    for (const auto& [key, item] : evidence.items) {
      const bool folder_differs = item.folder_given != item.given() && item.folder_given != 0;
      const bool redis_differs = item.in_redis && item.redis_given != item.given();
      const bool mysql_more = item.has_row && item.mysql_given > item.given();
      if (!folder_differs && !redis_differs && !mysql_more && !item.only_in_mysql) continue;
      if (named++ == kNamedMax) {
        std::printf("  … and others\n");
        return;
      }
      if (item.only_in_mysql) {
        std::printf("  item %s: only MySQL has it; %lld given\n", std::get<0>(key).c_str(),
                    static_cast<long long>(item.given()));
        continue;
      }
      std::printf(
          "  item %s: given by these proxies: folder %lld, Redis %lld, MySQL %lld; %lld "
          "counts%s\n",
          std::get<0>(key).c_str(), static_cast<long long>(item.folder_given),
          static_cast<long long>(item.redis_given), static_cast<long long>(item.mysql_given),
          static_cast<long long>(item.given()), mysql_more ? ": restock it if MySQL is right" : "");
    }
  }

  Status write_lineage(const std::string& next, const Evidence& evidence,
                       const std::vector<RegisteredJournal>& registered) const {
    base::FileSystem& files = base::posix_file_system();
    std::set<uint64_t> ids = journal_ids(evidence);
    for (const RegisteredJournal& one : registered) ids.insert(one.journal_id);
    for (const std::string& folder : what_.folders) {
      const auto before = journal::predecessors(folder, files);
      if (!before) return before.error();
      ids.insert(before->begin(), before->end());
    }
    return journal::set_predecessors(next, files, ids);
  }

  // Whom the folder knew, if it can still tell, and all others that were given: if Redis loses
  // everything before the proxy has met them it must wait for them all the same.
  Status write_peers(const std::string& next) const {
    base::FileSystem& files = base::posix_file_system();
    journal::Peers peers;
    if (const auto known = journal::read_peers(dir_, files)) peers = *known;
    for (const uint32_t lane : what_.lanes) peers.erase(lane);
    peers.erase(lane_);
    for (const JournalSource& other : what_.others) {
      const auto header = journal::salvage_header(other.dir, files);
      if (!header) return header.error();
      peers[other.lane] = std::to_string(header->journal_id);
    }
    return journal::write_peers(next, files, peers);
  }

  Status change_places(const std::string& next) {
    base::FileSystem& files = base::posix_file_system();
    if (fs::exists(dir_)) {
      std::string kept = dir_ + ".before-" + std::to_string(base::wall_ms());
      SLUICE_TRY(files.rename(dir_, kept));
      kept_.push_back(kept);
    }
    SLUICE_TRY(files.rename(next, dir_));
    SLUICE_TRY(files.sync_dir(fs::path(dir_).parent_path().string()));
    for (const std::string& folder : what_.folders) {
      if (folder == dir_) continue;
      SLUICE_TRY(journal::set_refusal(folder, files,
                                      "its history was taken over into the journal in " + dir_));
      kept_.push_back(folder);
    }
    return {};
  }

  // MySQL with the new journal. Redis is made anew when the proxy starts.
  Status compare(RedisConnection& redis) {
    Sources sources = sources_;
    sources.journals = what_.others;
    sources.journals.push_back({dir_, lane_});
    MysqlItems mysql(sources.mysql, sources.orders);
    const auto found = Comparer(sources, redis, mysql).run({}, {});
    if (!found) return found.error().at("the new journal cannot be compared with MySQL");
    size_t differ = 0;
    for (const ItemComparison& item : found->items) {
      for (const Difference& one : item.differences) {
        if (one.side != Side::kMysql) continue;
        std::printf("%s: MySQL: %s\n", item.name.c_str(), one.text.c_str());
        ++differ;
      }
    }
    if (differ == 0) {
      std::printf("MySQL agrees with the new journal, as far as it is drained.\n");
      return {};
    }
    return Error(ErrorClass::kUnavailable,
                 "MySQL differs from the new journal: see above, and sluice-ctl reconcile --fix");
  }

  void tell_next(const NewJournal& made) const {
    std::printf("\nDone: journal %llu in %s has %llu records; the flusher will drain %llu orders",
                static_cast<unsigned long long>(made.journal_id), dir_.c_str(),
                static_cast<unsigned long long>(made.records),
                static_cast<unsigned long long>(made.to_drain_orders));
    if (made.without_fields > 0) {
      std::printf(", %llu of them without the FIELDS that they may have had",
                  static_cast<unsigned long long>(made.without_fields));
    }
    std::printf(".\n");
    for (const std::string& kept : kept_) std::printf("Kept for people: %s\n", kept.c_str());
    std::printf(
        "Now start the proxy (proxy.id %u) and its flusher, wait until both are ready, and "
        "compare: sluice-ctl reconcile with the same --config\n",
        lane_);
  }

  const AdoptArguments arguments_;
  Sources sources_;
  std::string dir_;
  uint32_t lane_ = 0;
  TakeOver what_;
  std::vector<std::unique_ptr<base::FileLock>> locks_;
  std::vector<std::string> kept_;
};

}  // namespace

void add_adopt_command(base::CommandLine& line, const char* name, const char* text) {
  auto& adopt = line.command(name, text);
  const auto arguments = std::make_shared<AdoptArguments>();
  adopt.option("DIR", &arguments->dir, "the folder that the proxy is to go on with").required();
  adopt
      .option("--config", &arguments->configs,
              "a proxy's or a flusher's file; all proxies on the same Redis, and their flushers")
      .required()
      .type_name("FILE")
      .one_value_each();
  adopt
      .option("--also", &arguments->also,
              "another proxy whose history is taken over with it: its folder, or its proxy.id if "
              "that is gone")
      .type_name("DIR|ID")
      .one_value_each();
  adopt.option("--proxy-id", &arguments->proxy_id,
               "go on with this number (default: that of the proxy's file, else of the folder)");
  adopt.option("--set", &arguments->sets, "override a key of these files; repeatable")
      .type_name("KEY=VALUE")
      .one_value_each();
  adopt.flag("--dry-run", &arguments->dry_run, "only tell what would be done");
  adopt.does([arguments] { return end_of_way(Adoption(*arguments).run()); });
}

}  // namespace sluice::ctl
