// sluice-ctl reconcile: compares Redis, journals and MySQL item by item; --fix repairs what the
// journal proves.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/command_line.h"
#include "ctl/commands.h"
#include "ctl/comparison.h"
#include "ctl/reconcile_report.h"
#include "ctl/redis_connection.h"
#include "ctl/repair.h"
#include "ctl/sources.h"

namespace sluice::ctl {
namespace {

// What is true at every moment is compared, but a rebuild by the gate or a retried dead letter
// takes its moment: what differs is looked at again.
constexpr int kLooks = 4;
constexpr auto kLookInterval = std::chrono::milliseconds(300);
// The proxies notice a flagged item within a second and rebuild some 100,000 records in another.
constexpr int64_t kRebuildUs = 30'000'000;

struct Options {
  std::vector<std::string> configs;
  base::Config::Overrides overrides;
  ItemFilter items;
  bool json = false;
  bool fix = false;
};

int failed(const Error& error) {
  std::fprintf(stderr, "sluice-ctl reconcile: %s\n", error.message().c_str());
  return exit_code_of(error);
}

ItemFilter differing_items(const Comparison& comparison) {
  ItemFilter items;
  for (const ItemComparison& item : comparison.items) {
    if (!item.differences.empty()) items.insert(item.name);
  }
  return items;
}

// What is looked at again: a purchase may have come between two looks at one item.
ItemFilter unsettled_items(const Comparison& comparison) {
  ItemFilter items = differing_items(comparison);
  for (const ItemComparison& item : comparison.items) {
    if (item.cannot_tell()) items.insert(item.name);
  }
  return items;
}

// Replaces the items of `names` by what a later look found.
void replace(Comparison& comparison, const ItemFilter& names, Comparison later) {
  std::erase_if(comparison.items,
                [&](const ItemComparison& item) { return names.contains(item.name); });
  for (ItemComparison& item : later.items) comparison.items.push_back(std::move(item));
  std::sort(comparison.items.begin(), comparison.items.end(),
            [](const ItemComparison& a, const ItemComparison& b) { return a.name < b.name; });
}

class Reconciler {
 public:
  Reconciler(const Sources& sources, RedisConnection& redis)
      : sources_(sources),
        mysql_(sources.mysql, sources.orders),
        comparer_(sources, redis, mysql_) {}

  // Only what differs at every look is a difference.
  Result<Comparison> compare(const ItemFilter& filter) {
    auto comparison = look(filter);
    if (!comparison) return comparison;
    for (int i = 1; i < kLooks; ++i) {
      const ItemFilter names = unsettled_items(*comparison);
      if (names.empty()) break;
      std::this_thread::sleep_for(kLookInterval);
      auto again = look(names);
      if (!again) return again;
      replace(*comparison, names, std::move(*again));
    }
    return comparison;
  }

  // Repairs the items that differ and compares them again; `comparison` then says what is left.
  Status fix(Comparison& comparison, FixReport& done) {
    const ItemFilter names = differing_items(comparison);
    done.tried = true;
    if (names.empty()) return {};
    Repair repair(sources_.mysql, sources_.orders);
    SLUICE_TRY(repair.connect());
    const auto found =
        comparer_.run(names, [&](const std::string& item, const std::vector<OrderRepair>& repairs) {
          return repair.orders(item, repairs);
        });
    if (!found) return found.error();
    for (const ItemComparison& item : found->items) SLUICE_TRY(fix_item(item, repair, done));
    SLUICE_TRY(comparer_.ask_rebuild(asked_));
    done.orders = repair.repaired();
    done.without_fields = repair.without_fields();
    done.refused = repair.refused();
    return wait_for_rebuilds(comparison, names, done);
  }

 private:
  // The positions in MySQL move, and the janitor deletes behind them, while a look begins: damage
  // is believed when it is seen again.
  Result<Comparison> look(const ItemFilter& filter) {
    auto comparison = comparer_.run(filter, {});
    for (int i = 1; i < kLooks && !comparison; ++i) {
      if (comparison.error().cls() != ErrorClass::kCorrupt) break;
      std::this_thread::sleep_for(kLookInterval);
      comparison = comparer_.run(filter, {});
    }
    return comparison;
  }

  Status fix_item(const ItemComparison& item, Repair& repair, FixReport& done) {
    const auto fixable = [&](Side side, std::initializer_list<std::string_view> kinds) {
      return std::any_of(item.differences.begin(), item.differences.end(), [&](const auto& one) {
        return one.side == side && one.fixable &&
               (kinds.size() == 0 ||
                std::find(kinds.begin(), kinds.end(), one.kind) != kinds.end());
      });
    };
    const bool row = fixable(Side::kMysql, {"missing_item", "stock"});
    const bool sold = fixable(Side::kMysql, {"sold"});
    if (row) SLUICE_TRY(repair.item_row(item.name, item.journal, item.mysql));
    if (sold) SLUICE_TRY(repair.item_sold(item.name));
    if (row || sold) done.items.push_back(item.name);
    if (fixable(Side::kRedis, {})) asked_.insert(item.name);
    return {};
  }

