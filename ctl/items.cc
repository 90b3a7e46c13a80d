// `sluice-ctl items`: what is on sale, and how much of it is left, as the proxy tells it.
#include <boost/json.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "base/command_line.h"
#include "base/units.h"
#include "ctl/commands.h"
#include "ctl/front.h"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

std::string table_of(const std::vector<Stock>& stocks) {
  constexpr const char* kRow = "%-32s %-10s %12s %12s %12s %8s\n";
  std::string table;
  const auto add = [&](const auto&... words) {
    char line[512];
    std::snprintf(line, sizeof line, kRow, words...);
    table += line;
  };
  add("item", "state", "stock", "sold", "remaining", "limit");
  for (const Stock& stock : stocks) {
    add(value_in(stock, "item").c_str(), value_in(stock, "state").c_str(),
        value_in(stock, "stock").c_str(), value_in(stock, "sold").c_str(),
        value_in(stock, "remaining").c_str(), value_in(stock, "limit").c_str());
  }
  return table;
}

json::array json_of(const std::vector<Stock>& stocks) {
  json::array items;
  for (const Stock& stock : stocks) {
    json::object item;
    for (const auto& [name, value] : stock) {
      const auto number = base::parse_integer(value);
      item[name] = number && name != "item" ? json::value(*number) : json::value(value);
    }
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace

int items_command(std::span<const std::string> args) {
  base::CommandLine line("What is on sale: stock, sold, remaining and state of each item.",
                         "sluice-ctl items");
  std::string config;
  bool as_json = false;
  FrontOptions options;
  line.option("--config", &config, "proxy.toml to take listen.address from").type_name("FILE");
  add_front_options(line, options);
  line.flag("--json", &as_json, "print one JSON object");
  if (const auto end = line.parse(args)) return *end;
  const auto target = front_target(config, options);
  if (!target) {
    std::fprintf(stderr, "items: %s\n", target.error().message().c_str());
    return kBadArguments;
  }
  auto proxy = RedisConnection::connect(*target, "the proxy");
  const auto names = proxy ? list_items(*proxy) : Result<std::vector<std::string>>(proxy.error());
  const auto stocks =
      names ? read_stocks(*proxy, *names) : Result<std::vector<Stock>>(names.error());
  if (!stocks) {
    std::fprintf(stderr, "items: %s\n", stocks.error().message().c_str());
    return kFailed;
  }
  if (as_json) {
    std::printf("%s\n", json::serialize(json::object{{"items", json_of(*stocks)}}).c_str());
  } else {
    std::printf("%s", table_of(*stocks).c_str());
  }
  return kDone;
}

}  // namespace sluice::ctl
