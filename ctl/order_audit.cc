#include "ctl/order_audit.h"

#include <algorithm>

namespace sluice::ctl {

using journal::Record;
using journal::RecordType;

void OrderList::add(uint64_t order_id) {
  ++orders;
  if (first.size() < kNamedMax) first.push_back(order_id);
}

bool OrderFindings::none() const {
  const auto is_empty = [](const OrderList& list) { return list.orders == 0; };
  return missing.orders + unknown.orders + altered.orders == 0 &&
         std::all_of(behind.begin(), behind.end(), is_empty) &&
         std::all_of(ahead.begin(), ahead.end(), is_empty);
}

OrderAudit::OrderAudit(MysqlItems& mysql, const std::vector<JournalSource>& sources,
                       const Checkpoints& checkpoints, Repairer repair)
    : mysql_(mysql), sources_(sources), checkpoints_(checkpoints), repair_(std::move(repair)) {}

Result<std::map<std::string, OrderFindings>> OrderAudit::run(
    const std::map<std::string, uint64_t>& items) {
  findings_.clear();
  std::vector<std::string> portion;
  uint64_t portion_orders = 0;
  for (const auto& [item, orders] : items) {
    findings_[item];
    if (orders > kPortionOrders) {
      SLUICE_TRY(audit_large(item, orders));
      continue;
    }
    if (portion_orders + orders > kPortionOrders) {
      SLUICE_TRY(audit_portion(portion, {}));
      portion.clear();
      portion_orders = 0;
    }
    portion.push_back(item);
    portion_orders += orders;
  }
  if (!portion.empty()) SLUICE_TRY(audit_portion(portion, {}));
  return std::move(findings_);
}

Status OrderAudit::audit_large(const std::string& item, uint64_t orders) {
  const auto differing = differing_buckets(item);
  if (!differing) return differing.error();
  const size_t at_once = std::max<uint64_t>(1, kPortionOrders / (orders / kBuckets + 1));
  Buckets portion;
  for (const uint32_t bucket : *differing) {
    portion.insert(bucket);
    if (portion.size() < at_once) continue;
    SLUICE_TRY(audit_portion({item}, portion));
    portion.clear();
  }
  return portion.empty() ? Status() : audit_portion({item}, portion);
}

Result<Buckets> OrderAudit::differing_buckets(const std::string& item) {
  auto mysql = mysql_.buckets(item);
  if (!mysql) return mysql.error();
  std::map<uint32_t, Sales> journal;
  SLUICE_TRY(visit_journals(sources_, checkpoints_, [&](const Record& record, bool in_mysql) {
    if (!in_mysql || record.item != item || record.order_id == 0) return;
    add_order(journal[static_cast<uint32_t>(record.order_id % kBuckets)], record);
  }));
  Buckets differing;
  for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (!((*mysql)[bucket] == journal[bucket])) differing.insert(bucket);
  }
  return differing;
}

Status OrderAudit::audit_portion(const std::vector<std::string>& items, const Buckets& buckets) {
  Orders orders;
  SLUICE_TRY(read_mysql(items, buckets, orders));
  SLUICE_TRY(visit_journals(sources_, checkpoints_, [&](const Record& record, bool in_mysql) {
    if (record.order_id == 0) return;
    const auto item = orders.find(record.item);
    if (item == orders.end()) return;
    const auto bucket = static_cast<uint32_t>(record.order_id % kBuckets);
    if (!buckets.empty() && !buckets.contains(bucket)) return;
    take(item->second[record.order_id], record, in_mysql);
  }));
  OrderRepairs repairs;
  for (const auto& [item, of_item] : orders) {
    for (const auto& [order_id, order] : of_item) {
      judge(order_id, order, findings_[item], repairs[item]);
    }
  }
  if (!repair_) return {};
  SLUICE_TRY(find_fields(repairs));
  for (const auto& [item, of_item] : repairs) {
    if (!of_item.empty()) SLUICE_TRY(repair_(item, of_item));
  }
  return {};
}

