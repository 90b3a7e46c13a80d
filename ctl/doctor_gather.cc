// Reads the files that doctor is given, and has everything that they name looked at, once.
#include <algorithm>
#include <filesystem>

#include "ctl/doctor.h"
#include "orders/config.h"
#include "sql/config.h"

namespace sluice::ctl::doctor {
namespace {

// Two spellings of one folder are one journal.
std::string one_spelling(const std::string& dir) {
  std::error_code failure;
  const auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(dir), failure);
  std::string text = failure ? dir : path.string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

class Gatherer {
 public:
  Status add(const std::string& path) {
    const auto kind = config_kind(path);
    if (!kind) return kind.error();
    const Status added = *kind == ConfigKind::kProxy ? add_proxy(path) : add_flusher(path);
    if (!added) gathered_.unusable.push_back({path, added.error().message()});
    return {};
  }

  Gathered finish() {
    for (RedisFacts& redis : gathered_.redises) ask_redis(redis);
    for (MysqlFacts& mysql : gathered_.databases) ask_mysql(mysql);
    for (JournalFacts& journal : gathered_.journals) look_at(journal);
    for (ProxyFacts& proxy : gathered_.proxies) {
      const JournalFacts& journal = gathered_.journals[proxy.journal];
      if (!proxy.lane && journal.extent) proxy.lane = journal.extent->proxy_id;
      proxy.open_files_max = open_files_max(journal.dir);
    }
    return std::move(gathered_);
  }

 private:
  Status add_proxy(const std::string& path) {
    auto config = read_config(proxy_keys(), path, {});
    if (!config) return config.error();
    ProxyFacts proxy{path, std::move(*config), 0, 0, std::nullopt, "", 0};
    auto redis = redis_target(proxy.config);
    if (!redis) return redis.error().at(path);
    proxy.redis = place_of(*redis);
    proxy.journal = journal_of(proxy.config.string("journal.dir"));
    JournalFacts& journal = gathered_.journals[proxy.journal];
    journal.proxies.push_back(path);
    journal.max_bytes = std::max(journal.max_bytes, proxy.config.integer("journal.max_bytes"));
    if (const auto id = proxy.config.integer_if_set("proxy.id"))
      proxy.lane = static_cast<uint32_t>(*id);
    proxy.complaint = complaint_of("sluice-proxy", path);
    gathered_.proxies.push_back(std::move(proxy));
    return {};
  }

  Status add_flusher(const std::string& path) {
    auto config = read_config(flusher_keys(), path, {});
    if (!config) return config.error();
    FlusherFacts flusher{path, std::move(*config), 0, 0, ""};
    auto mysql = sql::connect_options(flusher.config);
    if (!mysql) return mysql.error().at(path);
    auto orders = orders::order_table(flusher.config);
    if (!orders) return orders.error().at(path);
    flusher.mysql = place_of(*mysql, std::move(*orders));
    MysqlFacts& facts = gathered_.databases[flusher.mysql];
    facts.batch_bytes = std::max(facts.batch_bytes, flusher.config.integer("batch.bytes"));
    flusher.journal = journal_of(flusher.config.string("journal.dir"));
    gathered_.journals[flusher.journal].flushers.push_back(path);
    flusher.complaint = complaint_of("sluice-flusher", path);
    gathered_.flushers.push_back(std::move(flusher));
    return {};
  }

  size_t place_of(const RedisTarget& target) {
    auto& all = gathered_.redises;
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const RedisFacts& one) { return one.target == target; });
    if (found != all.end()) return static_cast<size_t>(found - all.begin());
    all.emplace_back().target = target;
    return all.size() - 1;
  }

  size_t place_of(const sql::ConnectOptions& options, orders::OrderTable orders) {
    auto& all = gathered_.databases;
    const auto found = std::find_if(all.begin(), all.end(), [&](const MysqlFacts& one) {
      return one.options.text() == options.text() &&
             one.orders.mapping().config == orders.mapping().config;
    });
    if (found != all.end()) return static_cast<size_t>(found - all.begin());
    MysqlFacts& mysql = all.emplace_back();
    mysql.options = options;
    mysql.orders = std::move(orders);
    return all.size() - 1;
  }

  size_t journal_of(const std::string& dir) {
    auto& all = gathered_.journals;
    const std::string spelled = one_spelling(dir);
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const JournalFacts& one) { return one.dir == spelled; });
    if (found != all.end()) return static_cast<size_t>(found - all.begin());
    all.emplace_back().dir = spelled;
    return all.size() - 1;
  }

  Gathered gathered_;
};

}  // namespace

Result<Gathered> gather(const std::vector<std::string>& paths) {
  Gatherer gatherer;
  for (const std::string& path : paths) SLUICE_TRY(gatherer.add(path));
  return gatherer.finish();
}

}  // namespace sluice::ctl::doctor
