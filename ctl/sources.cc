#include "ctl/sources.h"

#include <algorithm>
#include <filesystem>

#include "ctl/config_file.h"
#include "journal/reader.h"
#include "orders/config.h"
#include "sql/config.h"

namespace sluice::ctl {
namespace {

using base::invalid;

// Two spellings of one folder are one journal.
std::string canonical(const std::string& dir) {
  std::error_code failure;
  const auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(dir), failure);
  return failure ? dir : path.string();
}

// As the proxy takes it: its folder's own if it is not given. A folder without a journal is for
// those to refuse who read it.
JournalSource source_of(const base::Config& config, const std::string& dir) {
  if (const auto id = config.integer_if_set("proxy.id")) return {dir, static_cast<uint32_t>(*id)};
  const auto extent = journal::extent(dir, base::posix_file_system());
  return {dir, extent ? extent->proxy_id : 0, extent.ok()};
}

// Collects the files, one after the other; the first of a kind decides, the others must agree.
class Collector {
 public:
  Status add_proxy(const std::string& path, const base::Config& config) {
    auto redis = redis_target(config);
    if (!redis) return redis.error().at(path);
    if (!sources_.journals.empty() && !(*redis == sources_.redis)) {
      return invalid(path + ": another Redis than the proxies before it; compare them one by one");
    }
    sources_.redis = std::move(*redis);
    const std::string dir = canonical(config.string("journal.dir"));
    const JournalSource source = source_of(config, dir);
    const uint32_t lane = source.lane;
    for (const JournalSource& other : sources_.journals) {
      if (other.lane == lane || other.dir == dir) {
        return invalid(path + ": the same " + (other.lane == lane ? "proxy.id" : "journal.dir") +
                       " as the proxy before it");
      }
    }
    sources_.journals.push_back(source);
    return {};
  }

  Status add_flusher(const std::string& path, const base::Config& config) {
    auto mysql = sql::connect_options(config);
    if (!mysql) return mysql.error().at(path);
    auto table = orders::order_table(config);
    if (!table) return table.error().at(path);
    if (!flusher_dirs_.empty() &&
        (mysql->text() != sources_.mysql.text() ||
         !(table->mapping().config == sources_.orders.mapping().config))) {
      return invalid(path +
                     ": another database or orders table than the flushers before it; "
                     "compare them one by one");
    }
    sources_.mysql = std::move(*mysql);
    sources_.orders = std::move(*table);
    flusher_dirs_.emplace_back(path, canonical(config.string("journal.dir")));
    return {};
  }

  Result<Sources> finish() {
    if (sources_.journals.empty() || flusher_dirs_.empty()) {
      return invalid(std::string("--config: the file of a ") +
                     (sources_.journals.empty() ? "proxy" : "flusher") +
                     " is missing; give both, for example --config conf/proxy.toml --config "
                     "conf/flusher.toml");
    }
    for (const auto& [path, dir] : flusher_dirs_) {
      const auto same = [&wanted = dir](const JournalSource& one) { return one.dir == wanted; };
      if (std::none_of(sources_.journals.begin(), sources_.journals.end(), same)) {
        return invalid(path + ": journal.dir: " + dir +
                       " is the journal of no proxy given; give that proxy's file too");
      }
    }
    return std::move(sources_);
  }

 private:
  Sources sources_;
  std::vector<std::pair<std::string, std::string>> flusher_dirs_;  // file, journal.dir
};

Status check_overrides(const base::Config::Overrides& overrides) {
  const base::Config proxy(proxy_keys());
  const base::Config flusher(flusher_keys());
  for (const auto& [name, text] : overrides) {
    if (proxy.find(name) == nullptr && flusher.find(name) == nullptr) {
      return invalid("--set " + name + ": reconcile does not read this key");
    }
  }
  return {};
}

}  // namespace

Result<Sources> read_sources(const std::vector<std::string>& paths,
                             const base::Config::Overrides& overrides) {
  SLUICE_TRY(check_overrides(overrides));
  Collector collector;
  for (const std::string& path : paths) {
    const auto kind = config_kind(path);
    if (!kind) return kind.error();
    const bool proxy = *kind == ConfigKind::kProxy;
    const auto config = read_config(proxy ? proxy_keys() : flusher_keys(), path, overrides);
    if (!config) return config.error();
    SLUICE_TRY(proxy ? collector.add_proxy(path, *config) : collector.add_flusher(path, *config));
  }
  return collector.finish();
}

}  // namespace sluice::ctl