// What a snapshot keeps of an order has no FIELDS; its segment, if it is still there, has them.
Status OrderAudit::find_fields(OrderRepairs& repairs) {
  std::map<uint64_t, OrderRepair*> inserts;
  for (auto& [item, of_item] : repairs) {
    for (OrderRepair& repair : of_item) {
      if (repair.kind == OrderRepair::Kind::kInsert) inserts[repair.order_id] = &repair;
    }
  }
  if (inserts.empty()) return {};
  return visit_segments(sources_, [&](const Record& record) {
    if (record.type != RecordType::kBuy) return;
    const auto insert = inserts.find(record.order_id);
    if (insert == inserts.end()) return;
    insert->second->record.clear();
    journal::append_record(insert->second->record, record);
    insert->second->has_fields = true;
  });
}

Status OrderAudit::read_mysql(const std::vector<std::string>& items, const Buckets& buckets,
                              Orders& orders) {
  for (const std::string& item : items) orders[item];
  const auto keep = [&](const Result<std::vector<MysqlOrder>>& rows, Order::Place place) -> Status {
    if (!rows) return rows.error();
    for (const MysqlOrder& row : *rows) {
      Order& order = orders[row.item][row.order_id];
      order.place = place;
      order.user = row.user;
      order.quantity = row.quantity;
      order.status = row.status;
    }
    return {};
  };
  SLUICE_TRY(keep(mysql_.dead_letters(items, buckets), Order::Place::kDeadLetters));
  SLUICE_TRY(keep(mysql_.orders(items, buckets), Order::Place::kOrders));
  const auto early = mysql_.early_changes(items, buckets);
  if (!early) return early.error();
  for (const MysqlOrder& row : *early) {
    Order& order = orders[row.item][row.order_id];
    order.early = row.status;
    order.early_of = row.user;
  }
  return {};
}

void OrderAudit::take(Order& order, const Record& record, bool in_mysql) {
  order.buyer = record.user;
  if (record.type != RecordType::kBuy) {
    const orders::OrderStatus status = orders::status_after(record.type);
    if (leads_to(order.last, status)) order.last = status;
    if (!in_mysql || !leads_to(order.due, status)) return;
    order.due = status;
    order.due_ms = record.time_ms;
    return;
  }
  order.bought = in_mysql ? Order::Event::kInMysql : Order::Event::kWaiting;
  if (order.place != Order::Place::kNowhere) {
    order.altered = order.user != record.user || order.quantity != record.quantity;
  } else if (in_mysql) {
    journal::append_record(order.record, record);
  }
}

void OrderAudit::judge(uint64_t order_id, const Order& order, OrderFindings& findings,
                       std::vector<OrderRepair>& repairs) const {
  using Event = Order::Event;
  const bool in_mysql = order.place != Order::Place::kNowhere;
  const auto due = static_cast<size_t>(order.due), status = static_cast<size_t>(order.status);
  if (order.bought == Event::kNone) {
    if (in_mysql) findings.unknown.add(order_id);
    return;
  }
  if (!in_mysql && order.bought == Event::kInMysql) {
    findings.missing.add(order_id);
    repairs.push_back(
        {OrderRepair::Kind::kInsert, order_id, order.buyer, order.record, order.due, order.due_ms});
  } else if (!in_mysql) {
    // The order waits; what has overtaken it, through another proxy, must be kept for it.
    const bool is_kept =
        order.early && order.early_of == order.buyer && !leads_to(*order.early, order.due);
    if (order.due == orders::OrderStatus::kPlaced || is_kept) return;
    findings.behind[due].add(order_id);
    repairs.push_back(
        {OrderRepair::Kind::kChangeEarly, order_id, order.buyer, {}, order.due, order.due_ms});
  } else if (order.altered) {
    findings.altered.add(order_id);
  } else if (leads_to(order.status, order.due)) {
    findings.behind[due].add(order_id);
    repairs.push_back(
        {OrderRepair::Kind::kChange, order_id, order.buyer, {}, order.due, order.due_ms});
  } else if (!is_live(order.status) && is_live(order.last)) {
    findings.ahead[status].add(order_id);
  }
}

}  // namespace sluice::ctl
