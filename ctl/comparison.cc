#include "ctl/comparison.h"

#include <algorithm>
#include <set>

#include "ctl/words.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl {
namespace {

// A proxy journals what Redis has applied within milliseconds; one whose disk is slow has its
// -UNKNOWNSTATE after five seconds.
constexpr int64_t kFollowUs = 3'000'000;
// A journal that is drained and cleared while it is looked at seems to lack segments.
constexpr int kReadsMax = 5;

std::string of_orders(const OrderList& list, std::string_view what) {
  std::string text = plural(list.orders, "order") + " " + std::string(what) + ":";
  for (const uint64_t order_id : list.first) text += " " + std::to_string(order_id);
  if (list.first.size() < list.orders) {
    text += " and " + std::to_string(list.orders - list.first.size()) + " more";
  }
  return text;
}

Sales of_both(const MysqlItem& item) {
  Sales sales = item.orders;
  add_orders(sales, item.dead);
  return sales;
}

// What the journals gave is not known to be all that was given.
void leave_stock(ItemComparison& item) {
  for (Difference& one : item.differences) {
    if (one.side == Side::kMysql && one.kind == "stock") one.fixable = false;
  }
}

// Also in its orders, which are looked at later.
bool differs_at_all(const ItemComparison& item) {
  return !item.differences.empty() ||
         (item.in_journal && !same_orders(of_both(item.mysql), item.journal.drained));
}

}  // namespace

bool ItemComparison::differs(Side side) const {
  return std::any_of(differences.begin(), differences.end(),
                     [side](const Difference& one) { return one.side == side; });
}

Comparer::Comparer(const Sources& sources, RedisConnection& redis, MysqlItems& mysql)
    : sources_(sources), connection_(redis), mysql_(mysql) {}

uint32_t Comparer::shelf_of(const std::string& item) const {
  return shelves::shelf_of(item, totals_->shelves());
}

Result<Comparison> Comparer::run(const ItemFilter& filter, const Repairer& repair) {
  Status is_read = read_sides(filter);
  for (int again = 1; again < kReadsMax && !is_read; ++again) {
    if (is_read.error().cls() != ErrorClass::kCorrupt) break;
    is_read = read_sides(filter);
  }
  if (!is_read) return is_read.error();
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
  // At once: what is drained and old enough is deleted from the journals.
  auto totals = JournalTotals::open(sources_.journals, checkpoints_, filter);
  if (!totals) return totals.error();
  totals_ = std::move(*totals);
  auto mysql_items = mysql_.items(filter);
  if (!mysql_items) return mysql_items.error();
  mysql_items_ = std::move(*mysql_items);
  SLUICE_TRY(totals_->read());
  find_journals_not_given();
  SLUICE_TRY(open_redis());

  std::set<std::string> names(filter.begin(), filter.end());
  for (const auto& [name, item] : totals_->items()) names.insert(name);
  if (filter.empty()) {
    const auto indexed = redis_->names();
    if (!indexed) return indexed.error();
    names.insert(indexed->begin(), indexed->end());
  }
  return read_redis({names.begin(), names.end()});
}

Status Comparer::open_redis() {
  const auto shelves = shelf_count(connection_);
  if (!shelves) return shelves.error();
  if (*shelves != 0 && *shelves != totals_->shelves()) {
    return Error(ErrorClass::kInvalid,
                 "Redis at " + sources_.redis.text() + " has a sale with " +
                     std::to_string(*shelves) + " shelves, " + sources_.journals[0].dir +
                     " is the journal of one with " + std::to_string(totals_->shelves()) +
                     "; give the files of one sale");
  }
  redis_.emplace(connection_, totals_->shelves());
  return {};
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
  const auto items = redis_->read(names, lanes());
  if (!items) return items.error();
  redis_items_.clear();
  std::map<std::string, Lanes, std::less<>> targets;
  for (size_t i = 0; i < names.size(); ++i) {
    const RedisItem& item = (*items)[i];
    redis_items_[names[i]] = item;
    if (!item.exists) continue;
    for (const uint32_t lane : lanes()) targets[names[i]][lane] = batch_of(item.lanes, lane);
  }
  SLUICE_TRY(totals_->follow(targets, kFollowUs));
  SLUICE_TRY(read_receipts());
  for (auto& [name, item] : redis_items_) {
    if (!item.exists) continue;
    SLUICE_TRY(redis_->read_buyers(name, item));
  }
  return {};
}

