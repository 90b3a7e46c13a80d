#include "ctl/repair.h"

#include <algorithm>

#include "orders/schema.h"

namespace sluice::ctl {
namespace {

using sql::Failure;
using sql::FailureKind;

constexpr size_t kOrdersPerTransaction =
    500;  // 500 rows of 35 KiB at most: within any packet limit
constexpr int kAttempts = 5;
constexpr std::string_view kLock = "'sluice-ctl reconcile --fix'";

std::string sql_literal(std::string_view text) {
  std::string out;
  sql::append_quoted(out, text);
  return out;
}

std::string datetime(int64_t time_ms) {
  std::string out;
  orders::append_datetime(out, time_ms);
  return out;
}

// In Sluice's own tables; never another's row under the same number.
std::string where_kept(const std::string& item, const OrderRepair& repair) {
  return " WHERE order_id = " + std::to_string(repair.order_id) +
         " AND item_id = " + sql_literal(item) + " AND user_id = " + sql_literal(repair.user);
}

std::vector<orders::OrderStatus> leading_to(orders::OrderStatus status) {
  std::vector<orders::OrderStatus> before;
  for (const orders::OrderStatus each : orders::kOrderStatuses) {
    if (leads_to(each, status)) before.push_back(each);
  }
  return before;
}

journal::Record record_of(const std::string& item, const OrderRepair& repair) {
  journal::Record order;
  order.order_id = repair.order_id;
  order.item = item;
  order.user = repair.user;
  return order;
}

bool of_the_row(const Failure& failure) {
  return failure.kind == FailureKind::kRefusedData || failure.kind == FailureKind::kDuplicate;
}

}  // namespace

Repair::Repair(const sql::ConnectOptions& mysql, const orders::OrderTable& table)
    : options_(mysql), table_(table) {}

Status Repair::connect() {
  if (const auto failure = connection_.connect(options_)) return failure->error();
  std::vector<std::string> tables;
  if (const auto failure = orders::find_tables(connection_, table_, tables))
    return failure->error();
  connection_.rollback();
  view_ = table_.view(tables);
  std::vector<sql::Row> rows;
  // Two of them would both add what is missing.
  if (const auto failure =
          connection_.query("SELECT GET_LOCK(" + std::string(kLock) + ", 0)", rows)) {
    return failure->error();
  }
  if (rows[0][0].value_or("0") == "1") return {};
  return Error(ErrorClass::kExists, "another sluice-ctl reconcile --fix is at work on " +
                                        options_.text() + "; wait for its end");
}

Status Repair::transact(const Statements& statements) {
  for (int attempt = 1;; ++attempt) {
    auto failure = statements();
    if (!failure) failure = connection_.exec("COMMIT");
    if (!failure) return {};
    connection_.rollback();
    const bool again =
        failure->kind == FailureKind::kDeadlock || failure->kind == FailureKind::kLockWait;
    if (!again || attempt == kAttempts) return failure->error();
  }
}

Status Repair::orders(const std::string& item, const std::vector<OrderRepair>& repairs) {
  for (size_t begin = 0; begin < repairs.size(); begin += kOrdersPerTransaction) {
    const size_t end = std::min(begin + kOrdersPerTransaction, repairs.size());
    const std::vector<OrderRepair> some(repairs.begin() + static_cast<ptrdiff_t>(begin),
                                        repairs.begin() + static_cast<ptrdiff_t>(end));
    const size_t refused = refused_.size();
    const uint64_t without_fields = without_fields_;
    SLUICE_TRY(transact([&]() -> std::optional<Failure> {
      refused_.resize(refused);  // what an attempt before this one counted
      without_fields_ = without_fields;
      if (auto failure = insert(item, some)) return failure;
      if (auto failure = change(item, some)) return failure;
      return recount_sold(item);
    }));
    repaired_ += some.size() - (refused_.size() - refused);
  }
  return {};
}

// One by one: few are missing, and one that is refused must not keep the others out.
std::optional<Failure> Repair::insert(const std::string& item,
                                      const std::vector<OrderRepair>& repairs) {
  std::vector<const OrderRepair*> inserted;
  for (const OrderRepair& repair : repairs) {
    if (repair.kind != OrderRepair::Kind::kInsert) continue;
    auto failure = insert_one(repair);
    if (failure && !of_the_row(*failure)) return failure;
    if (failure) {
      refused_.push_back("order " + std::to_string(repair.order_id) + ": " + failure->text());
    } else {
      inserted.push_back(&repair);
      without_fields_ += repair.has_fields ? 0 : 1;
    }
  }
  for (const OrderRepair* repair : inserted) {
    if (auto failure = take_early_change(item, *repair)) return failure;
  }
  return std::nullopt;
}

std::optional<Failure> Repair::insert_one(const OrderRepair& repair) {
  std::string_view bytes = repair.record;
  const auto record = journal::take_record(bytes);
  SLUICE_ASSERT(record.ok(), "a record that was encoded here");
  std::string statement = table_.insert_head(table_.table_of(*record));
  table_.append_row(statement, {&*record, repair.status, repair.changed_ms});
  const orders::OrderTable* details = table_.details();
  if (details == nullptr) return connection_.exec(statement);
  if (auto failure = connection_.exec("SAVEPOINT sluice_order")) return failure;
  auto failure = connection_.exec(statement);
  if (!failure) {
    statement = details->insert_head(details->table_of(*record));
    details->append_row(statement, {&*record, repair.status, repair.changed_ms});
    failure = connection_.exec(statement);
    // They may have stayed when the order went.
    if (failure && failure->kind == FailureKind::kDuplicate) failure.reset();
  }
  if (failure && connection_.connected()) {
    if (auto lost = connection_.exec("ROLLBACK TO SAVEPOINT sluice_order")) return lost;
  }
  return failure;
}

// What was drained while the order was missing waits for it, as for any order.
std::optional<Failure> Repair::take_early_change(const std::string& item,
                                                 const OrderRepair& repair) {
  const std::string where = where_kept(item, repair);
  std::vector<sql::Row> rows;
  if (auto failure = connection_.query(
          "SELECT status, changed_at FROM sluice_early_change" + where + " FOR UPDATE", rows)) {
    return failure;
  }
  if (rows.empty()) return std::nullopt;
  const auto status = orders::status_of_word(rows[0][0].value_or(""));
  if (status) {
    if (auto failure = connection_.exec(
            change_of_row(item, repair, *status, sql_literal(rows[0][1].value_or(""))))) {
      return failure;
    }
  }
  return connection_.exec("DELETE FROM sluice_early_change" + where);
}

// Of a row whose status leads to that one.
std::string Repair::change_of_row(const std::string& item, const OrderRepair& repair,
                                  orders::OrderStatus status, const std::string& time) const {
  const journal::Record order = record_of(item, repair);
  return "UPDATE " + table_.table_of(order) + table_.set_status(status, time) +
         table_.where(order) + " AND " + table_.has_status(leading_to(status));
}

std::optional<Failure> Repair::change(const std::string& item,
                                      const std::vector<OrderRepair>& repairs) {
  for (const OrderRepair& repair : repairs) {
    const std::string time = datetime(repair.changed_ms);
    const std::string word = sql_literal(word_of(repair.status));
    std::vector<std::string> statements;
    if (repair.kind == OrderRepair::Kind::kChange) {
      std::string before;
      for (const orders::OrderStatus each : leading_to(repair.status))
        before += (before.empty() ? "" : ",") + sql_literal(word_of(each));
      // It is in one of the two.
      statements = {"UPDATE sluice_dead_letter SET status = " + word + ", changed_at = " + time +
                        where_kept(item, repair) + " AND status IN (" + before + ")",
                    change_of_row(item, repair, repair.status, time)};
    } else if (repair.kind == OrderRepair::Kind::kChangeEarly) {
      statements = {
          "INSERT INTO sluice_early_change (order_id, item_id, user_id, status, changed_at)"
          " VALUES (" +
          std::to_string(repair.order_id) + "," + sql_literal(item) + "," +
          sql_literal(repair.user) + "," + word + "," + time +
          ") ON DUPLICATE KEY UPDATE status = VALUES(status), changed_at = VALUES(changed_at)"};
    }
    for (const std::string& statement : statements) {
      if (auto failure = connection_.exec(statement)) return failure;
    }
  }
  return std::nullopt;
}

// Every transaction that changes an item's orders locks its row last and until its end. So, with
// the row locked here, what a consistent read then sees is exactly what the row has to say: a
// transaction that is not committed yet will add its own share later. Nothing before this in the
// transaction may have been a consistent read: the first one fixes what all of them see.
std::optional<Failure> Repair::recount_sold(const std::string& item) {
  const std::string where = " WHERE item_id = " + sql_literal(item);
  std::vector<sql::Row> rows;
  if (auto failure = connection_.query("SELECT sold FROM items" + where + " FOR UPDATE", rows)) {
    return failure;
  }
  if (rows.empty()) return std::nullopt;  // item_row() makes it
  if (auto failure = connection_.query("SELECT CAST(COALESCE(SUM(quantity), 0) AS SIGNED) FROM " +
                                           view_ + where + " AND status IN ('placed', 'paid')",
                                       rows)) {
    return failure;
  }
  return connection_.exec("UPDATE items SET sold = " + rows[0][0].value_or("0") + where);
}

Status Repair::item_sold(const std::string& item) {
  return transact([&] { return recount_sold(item); });
}

Status Repair::item_row(const std::string& item, const JournalItem& journal,
                        const MysqlItem& mysql) {
  // As a change of what was seen: a flusher may add a restock at the same time.
  const int64_t missing = journal.drained.given - mysql.stock;
  return transact([&]() -> std::optional<Failure> {
    std::string statement = "UPDATE items SET stock = stock + " + std::to_string(missing) +
                            " WHERE item_id = " + sql_literal(item);
    if (!mysql.has_row) {
      MysqlItem row;
      row.stock = missing;
      row.limit = journal.limit;
      row.start_ms = journal.start_ms;
      row.end_ms = journal.end_ms;
      row.hold_ms = journal.hold_ms;
      row.settings_ms = journal.settings_ms;
      row.is_closed = !journal.open;
      row.state_ms = std::max(journal.state_ms, journal.created_ms);
      statement = insert_of(item, row);
    }
    if (auto failure = connection_.exec(statement)) return failure;
    return recount_sold(item);
  });
}

}  // namespace sluice::ctl
