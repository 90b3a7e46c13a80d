#include "ctl/evidence.h"

#include <algorithm>
#include <optional>

#include "base/decimal.h"
#include "ctl/redis_items.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl {
namespace {

using journal::Record;
using journal::RecordType;

constexpr size_t kItemsPerQuery = 200;
constexpr int64_t kFollowOthersUs = 5'000'000;

// Ids of several proxies are compared by their time and counter.
uint64_t without_proxy(uint64_t id) { return (id >> 22) << 12 | (id & 0xfff); }

class Gathering {
 public:
  Gathering(const TakeOver& what, RedisConnection& redis, MysqlItems& mysql)
      : what_(what), redis_(redis), mysql_(mysql) {}

  Result<Evidence> run() {
    for (const std::string& folder : what_.folders) SLUICE_TRY(read_folder(folder));
    SLUICE_TRY(mysql_.begin());
    SLUICE_TRY(open_others());
    SLUICE_TRY(read_redis());
    SLUICE_TRY(read_mysql());
    return std::move(found_);
  }

 private:
  bool is_of_lanes(uint64_t id) const { return what_.lanes.contains(journal::proxy_of_id(id)); }

  // A number that no proxy has any more is that of one whose history was taken over, by these
  // lanes or by another proxy: then that one's journal has it.
  bool is_ours(uint64_t id) const {
    const uint32_t lane = journal::proxy_of_id(id);
    return !is_of_others(lane) && !taken_over_by_others_.contains(id);
  }
  bool is_of_others(uint32_t lane) const { return what_.living.contains(lane); }

  void raise(uint64_t id) {
    if (is_of_lanes(id) && without_proxy(id) > without_proxy(found_.order_id_max))
      found_.order_id_max = id;
  }

  // ---- Folders.

  Status read_folder(const std::string& folder) {
    std::set<uint64_t> seen;  // of records that must not count twice
    auto salvaged = journal::salvage(folder, base::posix_file_system(), [&](const Record& record) {
      const bool adds_up =
          record.type == RecordType::kCreate || record.type == RecordType::kRestock;
      if (!adds_up || seen.insert(record.sequence).second) add(record);
    });
    if (!salvaged && salvaged.error().cls() == ErrorClass::kNotFound) {
      found_.folders.emplace_back();
      return {};
    }
    if (!salvaged) return salvaged.error();
    if (salvaged->journal_id != 0) {
      SLUICE_TRY(take_shelves(salvaged->shelves, folder));
      raise(salvaged->order_id_max);
    }
    found_.folders.push_back(std::move(*salvaged));
    return {};
  }

  Status take_shelves(uint32_t shelves, const std::string& where) {
    if (found_.shelves == 0) found_.shelves = shelves;
    if (found_.shelves == shelves) return {};
    return Error(ErrorClass::kRefused, where + " has " + std::to_string(shelves) +
                                           " shelves, another source " +
                                           std::to_string(found_.shelves));
  }

  void add(const Record& record) {
    ProvenItem& item = found_.items[{std::string(record.item), record.born}];
    raise(record.born);
    switch (record.type) {
      case RecordType::kCreate:
        item.is_created = true;
        item.created_ms = record.time_ms;
        item.initial = record.quantity;
        item.folder_given += record.quantity;
        set(item, record);
        break;
      case RecordType::kChange:
        set(item, record);
        break;
      case RecordType::kRestock:
        item.restocks.push_back({std::string(record.request), record.quantity, record.time_ms});
        item.folder_given += record.quantity;
        break;
      case RecordType::kBuy:
        add_order(item, record);
        break;
      case RecordType::kPay:
      case RecordType::kCancel:
      case RecordType::kRefund:
      case RecordType::kExpire:
        add_change(item, record);
        break;
      case RecordType::kClose:
      case RecordType::kReopen:
        set_state(item, record.type == RecordType::kClose, record.time_ms);
        break;
      case RecordType::kDelete:
        item.is_deleted = true;
        item.is_deleted_by_last |= record.quantity == 1;
        break;
    }
  }

