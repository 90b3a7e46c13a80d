#include "ctl/mysql_items.h"

#include <functional>

#include "orders/order_table.h"
#include "orders/partition.h"
#include "orders/schema.h"

namespace sluice::ctl {
namespace {

constexpr unsigned kStatementTimeoutS = 3600;  // the orders of a year are counted in one statement
constexpr size_t kNamedItemsMax = 1000;        // more than that: all are read, and filtered here

constexpr std::string_view kDeadQuantity = "JSON_EXTRACT(record, '$.quantity')";
constexpr std::string_view kDeadRequest = "JSON_UNQUOTE(JSON_EXTRACT(record, '$.request'))";

// NULL, which only an edited row or record can hold, counts as 0.
template <class Number = int64_t>
Number number(const std::optional<std::string>& text) {
  if (!text) return 0;
  return text->starts_with('-') ? static_cast<Number>(std::stoll(*text))
                                : static_cast<Number>(std::stoull(*text));
}

orders::OrderStatus status(const std::optional<std::string>& word) {
  return orders::status_of_word(word.value_or("")).value_or(orders::OrderStatus::kPaid);
}

// The columns of four tallies: all orders, and those of each status but "placed".
std::string tally_columns(std::string_view user, std::string_view quantity) {
  const std::string print = print_sql("order_id", user, quantity);
  const std::string units(quantity);
  std::string columns =
      "COUNT(*), CAST(COALESCE(SUM(" + units + "), 0) AS SIGNED), BIT_XOR(" + print + ")";
  for (const orders::OrderStatus status : orders::kOrderStatuses) {
    if (status == orders::OrderStatus::kPlaced) continue;
    const std::string is_so = "status = '" + std::string(word_of(status)) + "'";
    columns += ", COALESCE(SUM(" + is_so + "), 0), CAST(COALESCE(SUM(IF(" + is_so + ", " + units +
               ", 0)), 0) AS SIGNED), BIT_XOR(IF(" + is_so + ", " + print + ", 0))";
  }
  return columns;
}

void add_tallies(Sales& sales, const sql::Row& row, size_t first) {
  const auto tally = [&](size_t at) {
    return Tally{number<uint64_t>(row[at]), number(row[at + 1]), number<uint32_t>(row[at + 2])};
  };
  sales.bought += tally(first);
  for (const orders::OrderStatus status : orders::kOrderStatuses) {
    if (status != orders::OrderStatus::kPlaced) of_status(sales, status) += tally(first += 3);
  }
}

template <class Items>
std::string in_items(std::string_view column, const Items& items) {
  std::string names;
  for (const auto& item : items) {
    if (!names.empty()) names += ',';
    sql::append_quoted(names, item);
  }
  return std::string(column) + " IN (" + names + ")";
}

// A DATETIME as milliseconds since 1970; NULL stays.
std::string ms_of(std::string_view column) {
  return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', " + std::string(column) + ") DIV 1000";
}

std::string in_buckets(const Buckets& buckets) {
  std::string numbers;
  for (const uint32_t bucket : buckets) {
    numbers += (numbers.empty() ? "" : ",") + std::to_string(bucket);
  }
  return "order_id MOD " + std::to_string(kBuckets) + " IN (" + numbers + ")";
}

std::string where(const std::string& items, const Buckets& buckets) {
  return " WHERE " + items + (buckets.empty() ? "" : " AND " + in_buckets(buckets));
}

}  // namespace

std::string insert_of(const std::string& item, const MysqlItem& row) {
  std::string out =
      "INSERT INTO items (item_id, stock, sold, limit_per_user, start_at, end_at, hold_ms,"
      " settings_at, state, state_at, updated_at) VALUES (";
  sql::append_quoted(out, item);
  return out + "," + std::to_string(row.stock) + ",0," + std::to_string(row.limit) + "," +
         orders::datetime_or_null(row.start_ms) + "," + orders::datetime_or_null(row.end_ms) + "," +
         std::to_string(row.hold_ms) + "," + orders::datetime_or_null(row.settings_ms) +
         (row.is_closed ? ",'closed'," : ",'open',") + orders::datetime_or_null(row.state_ms) +
         ",NOW(3)) ON DUPLICATE KEY UPDATE stock = stock + VALUES(stock)";
}

MysqlItems::MysqlItems(const sql::ConnectOptions& mysql, const orders::OrderTable& table)
    : options_(mysql), table_(table) {
  options_.timeout_s = kStatementTimeoutS;
}

Status MysqlItems::begin() {
  if (connection_.connected()) connection_.rollback();
  if (!connection_.connected()) {
    if (const auto failure = connection_.connect(options_)) return failure->error();
  }
  SLUICE_TRY(look_at_tables());
  for (const std::string_view statement :
       {"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"}) {
    if (const auto failure = connection_.exec(statement)) return failure->error();
  }
  return {};
}

// Which there are, and what they are like.
Status MysqlItems::look_at_tables() {
  orders::OrderTable table = table_;
  orders::SchemaReport report;
  std::vector<std::string> names;
  auto failure = orders::find_tables(connection_, table, names);
  if (!failure) failure = orders::learn(connection_, table, report);
  connection_.rollback();
  if (failure) return failure->error();
  view_ = table.view(names);
  return {};
}

Result<std::vector<sql::Row>> MysqlItems::query(const std::string& statement) {
  std::vector<sql::Row> rows;
  const auto failure = connection_.query(statement, rows);
  if (!failure) return rows;
  const bool schema = failure->kind == sql::FailureKind::kSchemaMissing;
  return Error(failure->error().cls(), options_.text() + ": " + failure->text() +
                                           (schema ? "; see sluice-ctl schema apply" : ""));
}

Result<Checkpoints> MysqlItems::checkpoints() {
  const auto rows = query(
      "SELECT journal_id, writers, position FROM sluice_checkpoint WHERE journal_id NOT IN"
      " (SELECT journal_id FROM sluice_journal WHERE retired) ORDER BY journal_id, writer");
  if (!rows) return rows.error();
  Checkpoints checkpoints;
  std::map<uint64_t, uint64_t> writers;
  for (const sql::Row& row : *rows) {
    const auto journal_id = number<uint64_t>(row[0]);
    checkpoints[journal_id].push_back(number<uint64_t>(row[2]));
    writers[journal_id] = number<uint64_t>(row[1]);
  }
  for (const auto& [journal_id, positions] : checkpoints) {
    const std::string table = "sluice_checkpoint of journal " + std::to_string(journal_id);
    if (positions.size() != writers[journal_id] % orders::kPartitioningStep) {
      return Error(ErrorClass::kRefused,
                   table + ": rows are missing or too many; restore the table");
    }
    if (writers[journal_id] != orders::stored_writers(static_cast<uint32_t>(positions.size()))) {
      return Error(ErrorClass::kRefused,
                   table + ": it is of a flusher of another version; start this one's first");
    }
  }
  return checkpoints;
}

Result<MysqlItemMap> MysqlItems::items(const ItemFilter& filter) {
  const bool named = !filter.empty() && filter.size() <= kNamedItemsMax;
  const auto restricted = [&](std::string_view column) {
    return named ? " WHERE " + in_items(column, filter) : std::string();
  };
  MysqlItemMap items;
  // Reads rows whose first column is the item.
  const auto read = [&](const std::string& statement,
                        const std::function<void(MysqlItem&, const sql::Row&)>& take) -> Status {
    const auto rows = query(statement);
    if (!rows) return rows.error();
    for (const sql::Row& row : *rows) {
      const std::string name = row[0].value_or("");
      if (filter.empty() || filter.contains(name)) take(items[name], row);
    }
    return {};
  };
  SLUICE_TRY(read("SELECT item_id, stock, sold, limit_per_user, " + ms_of("start_at") + ", " +
                      ms_of("end_at") + ", state = 'closed', " + ms_of("state_at") + ", hold_ms, " +
                      ms_of("settings_at") + " FROM items" + restricted("item_id"),
                  [](MysqlItem& item, const sql::Row& row) {
                    item.has_row = true;
                    item.stock = number(row[1]);
                    item.sold = number(row[2]);
                    item.limit = number(row[3]);
                    item.start_ms = number(row[4]);
                    item.end_ms = number(row[5]);
                    item.is_closed = number(row[6]) != 0;
                    item.state_ms = number(row[7]);
                    item.hold_ms = number(row[8]);
                    item.settings_ms = number(row[9]);
                  }));
  SLUICE_TRY(read("SELECT item_id, " + tally_columns("user_id", "quantity") + " FROM " + view_ +
                      restricted("item_id") + " GROUP BY item_id",
                  [](MysqlItem& item, const sql::Row& row) { add_tallies(item.orders, row, 1); }));
  SLUICE_TRY(read("SELECT item_id, " + tally_columns("user_id", kDeadQuantity) +
                      " FROM sluice_dead_letter" + restricted("item_id") + " GROUP BY item_id",
                  [](MysqlItem& item, const sql::Row& row) { add_tallies(item.dead, row, 1); }));
  return items;
}

Result<std::set<std::string>> MysqlItems::items_sold_by(const std::set<uint32_t>& lanes) {
  std::string numbers;
  for (const uint32_t lane : lanes) {
    numbers += (numbers.empty() ? "" : ",") + std::to_string(lane);
  }
  std::set<std::string> items;
  for (const std::string& table : {view_, std::string("sluice_dead_letter")}) {
    const auto rows = query("SELECT DISTINCT item_id FROM " + table +
                            " WHERE (order_id >> 12) & 1023 IN (" + numbers + ")");
    if (!rows) return rows.error();
    for (const sql::Row& row : *rows) items.insert(row[0].value_or(""));
  }
  return items;
}

Result<std::map<uint32_t, Sales>> MysqlItems::buckets(const std::string& item) {
  const std::string bucket = "SELECT order_id MOD " + std::to_string(kBuckets) + " AS bucket, ";
  const std::vector<std::string> one{item};
  std::map<uint32_t, Sales> buckets;
  for (const std::string& statement :
       {bucket + tally_columns("user_id", "quantity") + " FROM " + view_ + " WHERE " +
            in_items("item_id", one) + " GROUP BY bucket",
        bucket + tally_columns("user_id", kDeadQuantity) + " FROM sluice_dead_letter WHERE " +
            in_items("item_id", one) + " GROUP BY bucket"}) {
    const auto rows = query(statement);
    if (!rows) return rows.error();
    for (const sql::Row& row : *rows) add_tallies(buckets[number<uint32_t>(row[0])], row, 1);
  }
  return buckets;
}

Result<std::vector<MysqlOrder>> MysqlItems::read_orders(const std::string& statement) {
  const auto rows = query(statement);
  if (!rows) return rows.error();
  std::vector<MysqlOrder> orders;
  for (const sql::Row& row : *rows) {
    orders.push_back({number<uint64_t>(row[0]), row[1].value_or(""), row[2].value_or(""),
                      number(row[3]), status(row[4]), row[5].value_or(""), number(row[6]),
                      number(row[7])});
  }
  return orders;
}

Result<std::vector<MysqlOrder>> MysqlItems::orders(std::span<const std::string> items,
                                                   const Buckets& buckets) {
  return read_orders(
      "SELECT order_id, item_id, user_id, quantity, status,"
      " request_id, " +
      ms_of("created_at") + ", " + ms_of("updated_at") + " FROM " + view_ +
      where(in_items("item_id", items), buckets));
}

Result<std::vector<MysqlOrder>> MysqlItems::dead_letters(std::span<const std::string> items,
                                                         const Buckets& buckets) {
  return read_orders("SELECT order_id, item_id, user_id, " + std::string(kDeadQuantity) +
                     ", status, " + std::string(kDeadRequest) +
                     ", JSON_EXTRACT(record, '$.time_ms'), " + ms_of("changed_at") +
                     " FROM sluice_dead_letter" + where(in_items("item_id", items), buckets));
}

Result<OrderTimes> MysqlItems::order_times(const std::string& item) {
  const std::string time = "COALESCE(" + ms_of("created_at") + ", (order_id >> 22) + " +
                           std::to_string(journal::kIdEpochMs) + ")";
  const std::string of_item =
      " FROM " + view_ + " WHERE " + in_items("item_id", std::vector<std::string>{item});
  const auto whole =
      query("SELECT COUNT(DISTINCT user_id), MIN(" + time + "), MAX(" + time + ")" + of_item);
  if (!whole) return whole.error();
  OrderTimes times{
      number<uint64_t>((*whole)[0][0]), number((*whole)[0][1]), number((*whole)[0][2]), {}};
  const auto seconds = query("SELECT " + time + " DIV 1000 AS second, COUNT(*)" + of_item +
                             " GROUP BY second ORDER BY second");
  if (!seconds) return seconds.error();
  for (const sql::Row& row : *seconds)
    times.by_second.emplace_back(number(row[0]), number<uint64_t>(row[1]));
  return times;
}

Result<int64_t> MysqlItems::last_drain_ms() {
  const auto rows = query("SELECT MAX(" + ms_of("updated_at") + ") FROM sluice_checkpoint");
  if (!rows) return rows.error();
  return number((*rows)[0][0]);
}

// By the primary key, from the newest on: a lane that has sold lately is found at once.
Result<uint64_t> MysqlItems::highest_order_id(uint32_t lane) {
  const std::string of_lane = " WHERE (order_id >> 12) & 1023 = " + std::to_string(lane) +
                              " ORDER BY order_id DESC LIMIT 1";
  uint64_t highest = 0;
  for (const std::string& table : {view_, std::string("sluice_dead_letter")}) {
    const auto rows = query("SELECT order_id FROM " + table + of_lane);
    if (!rows) return rows.error();
    if (!rows->empty()) highest = std::max(highest, number<uint64_t>((*rows)[0][0]));
  }
  return highest;
}

Result<std::vector<MysqlOrder>> MysqlItems::early_changes(std::span<const std::string> items,
                                                          const Buckets& buckets) {
  return read_orders("SELECT order_id, item_id, user_id, 0, status, '', 0, " + ms_of("changed_at") +
                     " FROM sluice_early_change" + where(in_items("item_id", items), buckets));
}

}  // namespace sluice::ctl
