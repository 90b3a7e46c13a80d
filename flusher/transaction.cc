#include "flusher/transaction.h"

#include <algorithm>
#include <utility>

#include "base/decimal.h"
#include "base/failpoint.h"
#include "flusher/dead_letter.h"
#include "flusher/deleted_item.h"
#include "flusher/early_change.h"
#include "flusher/item_rows.h"
#include "flusher/order_rows.h"

namespace sluice::flusher {
namespace {

using sql::Failure;
using sql::FailureKind;

// One takes at most 240 bytes in its longest statement: 240 KB, below any packet limit.
constexpr size_t kChangesPerStatement = 1000;
// Room beside the statement's text in a packet: its header and command byte, generously.
constexpr size_t kPacketSlack = 1024;
// So many buyers who are refused alike are no accident.
constexpr size_t kAlikeMin = 4;
// MySQL's "Incorrect integer value".
constexpr unsigned kWrongNumber = 1366;

// Some errors say in which row of the statement it was, counted from 1; 0: this one does not.
size_t row_named_in(std::string_view message) {
  constexpr std::string_view kAtRow = " at row ";
  const size_t at = message.rfind(kAtRow);
  size_t row = 0;
  if (at == message.npos || !base::parse_decimal(message.substr(at + kAtRow.size()), row)) return 0;
  return row;
}

}  // namespace

Transaction::Transaction(sql::Connection& connection, const orders::OrderTable& orders,
                         const CheckpointKey& key, uint32_t writer, const StatementSize& most,
                         const Caution& caution)
    : connection_(connection),
      orders_(orders),
      key_(key),
      writer_(writer),
      most_{std::min(most.bytes, connection.max_allowed_packet() - kPacketSlack), most.orders},
      caution_(caution) {}

std::optional<Failure> Transaction::run(const Part& part, uint64_t from) {
  changes_ = fold(part.records);
  if (auto failure = advance(from, part)) return failure;
  began_ = true;
  base::failpoint(base::Failpoint::kFlushBeforeInsert);
  // Before the orders: a cancelled one may hold a key of the shop's that its buyer's next one
  // takes.
  if (auto failure = change_all()) return failure;
  if (auto failure = caution_.condemned ? condemn() : insert_all()) return failure;
  base::failpoint(base::Failpoint::kFlushAfterInsert);
  if (auto failure = change_all()) return failure;
  if (auto failure = delete_items(connection_, changes_)) return failure;
  if (auto failure = take_deleted_items(connection_, changes_)) return failure;
  if (auto failure = update_items(connection_, changes_, most_.bytes)) return failure;
  if (!caution_.any_error_is_a_rows || dead_ == 0) return std::nullopt;
  // With an error that nobody knows the server may have rolled back more than the statement.
  return find_advanced(connection_, key_, writer_, part.end);
}

std::optional<Failure> Transaction::advance(uint64_t from, const Part& part) {
  if (auto failure =
          advance_checkpoint(connection_, key_, writer_, from, part.end, part.fingerprint)) {
    return failure;
  }
  if (connection_.affected_rows() == 1) return std::nullopt;
  conflict_ = true;
  return Failure{FailureKind::kOther, 0,
                 "the checkpoint of writer " + std::to_string(writer_) + " is not at " +
                     std::to_string(from) + " any more"};
}

// One table after the other, as every writer does.
std::optional<Failure> Transaction::insert_all() {
  if (auto failure = take_unfit_out()) return failure;
  std::vector<orders::OrderRow>& rows = changes_.orders;
  std::map<std::string, std::vector<orders::OrderRow>> tables;
  if (!orders_.is_one_table()) {
    for (const orders::OrderRow& row : rows) tables[orders_.table_of(*row.record)].push_back(row);
    rows.clear();
  } else if (!rows.empty()) {
    tables[orders_.table_of(*rows.front().record)];
  }
  for (auto& [table, of_table] : tables) {
    table_ = table;
    head_ = orders_.insert_head(table);
    size_t begin = orders_.is_one_table() ? 0 : rows.size();
    rows.insert(rows.end(), of_table.begin(), of_table.end());
    const size_t end = rows.size();
    if (orders_.details() == nullptr) {
      if (auto failure = insert_as_values(begin, end)) return failure;
    }
    if (auto failure = insert_as_text(begin, end)) return failure;
  }
  return std::nullopt;
}

// Orders of which the table would take another value.
std::optional<Failure> Transaction::take_unfit_out() {
  const auto is_unfit = [this](const orders::OrderRow& row) {
    return !orders_.unfit(*row.record).empty();
  };
  std::vector<orders::OrderRow>& rows = changes_.orders;
  if (std::none_of(rows.begin(), rows.end(), is_unfit)) return std::nullopt;
  for (const orders::OrderRow& row : rows) {
    const std::string why = orders_.unfit(*row.record);
    if (why.empty()) continue;
    if (auto failure = bury(row, {FailureKind::kRefusedData, kWrongNumber, why})) return failure;
  }
  std::erase_if(rows, is_unfit);
  return std::nullopt;
}

// The orders from `begin` on, as long as they are better sent so than as text; `begin` becomes the
// first one that is left.
std::optional<Failure> Transaction::insert_as_values(size_t& begin, size_t all) {
  const size_t columns = orders_.bulk_types().size();
  const auto ahead = [&] { return std::min(all - begin, most_.orders); };
  if (!connection_.takes_bulk(ahead(), columns)) return std::nullopt;
  sql::BulkRows rows(orders_.bulk_types(), ahead());
  const std::string insert = orders_.bulk_insert(table_);
  for (size_t end = begin; begin < all && connection_.takes_bulk(ahead(), columns); rows.clear()) {
    do {
      orders_.append_row(rows, changes_.orders[end++]);
    } while (end < all && end - begin < most_.orders &&
             rows.bytes() + orders_.bulk_bytes_max(changes_.orders[end]) <= most_.bytes);
    auto failure = connection_.exec_bulk(insert, rows);
    // Said before anything is done. After any other kOther the transaction may be gone: roll back;
    // the next attempt sends text.
    if (failure && failure->code == sql::kBulkNotReplicated) return std::nullopt;
    if (auto unsettled = settle(begin, end, std::move(failure))) return unsettled;
    begin = end;
  }
  return std::nullopt;
}

std::optional<Failure> Transaction::insert_as_text(size_t begin, size_t end) {
  while (begin < end) {
    size_t sent = end;
    auto failure = send(begin, sent);
    if (!failure) {
      begin = sent;
      continue;
    }
    if (!is_refusal(*failure)) return failure;
    if (auto unsettled = take_out(begin, sent, std::move(*failure))) return unsettled;
  }
  return std::nullopt;
}

// One INSERT of the rows from `begin` on, up to `end` or as many as a statement may have; `end`
// becomes where it ends. After a failure none of them is in.
std::optional<Failure> Transaction::send(size_t begin, size_t& end) {
  statement_ = head_;
  end = begin + std::min(end - begin, most_.orders);
  for (size_t i = begin; i < end; ++i) {
    const size_t before = statement_.size();
    if (i > begin) statement_ += ',';
    orders_.append_row(statement_, changes_.orders[i]);
    if (statement_.size() <= most_.bytes || i == begin) continue;
    statement_.resize(before);
    end = i;
  }
  auto failure =
      orders_.details() == nullptr ? connection_.exec(statement_) : send_with_details(begin, end);
  if (failure) return failure;
  inserted_ += end - begin;
  count_sold(begin, end);
  return std::nullopt;
}

// An order whose details are refused does not go in.
std::optional<Failure> Transaction::send_with_details(size_t begin, size_t end) {
  if (auto failure = connection_.exec("SAVEPOINT sluice_order")) return failure;
  auto refused = connection_.exec(statement_);
  if (!refused) refused = insert_details(begin, end);
  if (refused && connection_.connected()) {
    if (auto failure = connection_.exec("ROLLBACK TO SAVEPOINT sluice_order")) return failure;
  }
  return refused;
}

std::optional<Failure> Transaction::insert_details(size_t begin, size_t end) {
  std::map<std::string, std::string> inserts;  // by table
  for (size_t i = begin; i < end; ++i) {
    const orders::OrderRow& row = changes_.orders[i];
    const std::string table = orders_.details()->table_of(*row.record);
    std::string& insert = inserts[table];
    insert += insert.empty() ? orders_.details()->insert_head(table) : ",";
    orders_.details()->append_row(insert, row);
  }
  for (const auto& [table, insert] : inserts) {
    if (auto failure = connection_.exec(insert)) return failure;
  }
  return std::nullopt;
}

// What came of an INSERT of the rows [begin, end) as values.
std::optional<Failure> Transaction::settle(size_t begin, size_t end,
                                           std::optional<Failure> failure) {
  if (!failure) {
    inserted_ += end - begin;
    count_sold(begin, end);
    return std::nullopt;
  }
  if (!is_refusal(*failure)) return failure;
  if (auto unsettled = take_out(begin, end, std::move(*failure))) return unsettled;
  return insert_as_text(begin, end);
}

// The server has rolled back this one statement; the transaction goes on.
bool Transaction::is_refusal(const Failure& failure) const {
  return failure.kind == FailureKind::kRefusedData || failure.kind == FailureKind::kDuplicate ||
         (caution_.any_error_is_a_rows && failure.kind == FailureKind::kOther);
}

// Of the rows [begin, end), which were refused with `reason`, the first refused one is taken out;
// those before it go in, and `begin` moves behind it. The server takes rows in their order and
// stops at the first that it refuses, so one statement halves what is to be looked at.
std::optional<Failure> Transaction::take_out(size_t& begin, size_t end, Failure reason) {
  size_t from = begin;  // where the statement began that was refused with `reason`
  bool is_tried_alone = end - begin == 1;
  while (!is_tried_alone) {
    size_t middle = end - begin == 1 ? end : begin + (end - begin) / 2;
    if (const size_t row = row_named_in(reason.message); row != 0 && from + row - 1 < end) {
      const size_t named = from + row - 1;
      middle = named > begin ? named : named == begin ? begin + 1 : middle;
    }
    auto failure = send(begin, middle);
    if (!failure) {
      begin = middle;
      if (begin == end) return std::nullopt;  // alone it is taken
      continue;
    }
    if (!is_refusal(*failure)) return failure;
    reason = std::move(*failure);
    from = begin;
    end = middle;
    is_tried_alone = end - begin == 1;
  }
  return settle_refused(changes_.orders[begin++], reason);
}

std::optional<Failure> Transaction::settle_refused(const orders::OrderRow& row,
                                                   const Failure& reason) {
  if (reason.kind == FailureKind::kDuplicate) {
    // The very same order may be there already, if sluice_checkpoint was set back by hand or
    // restored from an older backup than orders. It is counted in items.sold already.
    std::vector<sql::Row> rows;
    if (auto failure = connection_.query(orders_.find_one(*row.record), rows)) return failure;
    if (!rows.empty() && rows[0][0] == std::to_string(row.record->quantity)) {
      if (row.changed_ms != 0)
        changes_.order_changes.push_back({row.record, row.status, row.changed_ms});
      return std::nullopt;
    }
    // Of another key, which perhaps an order has whose cancel another writer is about to bring.
    if (caution_.duplicates_may_pass)
      return Failure{FailureKind::kDeadlock, reason.code, reason.message};
  }
  if (reason.kind != FailureKind::kDuplicate) {
    Refusals& alike = refusals_[reason.code];
    ++alike.count;
    alike.buyers.emplace(row.record->user);
    alike.example = &row;
    alike.message = reason.message;
    if (auto failure = judge(reason.code, alike)) return failure;
  }
  return bury(row, reason);
}

std::optional<Failure> Transaction::bury(const orders::OrderRow& row, const Failure& reason) {
  if (dead_ >= caution_.dead_letters_left) {
    return Failure{
        FailureKind::kRefusesAll, reason.code,
        reason.message + "; and limits.dead_letters of them wait already: see sluice-ctl dlq list"};
  }
  if (auto failure = insert_dead_letter(connection_, key_.journal_id, row, reason)) return failure;
  if (connection_.affected_rows() == 1) ++dead_;  // else it was there already
  return std::nullopt;
}

std::optional<Failure> Transaction::condemn() {
  for (const orders::OrderRow& row : changes_.orders) {
    if (auto failure = bury(row, *caution_.condemned)) return failure;
  }
  return std::nullopt;
}

std::set<std::string> Transaction::refused() const {
  std::set<std::string> buyers;
  for (const auto& [code, alike] : refusals_)
    buyers.insert(alike.buyers.begin(), alike.buyers.end());
  return buyers;
}

// Whether what was refused is the table's doing. A buyer must not be able to stop everything,
// neither by how often he comes nor by what he writes.
std::optional<Failure> Transaction::judge(unsigned code, const Refusals& alike) {
  if (is_of_rows_ || alike.count * 2 < changes_.orders.size()) return std::nullopt;
  std::set<std::string> buyers = alike.buyers;
  if (inserted_ == 0) buyers.insert(caution_.refused_before.begin(), caution_.refused_before.end());
  if (buyers.size() < kAlikeMin) return std::nullopt;
  journal::Record bare = *alike.example->record;
  bare.fields = {};
  std::string insert = head_;
  orders_.append_row(insert, {&bare});
  if (auto failure = connection_.exec("SAVEPOINT sluice_bare")) return failure;
  const auto refused = connection_.exec(insert);
  if (refused && !connection_.connected()) return refused;
  if (auto failure = connection_.exec("ROLLBACK TO SAVEPOINT sluice_bare")) return failure;
  if (!refused || refused->code != code) {
    is_of_rows_ = true;
    return std::nullopt;
  }
  return Failure{FailureKind::kRefusesAll, code,
                 alike.message + " (" + std::to_string(alike.count) + " of " +
                     std::to_string(changes_.orders.size()) +
                     " orders are refused alike, also without their FIELDS)"};
}

void Transaction::count_sold(size_t begin, size_t end) {
  ItemChange* item = nullptr;  // of the order before: mostly it is the same one's
  std::string_view item_id;
  for (size_t i = begin; i < end; ++i) {
    const orders::OrderRow& row = changes_.orders[i];
    if (!is_live(row.status)) continue;
    if (item == nullptr || row.record->item != item_id) {
      item_id = row.record->item;
      item = &changes_.item(item_id);
    }
    item->sold += row.record->quantity;
    item->updated_ms = std::max(item->updated_ms, row.record->time_ms);
  }
}

std::optional<Failure> Transaction::change_all() {
  std::vector<OrderChange> all = std::exchange(changes_.order_changes, {});
  std::sort(all.begin(), all.end(), by_order_id);
  for (size_t begin = 0; begin < all.size(); begin += kChangesPerStatement) {
    const size_t count = std::min(kChangesPerStatement, all.size() - begin);
    if (auto failure = change_some(std::span(all).subspan(begin, count))) return failure;
  }
  return std::nullopt;
}

// What was sold counts so no more.
void Transaction::give_back(const OrderChange& change, int64_t quantity) {
  ItemChange& item = changes_.item(change.order->item);
  item.sold -= quantity;
  item.updated_ms = std::max(item.updated_ms, change.time_ms);
}

// A row is changed only if order, item and user are those of the change: another's under the same
// number, given out by a doubled proxy.id, is left alone.
std::optional<Failure> Transaction::change_some(std::span<const OrderChange> changes) {
  // Dead letters first: one that is being put in again is waited for, and then found below.
  if (auto failure = change_dead_letters(connection_, changes)) return failure;

  std::vector<OrderChange> missing;
  std::set<uint64_t> own;  // of this journal, and no row has the number
  for (const auto& [table, of_table] : by_table(orders_, changes)) {
    if (auto failure = change_in(table, of_table, missing, own)) return failure;
  }
  std::vector<OrderChange> gone;
  if (auto failure = keep_early_changes(connection_, missing, own, gone)) return failure;
  // Somebody has deleted or archived the row; what it counted for comes back all the same.
  for (const OrderChange& change : gone) {
    if (is_live(change.status)) continue;
    give_back(change, change.order->quantity);
    gone_.push_back(change.order_id());
  }
  return std::nullopt;
}

std::optional<Failure> Transaction::change_in(const std::string& table,
                                              std::span<const OrderChange> changes,
                                              std::vector<OrderChange>& missing,
                                              std::set<uint64_t>& own) {
  std::vector<sql::Row> found;
  if (auto failure = find_rows(connection_, orders_, table, ids_of(changes), true, found))
    return failure;
  std::vector<OrderChange> done;
  auto row = found.begin();
  for (const OrderChange& change : changes) {
    const journal::Record& order = *change.order;
    while (row != found.end() && std::stoull(*(*row)[0]) < order.order_id) ++row;
    const bool has_number = row != found.end() && std::stoull(*(*row)[0]) == order.order_id;
    const bool is_there = has_number && (*row)[1] == order.item && (*row)[2] == order.user;
    if (!is_there) {
      missing.push_back(change);
      if (!has_number && journal::proxy_of_id(order.order_id) == key_.proxy_id)
        own.insert(order.order_id);
      continue;
    }
    const orders::OrderStatus before = orders_.status_of((*row)[4]);
    if (!leads_to(before, change.status)) continue;
    done.push_back(change);
    if (!is_live(change.status)) give_back(change, std::stoll(*(*row)[3]));
    (*row)[4] = orders_.mapping().word(change.status);
  }
  return change_rows(connection_, orders_, table, done);
}

}  // namespace sluice::flusher