  static void set(ProvenItem& item, const Record& record) {
    item.limit = record.limit;
    item.start_ms = record.start_ms;
    item.end_ms = record.end_ms;
    item.hold_ms = record.hold_ms;
    if (record.type == RecordType::kChange) item.settings_ms = record.time_ms;
  }
  static void set_state(ProvenItem& item, bool is_closed, int64_t time_ms) {
    if (time_ms < item.state_ms) return;
    item.is_closed = is_closed;
    item.state_ms = time_ms;
  }
  // Unless another proxy's journal has it.
  void change(uint64_t order_id, ProvenOrder& order, orders::OrderStatus status, int64_t time_ms,
              std::string request) {
    const auto others = changed_by_others_.find(order_id);
    if (others != changed_by_others_.end() && !leads_to(others->second, status)) return;
    if (!leads_to(order.status, status)) return;
    order.status = status;
    order.changed_ms = time_ms;
    order.status_request = std::move(request);
  }
  void add_change(ProvenItem& item, const Record& record) {
    const bool is_sold_here = is_of_lanes(record.order_id) || item.orders.contains(record.order_id);
    auto& orders = is_sold_here ? item.orders : item.changes;
    ProvenOrder& order = orders[record.order_id];
    if (order.user.empty()) order.user = record.user;
    if (order.quantity == 0) order.quantity = record.quantity;
    change(record.order_id, order, orders::status_after(record.type), record.time_ms,
           std::string(record.request));
  }
  void add_order(ProvenItem& item, const Record& record) {
    raise(record.order_id);
    ProvenOrder& order = item.orders[record.order_id];
    order.user = record.user;
    order.request = record.request;
    order.quantity = record.quantity;
    order.time_ms = record.time_ms;
    order.in_folder = true;
    if (!record.fields.empty()) order.fields = record.fields;  // a snapshot leaves them out
  }

  // ---- The other proxies' journals.

  // They may run. What Redis has of them is counted exactly up to there: read before Redis is, and
  // followed after.
  Status open_others() {
    if (what_.others.empty()) return {};
    auto checkpoints = mysql_.checkpoints();
    if (!checkpoints) return checkpoints.error();
    checkpoints_ = std::move(*checkpoints);
    auto totals = JournalTotals::open(what_.others, checkpoints_, {});
    if (!totals) return totals.error();
    others_.emplace(std::move(*totals));
    SLUICE_TRY(take_shelves(others_->shelves(), what_.others.front().dir));
    return others_->read();
  }

  Status follow_others(const std::vector<std::string>& names,
                       const std::vector<RedisItem>& states) {
    if (!others_) return {};
    std::map<std::string, Lanes, std::less<>> targets;
    for (size_t i = 0; i < names.size(); ++i) {
      for (const JournalSource& other : what_.others) {
        targets[names[i]][other.lane] = batch_of(states[i].lanes, other.lane);
      }
    }
    SLUICE_TRY(others_->follow(targets, kFollowOthersUs));
    return visit_all(what_.others, [this](const Record& record) {
      if (journal::is_of_order(record.type) && record.type != RecordType::kBuy) {
        const auto status = orders::status_after(record.type);
        auto& known = changed_by_others_[record.order_id];
        if (leads_to(known, status)) known = status;
      }
      if (record.type == RecordType::kRestock) {
        given_by_others_.emplace(record.born, std::string(record.request));
      }
      const uint64_t id = record.type == RecordType::kBuy      ? record.order_id
                          : record.type == RecordType::kCreate ? record.born
                                                               : 0;
      if (id != 0 && !is_of_others(journal::proxy_of_id(id))) taken_over_by_others_.insert(id);
    });
  }

  const JournalItem* of_others(const std::string& name) const {
    if (!others_) return nullptr;
    const auto item = others_->items().find(name);
    return item == others_->items().end() ? nullptr : &item->second;
  }

  int64_t given_by_others(const std::string& name, uint64_t born) const {
    const JournalItem* item = of_others(name);
    return item == nullptr || item->born != born ? 0 : item->sales.given;
  }

  // ---- Redis.

  Status read_redis() {
    const auto shelves = shelf_count(redis_);
    if (!shelves) return shelves.error();
    if (*shelves == 0) return follow_others({}, {});
    SLUICE_TRY(take_shelves(*shelves, "Redis"));
    RedisItems items(redis_, *shelves);
    const auto names = items.names();
    if (!names) return names.error();
    const std::vector<uint32_t> lanes(what_.lanes.begin(), what_.lanes.end());
    const auto states = items.read(*names, lanes);
    if (!states) return states.error();
    SLUICE_TRY(follow_others(*names, *states));
    for (size_t i = 0; i < names->size(); ++i) {
      const RedisItem& state = (*states)[i];
      if (!state.exists || !state.edited.empty()) continue;
      for (const uint32_t lane : lanes) found_.redis_has_lanes |= batch_of(state.lanes, lane) > 0;
      ProvenItem& item = take_state((*names)[i], state.state);
      SLUICE_TRY(items.visit_buyers((*names)[i],
                                    [&](const BuyerField& field) { take_buyer(item, field); }));
    }
    // The others sell on: what they did since to the buyers is in their journals in a moment.
    const auto later = items.read(*names, lanes);
    if (!later) return later.error();
    SLUICE_TRY(follow_others(*names, *later));
    drop_what_others_have();
    return {};
  }

