#include "sql/bulk_rows.h"

#include <mysql.h>

#include <cstring>
#include <new>

#include "base/error.h"

namespace sluice::sql {
namespace {

// Beside the value itself a cell has an indicator (or a type, of two bytes, and a bit whether it is
// NULL), and text a length of up to 9 bytes.
constexpr size_t kNumberBytes = 3 + 8;
constexpr size_t kTextBytes = 3 + 9;
constexpr size_t kDateTimeBytes = 3 + 12;

}  // namespace

BulkRows::BulkRows(std::span<const Type> columns, size_t rows) {
  for (const Type type : columns) {
    Column& column = columns_.emplace_back(Column{type, {}, {}, {}, {}});
    if (type == Type::kUnsigned || type == Type::kSigned) {
      column.numbers.reserve(rows);
      continue;
    }
    column.values.reserve(rows);
    if (type == Type::kDateTime) continue;
    column.lengths.reserve(rows);
    column.indicators.reserve(rows);
  }
}

BulkRows::Column& BulkRows::next(Type type, size_t bytes) {
  Column& column = columns_[column_];
  SLUICE_ASSERT(column.type == type, "a cell of another type than its column");
  bytes_ += bytes;
  if (++column_ == columns_.size()) {
    column_ = 0;
    ++rows_;
  }
  return column;
}

void BulkRows::add_unsigned(uint64_t number) {
  next(Type::kUnsigned, kNumberBytes).numbers.push_back(number);
}

void BulkRows::add_signed(int64_t number) {
  next(Type::kSigned, kNumberBytes).numbers.push_back(static_cast<uint64_t>(number));
}

void BulkRows::add_text(std::string_view text) {
  Column& column = next(Type::kText, kTextBytes + text.size());
  column.values.push_back(text.data());
  column.lengths.push_back(text.size());
  column.indicators.push_back(STMT_INDICATOR_NONE);
}

void BulkRows::add_copy(std::string_view text) {
  char* copy = static_cast<char*>(arena_.allocate(text.size() + 1, 1));  // never nothing
  std::memcpy(copy, text.data(), text.size());
  add_text({copy, text.size()});
}

void BulkRows::add_null() {
  Column& column = next(Type::kText, kTextBytes);
  column.values.push_back(nullptr);
  column.lengths.push_back(0);
  column.indicators.push_back(STMT_INDICATOR_NULL);
}

void BulkRows::add_datetime(const DateTime& time) {
  auto* value = new (arena_.allocate(sizeof(MYSQL_TIME), alignof(MYSQL_TIME))) MYSQL_TIME{};
  value->time_type = MYSQL_TIMESTAMP_DATETIME;
  value->year = time.year;
  value->month = time.month;
  value->day = time.day;
  value->hour = time.hour;
  value->minute = time.minute;
  value->second = time.second;
  value->second_part = time.millisecond * 1000UL;  // microseconds
  next(Type::kDateTime, kDateTimeBytes).values.push_back(value);
}

void BulkRows::clear() {
  for (Column& column : columns_) {
    column.numbers.clear();
    column.values.clear();
    column.lengths.clear();
    column.indicators.clear();
  }
  column_ = rows_ = bytes_ = 0;
  arena_.release();
}

}  // namespace sluice::sql
