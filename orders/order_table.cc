#include "orders/order_table.h"

#include <algorithm>
#include <charconv>

#include "orders/json_text.h"

namespace sluice::orders {
namespace {

using sql::BulkRows;

// A row's numbers, times and status as values, and what every cell takes beside its value.
constexpr size_t kBulkRowBytes = 200;
constexpr size_t kBulkCellBytes = 12;

BulkRows::Type type_of(OwnColumn column) {
  switch (column) {
    case OwnColumn::kOrderId:
      return BulkRows::Type::kUnsigned;
    case OwnColumn::kQuantity:
      return BulkRows::Type::kSigned;
    case OwnColumn::kCreatedAt:
    case OwnColumn::kUpdatedAt:
      return BulkRows::Type::kDateTime;
    default:
      return BulkRows::Type::kText;
  }
}

void append_number(std::string& out, uint64_t number) {
  char text[20];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

std::optional<std::string_view> find_field(std::string_view fields, std::string_view wanted) {
  std::optional<std::string_view> found;  // the last one counts, as in the JSON column
  std::string_view name;
  std::string_view value;
  while (journal::take_field(fields, name, value)) {
    if (name == wanted) found = value;
  }
  return found;
}

void append_value(std::string& out, std::optional<std::string_view> value) {
  if (!value) {
    out += "NULL";
  } else if (is_utf8(*value)) {
    sql::append_quoted(out, *value);
  } else {
    sql::append_hex(out, *value);  // as characters it would be malformed
  }
}

std::string literal(std::string_view text) {
  std::string out;
  sql::append_quoted(out, text);
  return out;
}

int64_t updated_ms(const OrderRow& row) {
  return row.changed_ms == 0 ? row.record->time_ms : row.changed_ms;
}

// As MySQL writes a whole number.
bool is_canonical_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool is_digits = !text.empty() && std::all_of(text.begin(), text.end(),
                                                      [](char c) { return c >= '0' && c <= '9'; });
  return is_digits && (text.size() == 1 || text.front() != '0');
}

}  // namespace

Result<OrderTable> OrderTable::create(const MappingConfig& config) {
  auto mapping = Mapping::create(config);
  if (!mapping) return mapping.error();
  return OrderTable(std::move(*mapping));
}

OrderTable::OrderTable(Mapping mapping) : mapping_(std::move(mapping)) {
  for (size_t i = 0; i < kOwnColumnNames.size(); ++i) {
    const auto own = static_cast<OwnColumn>(i);
    if (!mapping_.has(own)) continue;
    columns_.push_back({Column::Kind::kOwn, own, mapping_.name(own), "", {}});
    bulk_types_.push_back(type_of(own));
  }
  const MappingConfig& config = mapping_.config;
  for (const auto& [field, name] : config.columns)
    columns_.push_back({Column::Kind::kField, {}, name, field, {}});
  for (const auto& [name, value] : config.constants) {
    Column& column = columns_.emplace_back(Column{Column::Kind::kConstant, {}, name, value, {}});
    const auto over = config.when_over.find(name);
    if (over == config.when_over.end()) continue;
    column.over.emplace();
    if (!over->second.empty()) *column.over = over->second;
  }
  bulk_types_.resize(columns_.size(), BulkRows::Type::kText);
  for (const Column& column : columns_)
    column_list_ += (column_list_.empty() ? "" : ", ") + sql::in_backticks(column.name);
}

std::string OrderTable::quoted(const std::string& name) const {
  const std::string& database = mapping_.table.database();
  return (database.empty() ? "" : sql::in_backticks(database) + ".") + sql::in_backticks(name);
}

std::string OrderTable::table_of(const journal::Record& order) const {
  return quoted(mapping_.table.name(order.item, order.order_id));
}

void OrderTable::know(bool item_is_number, bool user_is_number) {
  item_is_number_ = item_is_number;
  user_is_number_ = user_is_number;
}

std::string OrderTable::unfit(const journal::Record& order) const {
  const auto judge = [this](OwnColumn own, std::string_view value) {
    return column(own) + " holds whole numbers: \"" + std::string(value) + "\" is none";
  };
  if (item_is_number_ && !is_canonical_number(order.item))
    return judge(OwnColumn::kItemId, order.item);
  if (user_is_number_ && !is_canonical_number(order.user))
    return judge(OwnColumn::kUserId, order.user);
  return "";
}

// ---- Inserting.

std::string OrderTable::insert_head(const std::string& table) const {
  return "INSERT INTO " + table + " (" + column_list_ + ") VALUES ";
}

std::string OrderTable::bulk_insert(const std::string& table) const {
  std::string insert = insert_head(table) + "(?";
  for (size_t i = 1; i < columns_.size(); ++i) insert += ",?";
  return insert + ')';
}

std::optional<std::string_view> OrderTable::constant(const Column& column, OrderStatus status) {
  if (is_live(status) || !column.over) return column.text;
  if (!*column.over) return std::nullopt;
  return std::string_view(**column.over);
}

void OrderTable::append_row(std::string& out, const OrderRow& row) const {
  char before = '(';
  for (const Column& column : columns_) {
    out += before;
    before = ',';
    switch (column.kind) {
      case Column::Kind::kOwn:
        append_own(out, column.own, row);
        break;
      case Column::Kind::kField:
        append_value(out, find_field(row.record->fields, column.text));
        break;
      case Column::Kind::kConstant:
        append_value(out, constant(column, row.status));
        break;
    }
  }
  out += ')';
}

void OrderTable::append_own(std::string& out, OwnColumn column, const OrderRow& row) const {
  const journal::Record& order = *row.record;
  switch (column) {
    case OwnColumn::kOrderId:
      return append_number(out, order.order_id);
    case OwnColumn::kItemId:
      return sql::append_quoted(out, order.item);
    case OwnColumn::kUserId:
      return sql::append_quoted(out, order.user);
    case OwnColumn::kQuantity:
      out += std::to_string(order.quantity);
      return;
    case OwnColumn::kStatus:
      return sql::append_quoted(out, mapping_.word(row.status));
    case OwnColumn::kRequestId:
      if (!order.request.empty()) return sql::append_quoted(out, order.request);
      out += "NULL";
      return;
    case OwnColumn::kCreatedAt:
      return append_datetime(out, order.time_ms);
    case OwnColumn::kUpdatedAt:
      return append_datetime(out, updated_ms(row));
    case OwnColumn::kFields:
      const std::string json = fields_json(order);
      if (!json.empty()) return sql::append_quoted(out, json);
      out += "NULL";
      return;
  }
}

void OrderTable::append_row(BulkRows& out, const OrderRow& row) const {
  for (const Column& column : columns_) {
    if (column.kind == Column::Kind::kOwn) {
      append_own(out, column.own, row);
      continue;
    }
    const auto value = column.kind == Column::Kind::kField
                           ? find_field(row.record->fields, column.text)
                           : constant(column, row.status);
    value ? out.add_text(*value) : out.add_null();
  }
}

void OrderTable::append_own(BulkRows& out, OwnColumn column, const OrderRow& row) const {
  const journal::Record& order = *row.record;
  switch (column) {
    case OwnColumn::kOrderId:
      return out.add_unsigned(order.order_id);
    case OwnColumn::kItemId:
      return out.add_text(order.item);
    case OwnColumn::kUserId:
      return out.add_text(order.user);
    case OwnColumn::kQuantity:
      return out.add_signed(order.quantity);
    case OwnColumn::kStatus:
      return out.add_text(mapping_.word(row.status));
    case OwnColumn::kRequestId:
      return order.request.empty() ? out.add_null() : out.add_text(order.request);
    case OwnColumn::kCreatedAt:
      return out.add_datetime(datetime_of(order.time_ms));
    case OwnColumn::kUpdatedAt:
      return out.add_datetime(datetime_of(updated_ms(row)));
    case OwnColumn::kFields:
      const std::string json = fields_json(order);
      return json.empty() ? out.add_null() : out.add_copy(json);
  }
}

size_t OrderTable::bulk_bytes_max(const OrderRow& row) const {
  const journal::Record& order = *row.record;
  // As JSON a byte of the fields becomes 6 at most ("\u0000"); all may be in columns besides.
  size_t bytes = kBulkRowBytes + order.item.size() + order.user.size() + order.request.size() +
                 7 * order.fields.size() + columns_.size() * kBulkCellBytes;
  for (const Column& column : columns_) {
    if (column.kind != Column::Kind::kConstant) continue;
    bytes += column.text.size() + (column.over && *column.over ? (*column.over)->size() : 0);
  }
  for (const std::string& word : mapping_.statuses) bytes += word.size();
  return bytes;
}

// Of the fields that have no column; empty: there are none.
std::string OrderTable::fields_json(const journal::Record& order) const {
  std::string json;
  append_json_fields(json, order.fields, [this](std::string_view field) {
    return mapping_.config.columns.contains(std::string(field));
  });
  return json;
}

// ---- Finding and changing.

OrderStatus OrderTable::status_of(const std::optional<std::string>& text) const {
  for (const OrderStatus status : kOrderStatuses) {
    if (text == mapping_.word(status)) return status;
  }
  return OrderStatus::kPaid;
}

std::string OrderTable::find(const std::string& table, const std::string& ids, bool lock) const {
  return "SELECT " + column(OwnColumn::kOrderId) + ", " + column(OwnColumn::kItemId) + ", " +
         column(OwnColumn::kUserId) + ", " + column(OwnColumn::kQuantity) + ", " +
         column(OwnColumn::kStatus) + " FROM " + table + " WHERE " + column(OwnColumn::kOrderId) +
         " IN (" + ids + ") ORDER BY " + column(OwnColumn::kOrderId) + (lock ? " FOR UPDATE" : "");
}

std::string OrderTable::where(const journal::Record& order) const {
  return " WHERE " + column(OwnColumn::kOrderId) + " = " + std::to_string(order.order_id) +
         " AND " + column(OwnColumn::kItemId) + " = " + literal(order.item) + " AND " +
         column(OwnColumn::kUserId) + " = " + literal(order.user);
}

std::string OrderTable::find_one(const journal::Record& order) const {
  return "SELECT " + column(OwnColumn::kQuantity) + " FROM " + table_of(order) + where(order);
}

std::string OrderTable::set_status(OrderStatus status, const std::string& time) const {
  std::string set = " SET " + column(OwnColumn::kStatus) + " = " + literal(mapping_.word(status));
  if (mapping_.has(OwnColumn::kUpdatedAt))
    set += ", " + column(OwnColumn::kUpdatedAt) + " = " + time;
  if (is_live(status)) return set;
  for (const auto& [name, value] : mapping_.config.when_over)
    set += ", " + sql::in_backticks(name) + " = " + (value.empty() ? "NULL" : literal(value));
  return set;
}

std::string OrderTable::change(const std::string& table, OrderStatus status,
                               const std::string& times, const std::string& ids) const {
  return "UPDATE " + table + set_status(status, times) + " WHERE " + column(OwnColumn::kOrderId) +
         " IN (" + ids + ")";
}

std::string OrderTable::has_status(const std::vector<OrderStatus>& statuses) const {
  std::string words;
  bool any_paid = false;
  for (const OrderStatus status : statuses) {
    words += (words.empty() ? "" : ",") + literal(mapping_.word(status));
    any_paid |= status == OrderStatus::kPaid;
  }
  const std::string one_of = column(OwnColumn::kStatus) + " IN (" + words + ")";
  if (!any_paid) return one_of;
  // And what is none of ours.
  std::string all;
  for (const std::string& word : mapping_.statuses) all += (all.empty() ? "" : ",") + literal(word);
  return "(" + one_of + " OR COALESCE(" + column(OwnColumn::kStatus) + " NOT IN (" + all + "), 1))";
}

// ---- Reading all of it, and making it.

std::string OrderTable::view(const std::vector<std::string>& tables) const {
  if (mapping_.is_plain(false)) return quoted(mapping_.table.name("", 0));
  const auto own = [this](OwnColumn each) {
    return (mapping_.has(each) ? column(each) : "NULL") + " AS " + std::string(name_of(each));
  };
  // As text: a number would be compared with names as one.
  const auto name = [this](OwnColumn each, bool is_number) {
    return (is_number ? "CAST(" + column(each) + " AS CHAR)" : column(each)) + " AS " +
           std::string(name_of(each));
  };
  std::string status = "CASE CAST(" + column(OwnColumn::kStatus) + " AS CHAR)";
  for (const OrderStatus each : kOrderStatuses) {
    status +=
        " WHEN " + literal(mapping_.word(each)) + " THEN '" + std::string(word_of(each)) + "'";
  }
  status += " ELSE 'paid' END AS status";
  const std::string columns =
      own(OwnColumn::kOrderId) + ", " + name(OwnColumn::kItemId, item_is_number_) + ", " +
      name(OwnColumn::kUserId, user_is_number_) + ", " + own(OwnColumn::kQuantity) + ", " + status +
      ", " + own(OwnColumn::kRequestId) + ", " + own(OwnColumn::kCreatedAt) + ", " +
      own(OwnColumn::kUpdatedAt);
  std::string all;
  for (const std::string& table : tables) {
    all += (all.empty() ? "SELECT " : " UNION ALL SELECT ") + columns + " FROM " + quoted(table);
  }
  if (tables.empty()) {
    all =
        "SELECT 0 AS order_id, '' AS item_id, '' AS user_id, 0 AS quantity, '' AS status,"
        " NULL AS request_id, NULL AS created_at, NULL AS updated_at FROM DUAL WHERE 1 = 0";
  }
  return "(" + all + ") AS all_orders";
}

std::string OrderTable::find_tables() const {
  const std::string& database = mapping_.table.database();
  std::string find = "SELECT TABLE_NAME FROM information_schema.TABLES t WHERE TABLE_SCHEMA = " +
                     (database.empty() ? "DATABASE()" : literal(database)) +
                     " AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME REGEXP " +
                     literal(mapping_.table.pattern());
  if (!is_one_table()) {
    // Others may have names like these.
    find +=
        " AND EXISTS (SELECT 1 FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA ="
        " t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME AND c.COLUMN_NAME = " +
        literal(mapping_.name(OwnColumn::kOrderId)) + ")";
  }
  return find + " ORDER BY TABLE_NAME";
}

std::string OrderTable::create_statement(const std::string& table, bool with_field_columns) const {
  std::string words;

  for (const OrderStatus status : kOrderStatuses) {
    const std::string word = literal(mapping_.word(status));
    if (words.find(word) == words.npos) words += (words.empty() ? "" : ", ") + word;
  }
  const std::string kName = "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin";
  const auto type = [&](OwnColumn own) -> std::string {
    switch (own) {
      case OwnColumn::kOrderId:
        return "BIGINT UNSIGNED NOT NULL";
      case OwnColumn::kItemId:
      case OwnColumn::kUserId:
        return kName + " NOT NULL";
      case OwnColumn::kQuantity:
        return "INT UNSIGNED NOT NULL";
      case OwnColumn::kStatus:
        return "ENUM(" + words + ") NOT NULL DEFAULT " +
               literal(mapping_.word(OrderStatus::kPlaced));
      case OwnColumn::kRequestId:
        return kName + " NULL";
      case OwnColumn::kCreatedAt:
      case OwnColumn::kUpdatedAt:
        return "DATETIME(3) NOT NULL";
      case OwnColumn::kFields:
        return "JSON NULL";
    }
    return "";
  };
  std::string out = "CREATE TABLE IF NOT EXISTS " + table + " (\n";
  for (const Column& each : columns_) {
    if (each.kind == Column::Kind::kField && !with_field_columns) continue;
    out += "  " + sql::in_backticks(each.name) + " ";
    const bool may_be_null = each.over && !*each.over;
    out += each.kind == Column::Kind::kOwn     ? type(each.own)
           : each.kind == Column::Kind::kField ? "VARCHAR(1024) NULL"
           : may_be_null                       ? "VARCHAR(255) NULL"
                                               : "VARCHAR(255) NOT NULL";
    out += ",\n";
  }
  out += "  PRIMARY KEY (" + column(OwnColumn::kOrderId) + ")";
  if (mapping_.has(OwnColumn::kItemId) && mapping_.has(OwnColumn::kUserId)) {
    out += ",\n  KEY item_user (" + column(OwnColumn::kItemId) + ", " + column(OwnColumn::kUserId) +
           ")";
  }
  return out + "\n) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4";
}

}  // namespace sluice::orders
