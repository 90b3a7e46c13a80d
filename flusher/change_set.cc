#include "flusher/change_set.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "sql/connection.h"

namespace sluice::flusher {
namespace {

using journal::Record;
using journal::RecordType;

void set_open(ItemChange& item, bool open, int64_t time_ms) {
  item.open = open;
  item.open_ms = time_ms;
}

void fold_item_event(ChangeSet& changes, const Record& record) {
  ItemChange& item = changes.item(record.item);
  item.updated_ms = std::max(item.updated_ms, record.time_ms);
  switch (record.type) {
    case RecordType::kCreate:
      item.stock += record.quantity;
      item.settings = &record;
      set_open(item, true, record.time_ms);
      break;
    case RecordType::kRestock:
      item.stock += record.quantity;
      break;
    case RecordType::kClose:
      set_open(item, false, record.time_ms);
      break;
    case RecordType::kReopen:
      set_open(item, true, record.time_ms);
      break;
    case RecordType::kChange:
      if (item.settings == nullptr || item.settings->time_ms <= record.time_ms)
        item.settings = &record;
      break;
    case RecordType::kBuy:
    case RecordType::kPay:
    case RecordType::kCancel:
    case RecordType::kExpire:
    case RecordType::kRefund:
      break;
    case RecordType::kDelete:
      // By the last lane: MySQL has all that any has journaled of it. What follows is another item.
      item.deleted = record.quantity == 1;
      break;
  }
}

bool row_by_order_id(const orders::OrderRow& a, const orders::OrderRow& b) {
  return a.record->order_id < b.record->order_id;
}

bool is_of(const Record& event, const Record& order) {
  return event.order_id == order.order_id && event.item == order.item && event.user == order.user;
}

auto key_of(const OrderChange& change) {
  return std::tie(change.order->order_id, change.order->item, change.order->user);
}

// Of several changes of one order the one that holds.
void keep_one_an_order(std::vector<OrderChange>& changes) {
  std::stable_sort(changes.begin(), changes.end(), by_order_id);
  size_t kept = 0;
  for (const OrderChange& change : changes) {
    if (kept > 0 && key_of(changes[kept - 1]) == key_of(change)) {
      if (leads_to(changes[kept - 1].status, change.status)) changes[kept - 1] = change;
    } else {
      changes[kept++] = change;
    }
  }
  changes.erase(changes.begin() + static_cast<ptrdiff_t>(kept), changes.end());
}

}  // namespace

ItemChange& ChangeSet::item(std::string_view item_id) {
  const auto found = items.find(item_id);
  if (found != items.end()) return found->second;
  return items.emplace(std::string(item_id), ItemChange()).first->second;
}

ChangeSet fold(std::span<const journal::Record> records) {
  ChangeSet changes;
  changes.orders.reserve(records.size());
  std::vector<const Record*> events;
  for (const Record& record : records) {
    if (record.type == RecordType::kBuy) {
      changes.orders.push_back({&record});
    } else if (journal::is_of_order(record.type)) {
      events.push_back(&record);
    } else {
      fold_item_event(changes, record);
    }
  }
  // One item's orders come sorted; those of several may overlap a little.
  if (!std::is_sorted(changes.orders.begin(), changes.orders.end(), row_by_order_id)) {
    std::stable_sort(changes.orders.begin(), changes.orders.end(), row_by_order_id);
  }
  for (const Record* event : events) {
    const OrderChange change{event, orders::status_after(event->type), event->time_ms};
    const auto row = std::lower_bound(changes.orders.begin(), changes.orders.end(),
                                      orders::OrderRow{event}, row_by_order_id);
    if (row == changes.orders.end() || !is_of(*event, *row->record)) {
      changes.order_changes.push_back(change);
    } else if (leads_to(row->status, change.status)) {
      row->status = change.status;
      row->changed_ms = change.time_ms;
    }
  }
  keep_one_an_order(changes.order_changes);
  return changes;
}

bool by_order_id(const OrderChange& a, const OrderChange& b) { return key_of(a) < key_of(b); }

std::vector<std::vector<OrderChange>> by_status(std::span<const OrderChange> changes) {
  std::vector<std::vector<OrderChange>> groups;
  for (const orders::OrderStatus status : orders::kOrderStatuses) {
    std::vector<OrderChange> group;
    std::copy_if(changes.begin(), changes.end(), std::back_inserter(group),
                 [&](const OrderChange& change) { return change.status == status; });
    if (!group.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

std::map<std::string, std::vector<OrderChange>> by_table(const orders::OrderTable& orders,
                                                         std::span<const OrderChange> changes) {
  std::map<std::string, std::vector<OrderChange>> tables;
  if (orders.is_one_table() && !changes.empty()) {
    tables[orders.table_of(*changes.front().order)].assign(changes.begin(), changes.end());
    return tables;
  }
  for (const OrderChange& change : changes)
    tables[orders.table_of(*change.order)].push_back(change);
  return tables;
}

std::string ids_of(std::span<const OrderChange> changes) {
  std::string ids;
  for (const OrderChange& change : changes) {
    if (!ids.empty()) ids += ',';
    ids += std::to_string(change.order_id());
  }
  return ids;
}

std::string orders_of(std::span<const OrderChange> changes) {
  std::string orders;
  for (const OrderChange& change : changes) {
    orders += (orders.empty() ? "(" : ",(") + std::to_string(change.order_id()) + ",";
    sql::append_quoted(orders, change.order->item);
    orders += ',';
    sql::append_quoted(orders, change.order->user);
    orders += ')';
  }
  return orders;
}

std::string times_of(std::span<const OrderChange> changes, const std::string& column) {
  std::string times = "CASE " + column;
  for (const OrderChange& change : changes) {
    times += " WHEN " + std::to_string(change.order_id()) + " THEN ";
    orders::append_datetime(times, change.time_ms);
  }
  return times + " END";
}

}  // namespace sluice::flusher
