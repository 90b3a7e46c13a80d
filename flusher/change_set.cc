#include "flusher/change_set.h"

#include <algorithm>
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
      item.created = &record;
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
    case RecordType::kBuy:
    case RecordType::kCancel:
    case RecordType::kChange:  // not written yet
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

bool is_of(const Record& cancel, const Record& order) {
  return cancel.order_id == order.order_id && cancel.item == order.item &&
         cancel.user == order.user;
}

auto key_of(const Cancellation& cancel) {
  return std::tie(cancel.order->order_id, cancel.order->item, cancel.order->user);
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
  std::vector<const Record*> cancels;
  for (const Record& record : records) {
    switch (record.type) {
      case RecordType::kBuy:
        changes.orders.push_back({&record, 0});
        break;
      case RecordType::kCancel:
        cancels.push_back(&record);
        break;
      default:
        fold_item_event(changes, record);
    }
  }
  // One item's orders come sorted; those of several may overlap a little.
  if (!std::is_sorted(changes.orders.begin(), changes.orders.end(), row_by_order_id)) {
    std::stable_sort(changes.orders.begin(), changes.orders.end(), row_by_order_id);
  }
  for (const Record* cancel : cancels) {
    const orders::OrderRow wanted{cancel, 0};
    const auto row =
        std::lower_bound(changes.orders.begin(), changes.orders.end(), wanted, row_by_order_id);
    if (row == changes.orders.end() || !is_of(*cancel, *row->record)) {
      changes.cancellations.push_back({cancel, cancel->time_ms});
    } else if (row->cancelled_ms == 0) {
      row->cancelled_ms = cancel->time_ms;
    }
  }
  std::stable_sort(changes.cancellations.begin(), changes.cancellations.end(), by_order_id);
  const auto same = [](const auto& a, const auto& b) { return key_of(a) == key_of(b); };
  changes.cancellations.erase(
      std::unique(changes.cancellations.begin(), changes.cancellations.end(), same),
      changes.cancellations.end());
  return changes;
}

bool by_order_id(const Cancellation& a, const Cancellation& b) { return key_of(a) < key_of(b); }

std::string ids_of(std::span<const Cancellation> cancels) {
  std::string ids;
  for (const Cancellation& cancel : cancels) {
    if (!ids.empty()) ids += ',';
    ids += std::to_string(cancel.order_id());
  }
  return ids;
}

std::string orders_of(std::span<const Cancellation> cancels) {
  std::string orders;
  for (const Cancellation& cancel : cancels) {
    orders += (orders.empty() ? "(" : ",(") + std::to_string(cancel.order_id()) + ",";
    sql::append_quoted(orders, cancel.order->item);
    orders += ',';
    sql::append_quoted(orders, cancel.order->user);
    orders += ')';
  }
  return orders;
}

std::string times_of(std::span<const Cancellation> cancels) {
  std::string times = "CASE order_id";
  for (const Cancellation& cancel : cancels) {
    times += " WHEN " + std::to_string(cancel.order_id()) + " THEN ";
    orders::append_datetime(times, cancel.time_ms);
  }
  return times + " END";
}

}  // namespace sluice::flusher