  // Compares again, until the proxies have rebuilt what they were asked to or the time is over.
  Status wait_for_rebuilds(Comparison& comparison, const ItemFilter& names, FixReport& done) {
    const int64_t deadline_us = base::monotonic_us() + kRebuildUs;
    while (true) {
      auto again = compare(names);
      if (!again) return again.error();
      done.rebuilt.clear();
      done.not_rebuilt.clear();
      for (const ItemComparison& item : again->items) {
        if (!asked_.contains(item.name)) continue;
        (item.differs(Side::kRedis) ? done.not_rebuilt : done.rebuilt).push_back(item.name);
      }
      if (!done.not_rebuilt.empty() && base::monotonic_us() < deadline_us) continue;
      replace(comparison, names, std::move(*again));
      return {};
    }
  }

  const Sources& sources_;
  MysqlItems mysql_;
  Comparer comparer_;
  ItemFilter asked_;  // items that the proxies were asked to rebuild
};

// kNotFound if an item that was asked for is in none of the three.
Status check_asked(const ItemFilter& asked, const Comparison& comparison) {
  for (const std::string& name : asked) {
    const auto known = [&](const ItemComparison& item) { return item.name == name; };
    if (std::any_of(comparison.items.begin(), comparison.items.end(), known)) continue;
    const bool retired = std::find(comparison.retired.begin(), comparison.retired.end(), name) !=
                         comparison.retired.end();
    return Error(ErrorClass::kNotFound,
                 "--item " + name +
                     (retired ? ": the journal has retired it: it was drained and closed long ago"
                              : ": neither Redis nor a journal nor MySQL knows it"));
  }
  return {};
}

int reconcile(const Options& options) {
  const auto sources = read_sources(options.configs, options.overrides);
  if (!sources) return failed(sources.error());
  auto redis = RedisConnection::connect(sources->redis);
  if (!redis) return failed(redis.error());
  Reconciler reconciler(*sources, *redis);
  auto comparison = reconciler.compare(options.items);
  if (!comparison) return failed(comparison.error());
  if (Status asked = check_asked(options.items, *comparison); !asked) return failed(asked.error());
  FixReport fix;
  if (options.fix) {
    if (Status fixed = reconciler.fix(*comparison, fix); !fixed) return failed(fixed.error());
  }
  const std::string text =
      options.json ? json_text(*comparison, fix) : table_text(*comparison, fix);
  std::fwrite(text.data(), 1, text.size(), stdout);
  const bool is_known = comparison->retired_but_there.empty();
  return is_known && unsettled_items(*comparison).empty() ? kDone : kFailed;
}

constexpr const char* kDescription =
    "Compares, item by item, what Redis, the journals and MySQL know of a sale: units given, sold\n"
    "and left, orders and cancelled orders, records waiting to be drained, dead-lettered orders.\n"
    "May run at any time, also during a sale and a drain: what is on its way is no difference.\n\n"
    "The journal is believed. Changes nothing unless --fix is given.";

constexpr const char* kFooter =
    "The columns show the journal's figures; below an item that differs stand those of Redis and\n"
    "MySQL, and each difference in words. `waiting` counts records, `dead-lettered` orders.\n\n"
    "--fix repairs what the journal proves:\n"
    "  Redis  the shelf of an item that differs is rebuilt from the journals by the running "
    "proxies;\n"
    "         its items, one in sale.shelves of all, are not sold meanwhile\n"
    "  MySQL  orders that are missing are inserted again, cancels that are missing made, "
    "items.stock\n"
    "         set as drained, items.sold to the sum of the live orders\n"
    "It never deletes: orders that no journal knows, and orders that were changed, are only "
    "reported.\n"
    "\nOf an item it says `agrees`, `differs`, or `cannot be compared`, and what and why.\n"
    "\nExamples:\n"
    "  sluice-ctl reconcile --config conf/proxy.toml --config conf/flusher.toml\n"
    "  sluice-ctl reconcile --config proxy1.toml --config flusher1.toml --config proxy2.toml\n"
    "             --config flusher2.toml --item phone --fix\n\n"
    "Exit codes: 0 all agree; 1 there are differences, something cannot be compared, or a server\n"
    "cannot be reached; 2 bad arguments; 3 a journal is damaged, or does not belong to this\n"
    "database.";

}  // namespace

int reconcile_command(std::span<const std::string> args) {
  base::CommandLine line(kDescription, "sluice-ctl reconcile");
  line.footer(kFooter);
  Options options;
  std::vector<std::string> sets, items;
  line.option("--config", &options.configs,
              "a proxy's or a flusher's file, recognised by its tables; repeat it for all "
              "proxies that sell the same items and their flushers")
      .required()
      .type_name("FILE")
      .one_value_each();
  line.option("--set", &sets, "override a key of these files, as the daemons do; repeatable")
      .type_name("KEY=VALUE")
      .one_value_each();
  line.option("--item", &items, "compare this item only; repeatable")
      .type_name("NAME")
      .one_value_each();
  line.flag("--json", &options.json, "print one JSON object instead of the table");
  line.flag("--fix", &options.fix, "repair what the journal proves, then compare again");
  if (const auto end = line.parse(args)) return *end;
  auto overrides = base::parse_overrides(sets);
  if (!overrides) {
    return failed(Error(ErrorClass::kInvalid, overrides.error().message() + ": write KEY=VALUE"));
  }
  options.overrides = std::move(*overrides);
  options.items = ItemFilter(items.begin(), items.end());
  return reconcile(options);
}

}  // namespace sluice::ctl
