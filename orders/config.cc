#include "orders/config.h"

namespace sluice::orders {

std::vector<base::ConfigKey> config_keys() {
  using base::ConfigType;
  const auto key = [](std::string_view name, ConfigType type, std::string_view default_text,
                      std::string_view doc) {
    return base::ConfigKey{name, type, default_text, 0, INT64_MAX, {}, false, doc};
  };
  return {
      key("orders.table", ConfigType::kString, "orders",
          "The orders table: \"orders\", \"shop.orders\", \"orders_{item}\", "
          "\"orders_{yyyymm}\"."),
      key("orders.time_zone", ConfigType::kString, "UTC",
          "Of the {yyyy}, {yyyymm} or {yyyymmdd} in its name."),
      key("orders.names", ConfigType::kMap, "",
          "What its columns are called: ours = \"yours\"; \"\": it is not written."),
      key("orders.columns", ConfigType::kMap, "",
          "FIELDS that go into columns of their own: field = \"column\"."),
      key("orders.constants", ConfigType::kMap, "",
          "What stands in every row: column = \"value\"."),
      key("orders.statuses", ConfigType::kMap, "",
          "What its statuses are called: ours = \"yours\"."),
      key("orders.when_over", ConfigType::kMap, "",
          "What becomes of constants once an order is cancelled or has expired; \"\": NULL."),
      key("details.table", ConfigType::kString, "",
          "A table that gets a row of each order besides; empty: none."),
      key("details.names", ConfigType::kMap, "",
          "What its columns are called: of order_id, item_id, quantity, and of more if named."),
      key("details.columns", ConfigType::kMap, "", "As orders.columns."),
      key("details.constants", ConfigType::kMap, "", "As orders.constants."),
  };
}

Result<OrderTable> order_table(const base::Config& config) {
  auto orders = OrderTable::create({config.string("orders.table"),
                                    config.string("orders.time_zone"), config.map("orders.names"),
                                    config.map("orders.columns"), config.map("orders.constants"),
                                    config.map("orders.statuses"), config.map("orders.when_over")});
  if (!orders || config.string("details.table").empty()) return orders;
  MappingConfig details;
  details.prefix = "details.";
  details.written = {OwnColumn::kOrderId, OwnColumn::kItemId, OwnColumn::kQuantity};
  details.table = config.string("details.table");
  details.time_zone = config.string("orders.time_zone");
  details.names = config.map("details.names");
  details.columns = config.map("details.columns");
  details.constants = config.map("details.constants");
  details.statuses = config.map("orders.statuses");
  auto table = OrderTable::create(details);
  if (!table) return table.error();
  orders->set_details(std::move(*table));
  return orders;
}

}  // namespace sluice::orders