  // Had two journals a restock's request, a replay would take the second one for the first again.
  void drop_what_others_have() {
    for (auto& [key, item] : found_.items) {
      const uint64_t born = std::get<1>(key);
      std::erase_if(item.requests, [&](const std::string& request) {
        return given_by_others_.contains({born, request});
      });
      std::erase_if(item.changes, [&](const auto& change) {
        const auto others = changed_by_others_.find(change.first);
        return others != changed_by_others_.end() &&
               !leads_to(others->second, change.second.status);
      });
    }
  }

  // A folder may have what became of an order that was taken over, and not the order.
  void give_changes_to_orders() {
    for (auto& [key, item] : found_.items) {
      for (auto found = item.changes.begin(); found != item.changes.end();) {
        const auto& [order_id, changed] = *found;
        if (!is_ours(order_id)) {
          ++found;
          continue;
        }
        ProvenOrder& order = item.orders[order_id];
        if (order.user.empty()) {
          order = changed;
        } else {
          change(order_id, order, changed.status, changed.changed_ms, changed.status_request);
        }
        found = item.changes.erase(found);
      }
    }
  }

  ProvenItem& take_state(const std::string& name, const shelves::PackedItem& state) {
    ProvenItem& item = found_.items[{name, state.born}];
    item.in_redis = true;
    raise(state.born);
    if (is_ours(state.born) && !item.is_created) {
      item.is_created = true;
      item.created_ms = state.since_ms;
    }
    item.initial = state.initial;
    item.limit = state.limit;
    item.start_ms = state.start_ms;
    item.end_ms = state.end_ms;
    item.hold_ms = state.hold_ms;
    if (state.changed_ms > item.created_ms) item.settings_ms = state.changed_ms;
    item.redis_given = int64_t{state.stock} - given_by_others(name, state.born);
    if (state.state != shelves::PackedItem::State::kDeleting) {
      set_state(item, state.state == shelves::PackedItem::State::kClosed, state.since_ms);
    }
    return item;
  }

  void take_buyer(ProvenItem& item, const BuyerField& field) {
    if (field.kind == BuyerField::Kind::kRestock) item.requests.insert(std::string(field.request));
    if (field.kind != BuyerField::Kind::kOrder) return;
    const bool is_sold_here = is_ours(field.order_id);
    if (!is_sold_here && field.status == orders::OrderStatus::kPlaced) return;
    ProvenOrder& order = (is_sold_here ? item.orders : item.changes)[field.order_id];
    raise(field.order_id);
    order.in_redis = true;
    if (order.user.empty()) order.user = field.user;
    if (order.request.empty()) order.request = field.request;
    order.quantity = field.quantity;
    change(field.order_id, order, field.status, 0, std::string(field.status_request));
  }

  // ---- MySQL.

  Status read_mysql() {
    give_changes_to_orders();
    const auto rows = mysql_.items({});
    if (!rows) return rows.error();
    const auto sold_here = mysql_.items_sold_by(what_.lanes);
    if (!sold_here) return sold_here.error();
    for (const auto& [name, row] : *rows) {
      if (row.has_row) take_row(name, row, mysql_is_ours() || sold_here->contains(name));
    }
    std::vector<std::string> names;
    for (const auto& [key, item] : found_.items) {
      if (names.empty() || names.back() != std::get<0>(key)) names.push_back(std::get<0>(key));
    }
    for (size_t begin = 0; begin < names.size(); begin += kItemsPerQuery) {
      const std::span<const std::string> some =
          std::span(names).subspan(begin, std::min(kItemsPerQuery, names.size() - begin));
      SLUICE_TRY(take_orders(mysql_.orders(some, {})));
      SLUICE_TRY(take_orders(mysql_.dead_letters(some, {})));
      SLUICE_TRY(take_early(mysql_.early_changes(some, {})));
    }
    for (const uint32_t lane : what_.lanes) {
      const auto highest = mysql_.highest_order_id(lane);
      if (!highest) return highest.error();
      raise(*highest);
    }
    return {};
  }

