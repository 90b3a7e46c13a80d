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
  };
}

Result<OrderTable> order_table(const base::Config& config) {
  return OrderTable::create({config.string("orders.table"), config.string("orders.time_zone"),
                             config.map("orders.names"), config.map("orders.columns"),
                             config.map("orders.constants"), config.map("orders.statuses"),
                             config.map("orders.when_over")});
}

}  // namespace sluice::orders
