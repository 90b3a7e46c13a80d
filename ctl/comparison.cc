#include "ctl/comparison.h"

#include <algorithm>
#include <set>

namespace sluice::ctl {
namespace {

// A proxy journals what Redis has applied within milliseconds; one whose disk is slow has its
// -UNKNOWNSTATE after five seconds.
constexpr int64_t kFollowUs = 3'000'000;

uint64_t at(const Lanes& lanes, uint32_t lane) {
  const auto found = lanes.find(lane);
  return found == lanes.end() ? 0 : found->second;
}

std::string count(uint64_t n, std::string_view noun) {
  return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

std::string is_not(std::string_view name, int64_t found, int64_t expected) {
  return std::string(name) + " is " + std::to_string(found) + ", the journal says " +
         std::to_string(expected);
}

std::string of_orders(const OrderList& list, std::string_view what) {
  std::string text = count(list.orders, "order") + " " + std::string(what) + ":";
  for (const uint64_t order_id : list.first) text += " " + std::to_string(order_id);
  if (list.first.size() < list.orders) {
    text += " and " + std::to_string(list.orders - list.first.size()) + " more";
  }
  return text;
}

// Of an item that the gate has closed, until all lanes are replayed.
std::string waiting(const RedisItem& item) {
  if (item.waits_for.empty()) return "";
  return "; it is being brought up to date, and waits for proxy.id " + item.waits_for;
}

Sales of_both(const MysqlItem& item) {
  Sales sales = item.orders;
  sales.bought += item.dead.bought;
  sales.cancelled += item.dead.cancelled;
  return sales;
}

// What the journals gave is not known to be all that was given.
void leave_stock(ItemComparison& item) {
  for (Difference& one : item.differences) {
    if (one.side == Side::kMysql && one.kind == "stock") one.fixable = false;
  }
}

bool same_orders(const Sales& a, const Sales& b) {
  return a.bought == b.bought && a.cancelled == b.cancelled;
}

}  // namespace

bool ItemComparison::differs(Side side) const {
  return std::any_of(differences.begin(), differences.end(),
                     [side](const Difference& one) { return one.side == side; });
}

Comparer::Comparer(const Sources& sources, RedisConnection& redis, MysqlItems& mysql)
    : sources_(sources), redis_(redis), mysql_(mysql) {}

Result<Comparison> Comparer::run(const ItemFilter& filter, const Repairer& repair) {
  SLUICE_TRY(read_sides(filter));
  auto comparison = judge_all(repair);
  mysql_.end();
  return comparison;
}

// The order matters: see journal_totals.h.
Status Comparer::read_sides(const ItemFilter& filter) {
  SLUICE_TRY(mysql_.begin());
  auto checkpoints = mysql_.checkpoints();
  if (!checkpoints) return checkpoints.error();
  checkpoints_ = std::move(*checkpoints);
  auto mysql_items = mysql_.items(filter);
  if (!mysql_items) return mysql_items.error();
  mysql_items_ = std::move(*mysql_items);

  auto totals = JournalTotals::open(sources_.journals, checkpoints_, filter);
  if (!totals) return totals.error();
  totals_ = std::move(*totals);
  SLUICE_TRY(totals_->read());
  find_journals_not_given();

  std::set<std::string> names(filter.begin(), filter.end());
  for (const auto& [name, item] : totals_->items()) names.insert(name);
  if (filter.empty()) {
    const auto indexed = redis_.names();
    if (!indexed) return indexed.error();
    names.insert(indexed->begin(), indexed->end());
  }
  return read_redis({names.begin(), names.end()});
}

void Comparer::find_journals_not_given() {
  std::set<uint64_t> given;
  for (const auto& [lane, journal_id] : totals_->ids()) given.insert(journal_id);
  journals_not_given_.clear();
  for (const auto& [journal_id, positions] : checkpoints_) {
    if (!given.contains(journal_id)) journals_not_given_.push_back(journal_id);
  }
}

std::vector<uint32_t> Comparer::lanes() const {
  std::vector<uint32_t> lanes;
  for (const JournalSource& journal : sources_.journals) lanes.push_back(journal.lane);
  return lanes;
}

Status Comparer::read_redis(const std::vector<std::string>& names) {
  const auto items = redis_.read(names, lanes());
  if (!items) return items.error();
  redis_items_.clear();
  std::map<std::string, Lanes, std::less<>> targets;
  for (size_t i = 0; i < names.size(); ++i) {
    const RedisItem& item = (*items)[i];
    redis_items_[names[i]] = item;
    if (!item.exists) continue;
    for (const uint32_t lane : lanes()) targets[names[i]][lane] = at(item.lanes, lane);
  }
  SLUICE_TRY(totals_->follow(targets, kFollowUs));
  for (auto& [name, item] : redis_items_) {
    if (!item.exists) continue;
    SLUICE_TRY(redis_.read_buyers(name, lanes(), item));
  }
  return {};
}

Result<Comparison> Comparer::judge_all(const Repairer& repair) {
  std::set<std::string> names;
  for (const auto& [name, item] : totals_->items()) names.insert(name);
  for (const auto& [name, item] : redis_items_) {
    if (item.exists) names.insert(name);
  }
  for (const auto& [name, item] : mysql_items_) names.insert(name);

  Comparison comparison;
  comparison.journals_not_given = journals_not_given_;
  for (const std::string& name : names) {
    ItemComparison item;
    item.name = name;
    const auto journal = totals_->items().find(name);
    item.in_journal = journal != totals_->items().end();
    if (item.in_journal) item.journal = journal->second;
    if (const auto redis = redis_items_.find(name); redis != redis_items_.end()) {
      item.redis = redis->second;
    }
    if (is_retired(item)) {
      comparison.retired.push_back(name);
      continue;
    }
    if (const auto mysql = mysql_items_.find(name); mysql != mysql_items_.end()) {
      item.mysql = mysql->second;
    }
    judge_redis(item);
    judge_row(item);
    comparison.items.push_back(std::move(item));
  }
  SLUICE_TRY(judge_orders(comparison, repair));
  return comparison;
}

void Comparer::judge_redis(ItemComparison& item) const {
  const auto differ = [&](std::string kind, std::string text) {
    item.differences.push_back(
        {Side::kRedis, std::move(kind), std::move(text), item.journal.created});
  };
  if (!item.redis.exists) {
    if (item.journal.created)
      differ("missing_item", "does not have the item" + waiting(item.redis));
    return;
  }
  if (!judge_lanes(item)) return;
  const RedisItem& redis = item.redis;
  const Sales& journal = item.journal.all;
  if (redis.stock != journal.given) differ("stock", is_not("stock", redis.stock, journal.given));
  if (redis.sold != journal.sold()) differ("sold", is_not("sold", redis.sold, journal.sold()));
  if (!redis.buyers) {
    item.notes.push_back("Redis: it is being sold; its buyers were not compared");
  } else if (!same_orders(*redis.buyers, journal)) {
    const Sales& buyers = *redis.buyers;
    differ("buyers", "its buyers have " + count(buyers.bought.orders, "order") + " of " +
                         count(static_cast<uint64_t>(buyers.bought.units), "unit") + ", " +
                         std::to_string(buyers.cancelled.orders) +
                         " of them cancelled; the journal has " +
                         count(journal.bought.orders, "order") + " of " +
                         count(static_cast<uint64_t>(journal.bought.units), "unit") + ", " +
                         std::to_string(journal.cancelled.orders) + " cancelled" +
                         (buyers.bought.orders == journal.bought.orders ? " (others)" : ""));
  }
}

// True if Redis and the journals have come to the same batch of every lane.
bool Comparer::judge_lanes(ItemComparison& item) const {
  for (const auto& [lane, sequence] : item.redis.lanes) {
    if (!totals_->ids().contains(lane)) {
      item.differences.push_back({Side::kRedis, "unknown_lane",
                                  "it was also sold through proxy.id " + std::to_string(lane) +
                                      ", whose configuration is not given",
                                  false});
    }
  }
  for (const auto& [lane, journal_id] : totals_->ids()) {
    const auto of_lane = item.redis.journals.find(lane);
    if (of_lane != item.redis.journals.end() && of_lane->second != std::to_string(journal_id)) {
      item.differences.push_back({Side::kRedis, "foreign_journal",
                                  "proxy.id " + std::to_string(lane) +
                                      " has sold it with journal " + of_lane->second +
                                      "; the one given is " + std::to_string(journal_id),
                                  false});
    }
    judge_lane(item, lane, at(item.redis.lanes, lane));
  }
  return item.differences.empty() && item.unjournaled == 0;
}

void Comparer::judge_lane(ItemComparison& item, uint32_t lane, uint64_t sequence) const {
  const uint64_t journaled = at(item.journal.last_lane_sequence, lane);
  const std::string proxy = "proxy.id " + std::to_string(lane);
  if (sequence < journaled) {
    std::string text = "is behind: batch " + std::to_string(sequence) + " of " + proxy +
                       ", the journal has " + std::to_string(journaled);
    item.differences.push_back({Side::kRedis, "behind", text + waiting(item.redis), true});
    return;
  }
  if (sequence == journaled) return;
  const uint64_t ahead = sequence - journaled;
  if (at(item.redis.receipts, lane) >= ahead) {
    item.unjournaled += ahead;
    item.notes.push_back("Redis has " + std::to_string(ahead) + " batches of " + proxy +
                         " that its journal lacks, with their receipts; the proxy completes the "
                         "journal when it starts");
    return;
  }
  item.differences.push_back({Side::kRedis, "receipts",
                              "has applied batch " + std::to_string(sequence) + " of " + proxy +
                                  ", the journal ends at " + std::to_string(journaled) +
                                  ", and the receipts of the batches between are missing; "
                                  "see sluice-ctl journal verify",
                              false});
}

// Each journal retires an item in its own time: what the others still have is a part of it.
bool Comparer::is_retired(const ItemComparison& item) const {
  const LaneTimes retired = totals_->retired();
  if (!item.journal.created && !retired.empty()) return true;
  return std::any_of(retired.begin(), retired.end(), [&](const auto& of_lane) {
    const auto& [lane, retired_ms] = of_lane;
    const uint64_t first = at(item.journal.first_lane_sequence, lane);
    if (first != 0) return first > 1;
    return at(item.redis.lanes, lane) > 0 && item.journal.created_ms <= retired_ms;
  });
}

// What was given is a sum over all journals: of some of them it proves nothing, nor does it if one
// may have had a part of it and has retired that.
bool Comparer::proves_what_was_given(const ItemComparison& item) const {
  const auto ids = totals_->ids();
  const LaneTimes retired = totals_->retired();
  const bool whole = std::none_of(retired.begin(), retired.end(), [&](const auto& of_lane) {
    return !item.journal.first_lane_sequence.contains(of_lane.first) &&
           item.journal.created_ms <= of_lane.second;
  });
  return whole && journals_not_given_.empty() &&
         std::all_of(item.redis.lanes.begin(), item.redis.lanes.end(),
                     [&](const auto& lane) { return ids.contains(lane.first); });
}

// The row in items. It differs from the orders' rows, or from what the journal gave.
void Comparer::judge_row(ItemComparison& item) const {
  const auto differ = [&](std::string kind, std::string text, bool fixable) {
    item.differences.push_back({Side::kMysql, std::move(kind), std::move(text), fixable});
  };
  const MysqlItem& mysql = item.mysql;
  const Sales& drained = item.journal.drained;
  if (!item.in_journal) {
    const bool any =
        mysql.has_row || mysql.orders.bought.orders > 0 || mysql.dead.bought.orders > 0;
    if (any) differ("unknown_item", "has the item, which no journal knows", false);
    return;
  }
  const bool proved = item.journal.created && proves_what_was_given(item);
  const bool expected = drained.given != 0 || drained.bought.orders > 0;
  if (!mysql.has_row) {
    if (expected) differ("missing_item", "the row in items is missing", proved);
    return;
  }
  if (mysql.stock != drained.given) {
    differ("stock", is_not("items.stock", mysql.stock, drained.given), proved);
  }
  if (mysql.sold != mysql.orders.sold()) {
    differ("sold",
           "items.sold is " + std::to_string(mysql.sold) + ", its live orders are " +
               count(static_cast<uint64_t>(mysql.orders.sold()), "unit"),
           true);
  }
}

// Order by order, where the tallies differ.
Status Comparer::judge_orders(Comparison& comparison, const Repairer& repair) {
  std::map<std::string, uint64_t> differing;
  for (const ItemComparison& item : comparison.items) {
    const Sales mysql = of_both(item.mysql);
    if (!item.in_journal || same_orders(mysql, item.journal.drained)) continue;
    differing[item.name] = std::max(mysql.bought.orders, item.journal.drained.bought.orders);
  }
  if (differing.empty()) return {};
  OrderAudit audit(mysql_, sources_.journals, checkpoints_, repair);
  const auto findings = audit.run(differing);
  if (!findings) return findings.error();
  for (ItemComparison& item : comparison.items) {
    const auto found = findings->find(item.name);
    if (found == findings->end()) continue;
    const auto differ = [&](const OrderList& list, std::string kind, std::string_view what,
                            bool fixable) {
      if (list.orders == 0) return;
      item.differences.push_back(
          {Side::kMysql, std::move(kind), of_orders(list, what), fixable, list});
    };
    const OrderFindings& of_item = found->second;
    // They may be of a sale under the same name that was retired: its stock counts too.
    if (of_item.unknown.orders > 0) leave_stock(item);
    differ(of_item.missing, "missing_orders", "missing", true);
    differ(of_item.uncancelled, "uncancelled_orders", "not cancelled", true);
    differ(of_item.unknown, "unknown_orders", "that no journal knows", false);
    differ(of_item.altered, "altered_orders", "with another buyer or quantity", false);
    differ(of_item.cancelled, "cancelled_orders", "cancelled that the journal has as live", false);
  }
  return {};
}

}  // namespace sluice::ctl