// Of the batches that the journals still do not have.
Status Comparer::read_receipts() {
  receipts_.clear();
  for (const auto& [name, item] : redis_items_) {
    if (!item.exists) continue;
    const uint32_t shelf = shelf_of(name);
    for (const uint32_t lane : lanes()) {
      const bool ahead = batch_of(item.lanes, lane) > totals_->lane_sequence(shelf, lane);
      if (!ahead || receipts_.contains({shelf, lane})) continue;
      auto receipts = redis_->receipts(shelf, lane);
      if (!receipts) return receipts.error();
      receipts_[{shelf, lane}] = std::move(*receipts);
    }
  }
  return {};
}

Status Comparer::ask_rebuild(const ItemFilter& names) {
  std::set<uint32_t> shelves;
  for (const std::string& name : names) shelves.insert(shelf_of(name));
  for (const uint32_t shelf : shelves) SLUICE_TRY(redis_->ask_rebuild(shelf));
  return {};
}

ItemComparison Comparer::gather(const std::string& name) const {
  ItemComparison item;
  item.name = name;
  if (const auto found = totals_->items().find(name); found != totals_->items().end()) {
    item.in_journal = true;
    item.journal = found->second;
  }
  if (const auto found = redis_items_.find(name); found != redis_items_.end())
    item.redis = found->second;
  if (const auto found = mysql_items_.find(name); found != mysql_items_.end())
    item.mysql = found->second;
  return item;
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
    ItemComparison item = gather(name);
    bool retired = is_retired(item);
    if (!retired) {
      judge_redis(item);
      judge_row(item);
      retired = differs_at_all(item) && may_have_retired_part(item);
    }
    if (retired) {
      comparison.retired.push_back(name);
      const bool is_there = item.redis.exists || item.mysql.has_row;
      if (is_there) comparison.retired_but_there.push_back(name);
    } else {
      comparison.items.push_back(std::move(item));
    }
  }
  SLUICE_TRY(judge_orders(comparison, repair));
  return comparison;
}

// Records without the item's creation: what is left of one that was retired.
bool Comparer::is_retired(const ItemComparison& item) const {
  return !item.journal.created && !totals_->retired(shelf_of(item.name)).empty();
}

// Each journal retires an item in its own time: what the others still have is a part of it. All
// that a journal has of an item goes at once, so the one that created it has all of its own.
bool Comparer::may_have_retired_part(const ItemComparison& item) const {
  const LaneTimes retired = totals_->retired(shelf_of(item.name));
  return std::any_of(retired.begin(), retired.end(), [&](const auto& of_lane) {
    const auto& [lane, retired_ms] = of_lane;
    return lane != item.journal.created_by && item.journal.created_ms <= retired_ms;
  });
}

// What was given is a sum over all journals: of some of them it proves nothing, nor does it if one
// may have had a part of it and has retired that.
bool Comparer::proves_what_was_given(const ItemComparison& item) const {
  const auto ids = totals_->ids();
  return !may_have_retired_part(item) && journals_not_given_.empty() &&
         std::all_of(item.redis.lanes.begin(), item.redis.lanes.end(), [&](const auto& lane) {
           return lane.second == 0 || ids.contains(lane.first);
         });
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
  const bool expected =
      !item.journal.deleted && (drained.given != 0 || drained.bought.orders > 0);
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
               plural(static_cast<uint64_t>(mysql.orders.sold()), "unit"),
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
    for (const orders::OrderStatus status : orders::kOrderStatuses) {
      if (status == orders::OrderStatus::kPlaced) continue;
      const std::string word(word_of(status));
      differ(of_item.behind[static_cast<size_t>(status)], "un" + word + "_orders", "not " + word,
             true);
    }
    differ(of_item.unknown, "unknown_orders", "that no journal knows", false);
    differ(of_item.altered, "altered_orders", "with another buyer or quantity", false);
    for (const orders::OrderStatus status :
         {orders::OrderStatus::kCancelled, orders::OrderStatus::kExpired}) {
      const std::string word(word_of(status));
      differ(of_item.ahead[static_cast<size_t>(status)], word + "_orders",
             word + " that the journal has as live", false);
    }
  }
  return {};
}

}  // namespace sluice::ctl
