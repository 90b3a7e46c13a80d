// The shop's own orders table as orders.* of the configuration describes it: what its columns are
// called, what its statuses are, which constants it wants, in which table an order belongs.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "orders/order_status.h"

namespace sluice::orders {

// What Sluice writes of each order.
enum class OwnColumn : uint8_t {
  kOrderId,
  kItemId,
  kUserId,
  kQuantity,
  kStatus,
  kRequestId,
  kCreatedAt,
  kUpdatedAt,
  kFields,
};
inline constexpr std::array<std::string_view, 9> kOwnColumnNames = {
    "order_id",   "item_id",    "user_id",    "quantity", "status",
    "request_id", "created_at", "updated_at", "fields"};
constexpr std::string_view name_of(OwnColumn column) {
  return kOwnColumnNames[static_cast<size_t>(column)];
}

// As configured; every map may be empty.
struct MappingConfig {
  std::string table = "orders";
  std::string time_zone = "UTC";
  std::map<std::string, std::string> names;      // our column → theirs; "": it is not written
  std::map<std::string, std::string> columns;    // field → column
  std::map<std::string, std::string> constants;  // column → value
  std::map<std::string, std::string> statuses;   // our status → theirs
  std::map<std::string, std::string> when_over;  // column → value once it is cancelled or has
                                                 // expired; "": NULL
  // The columns that are written unless they are named; the others are not. Of an order's details.
  std::vector<OwnColumn> written = {};  // empty: all
  std::string prefix = "orders.";       // of the keys, for messages

  bool operator==(const MappingConfig&) const = default;
};

// A table's name with places to be filled in: "shop.orders_{item}", "orders_{yyyymm}".
class TableTemplate {
 public:
  // kInvalid: says what is wrong with it.
  static Result<TableTemplate> parse(const std::string& text, const std::string& time_zone,
                                     const std::string& prefix = "orders.");

  bool is_one_table() const { return is_one_; }
  // "": the connection's.
  const std::string& database() const { return database_; }
  // The name alone, without its database. The period is that of the time in the order's id, in the
  // time zone: so the id alone tells where an order is.
  std::string name(std::string_view item, uint64_t order_id) const;
  // A regular expression, for MySQL, that the names match.
  std::string pattern() const;

 private:
  enum class Kind : uint8_t { kText, kItem, kYear, kMonth, kDay };
  struct Part {
    Kind kind;
    std::string text;  // kText
  };

  std::string database_, time_zone_;
  std::vector<Part> parts_;
  bool is_one_ = true;
};

// The configuration, checked.
struct Mapping {
  // kInvalid: names the key, and says what to write.
  static Result<Mapping> create(const MappingConfig& config);

  const std::string& name(OwnColumn column) const { return names[static_cast<size_t>(column)]; }
  bool has(OwnColumn column) const { return !name(column).empty(); }
  const std::string& word(OrderStatus status) const {
    return statuses[static_cast<size_t>(status)];
  }
  // Every order goes into the table of conf/schema.sql, whatever that is called; but for columns
  // for FIELDS, if these do not count.
  bool is_plain(bool field_columns_count) const;

  MappingConfig config;
  TableTemplate table;
  std::array<std::string, kOwnColumnNames.size()> names;        // "": it is not written
  std::array<std::string, std::size(kOrderStatuses)> statuses;  // theirs
};

}  // namespace sluice::orders