  // The newest of a name.
  ProvenItem* newest(const std::string& name, uint64_t* born = nullptr) {
    const auto behind = found_.items.upper_bound({name, UINT64_MAX});
    if (behind == found_.items.begin()) return nullptr;
    const auto item = std::prev(behind);
    if (std::get<0>(item->first) != name) return nullptr;
    if (born != nullptr) *born = std::get<1>(item->first);
    return &item->second;
  }

  void take_row(const std::string& name, const MysqlItem& row, bool counts_alone) {
    const JournalItem* others = of_others(name);
    const int64_t given = row.stock - (others == nullptr ? 0 : others->drained.given);
    ProvenItem* item = newest(name);
    if (item == nullptr) {
      if (others == nullptr && !counts_alone) return;
      // 0, born as nothing known: the journal that is written gives it an id.
      const uint64_t born = others == nullptr ? 0 : others->born;
      item = &found_.items[{name, born}];
      item->only_in_mysql = true;
      item->is_created = born == 0 || is_ours(born);
      item->created_ms = row.state_ms;
      item->initial = item->folder_given = given;
      item->limit = row.limit;
      item->start_ms = row.start_ms;
      item->end_ms = row.end_ms;
      item->hold_ms = row.hold_ms;
    }
    item->has_row = true;
    item->row_is_defined = row.state_ms != 0;
    item->mysql_given = given;
    item->mysql_counts = mysql_is_ours();
    if (row.state_ms != 0) set_state(*item, row.is_closed, row.state_ms);
  }

  // Whether everybody who drains into it is at hand.
  bool mysql_is_ours() const { return what_.living.size() == what_.others.size(); }

  // The item that an order belongs to: where it was found before, else the newest of its name,
  // unless that was born later.
  ProvenOrder* order_of(const MysqlOrder& row) {
    const auto first = found_.items.lower_bound({row.item, 0});
    for (auto at = first; at != found_.items.end() && std::get<0>(at->first) == row.item; ++at) {
      for (auto* orders : {&at->second.orders, &at->second.changes}) {
        const auto known = orders->find(row.order_id);
        if (known != orders->end() && known->second.user == row.user) return &known->second;
      }
    }
    uint64_t born = 0;
    ProvenItem* item = newest(row.item, &born);
    if (item == nullptr || without_proxy(row.order_id) < without_proxy(born)) return nullptr;
    if (is_ours(row.order_id)) return &item->orders[row.order_id];
    if (row.status == orders::OrderStatus::kPlaced) return nullptr;
    const auto others = changed_by_others_.find(row.order_id);
    const bool have_it =
        others != changed_by_others_.end() && !leads_to(others->second, row.status);
    return have_it ? nullptr : &item->changes[row.order_id];
  }

  Status take_orders(const Result<std::vector<MysqlOrder>>& rows) {
    if (!rows) return rows.error();
    for (const MysqlOrder& row : *rows) {
      ProvenOrder* order = order_of(row);
      if (order == nullptr) continue;
      raise(row.order_id);
      order->in_mysql = true;
      if (order->user.empty()) order->user = row.user;
      if (order->request.empty()) order->request = row.request;
      if (order->quantity == 0) order->quantity = row.quantity;
      if (order->time_ms == 0) order->time_ms = row.created_ms;
      take_status(*order, row);
      if (order->status == row.status && order->changed_ms == 0) order->changed_ms = row.updated_ms;
    }
    return {};
  }

  Status take_early(const Result<std::vector<MysqlOrder>>& rows) {
    if (!rows) return rows.error();
    for (const MysqlOrder& row : *rows) {
      ProvenOrder* order = order_of(row);
      if (order == nullptr) continue;
      if (order->user.empty()) order->user = row.user;
      take_status(*order, row);
    }
    return {};
  }

  void take_status(ProvenOrder& order, const MysqlOrder& row) {
    if (leads_to(order.mysql_status, row.status)) order.mysql_status = row.status;
    change(row.order_id, order, row.status, row.updated_ms, "");
  }

  const TakeOver& what_;
  RedisConnection& redis_;
  MysqlItems& mysql_;
  Evidence found_;
  Checkpoints checkpoints_;
  std::optional<JournalTotals> others_;
  std::map<uint64_t, orders::OrderStatus> changed_by_others_;
  std::set<std::pair<uint64_t, std::string>> given_by_others_;  // born of the item, request
  std::set<uint64_t> taken_over_by_others_;  // orders and creations of numbers that are gone
};

}  // namespace

Result<Evidence> gather_evidence(const TakeOver& what, RedisConnection& redis, MysqlItems& mysql) {
  return Gathering(what, redis, mysql).run();
}

}  // namespace sluice::ctl
