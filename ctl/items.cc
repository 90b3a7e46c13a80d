// `sluice-ctl items`: what is on sale, and how much of it is left, as the proxy tells it.
#include <boost/json.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "base/command_line.h"
#include "base/units.h"
#include "ctl/commands.h"
#include "ctl/config_file.h"
#include "ctl/redis_connection.h"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

constexpr std::string_view kPage = "1000";  // items in one reply of SECKILL.LIST

struct ItemsOptions {
  std::string config, address, user, password_file;
  std::string tls_ca_file, tls_cert_file, tls_key_file;
  bool json = false;
};

// The name/value pairs of SECKILL.STOCK, in their order.
using Stock = std::vector<std::pair<std::string, std::string>>;

std::string value_in(const Stock& stock, std::string_view name) {
  for (const auto& [key, value] : stock) {
    if (key == name) return value;
  }
  return "-";
}

// Where clients reach the proxy.
Result<RedisTarget> front_of(const ItemsOptions& options) {
  const auto config = read_config(proxy_keys(), options.config, {});
  if (!config) return config.error();
  std::string address = options.address;
  if (address.empty()) address = config->string("listen.address");
  if (address.empty()) address = config->string("listen.unix_socket");
  auto target = parse_server(address, options.address.empty() ? "listen.address" : "--address");
  if (!target) return target;
  target->host = reachable_host(target->host);
  target->username = options.user;
  const bool tls = !options.tls_ca_file.empty() || !options.tls_cert_file.empty() ||
                   !config->string("listen.tls_cert_file").empty();
  if (tls && target->port != 0) {
    target->tls = net::TlsFiles{options.tls_cert_file, options.tls_key_file, options.tls_ca_file};
  }
  if (options.password_file.empty()) return target;
  auto password = read_password(options.password_file);
  if (!password) return password.error().at("--password-file");
  target->password = std::move(*password);
  return target;
}

std::string text_of(const RedisReply& reply) {
  const std::string_view text = reply.text();
  return text.empty() ? std::to_string(reply.integer()) : std::string(text);
}

Status list_names(RedisConnection& proxy, std::vector<std::string>& names) {
  std::string cursor = "0";
  do {
    const auto page = proxy.call({"SECKILL.LIST", "CURSOR", cursor, "COUNT", kPage});
    if (!page) return page.error();
    if (page->size() != 2) return base::invalid("SECKILL.LIST answers as no proxy of Sluice does");
    cursor = page->at(0).text();
    const RedisReply list = page->at(1);
    for (size_t i = 0; i < list.size(); ++i) names.emplace_back(list.at(i).text());
  } while (cursor != "0");
  return {};
}

Result<std::vector<Stock>> read_stocks(RedisConnection& proxy) {
  std::vector<std::string> names;
  SLUICE_TRY(list_names(proxy, names));
  std::vector<Stock> stocks;
  for (size_t done = 0; done < names.size();) {
    const size_t end = std::min(names.size(), done + 1000);
    for (size_t i = done; i < end; ++i) proxy.send({"SECKILL.STOCK", names[i]});
    for (; done < end; ++done) {
      const auto reply = proxy.read();
      if (!reply) return reply.error();
      if (reply->size() < 2) continue;  // NOITEM: it was deleted meanwhile
      Stock& stock = stocks.emplace_back();
      for (size_t i = 0; i + 1 < reply->size(); i += 2)
        stock.emplace_back(reply->at(i).text(), text_of(reply->at(i + 1)));
    }
  }
  return stocks;
}

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
  ItemsOptions options;
  line.option("--config", &options.config, "proxy.toml to take listen.address from")
      .type_name("FILE");
  line.option("--address", &options.address, "HOST:PORT of the proxy, or its unix socket's path");
  line.option("--user", &options.user, "user to log in as");
  line.option("--password-file", &options.password_file, "file whose first line is the password");
  line.option("--tls-ca-file", &options.tls_ca_file,
              "speak TLS; authorities (PEM) that the proxy's certificate must come from");
  line.option("--tls-cert-file", &options.tls_cert_file, "certificate (PEM) to show to the proxy");
  line.option("--tls-key-file", &options.tls_key_file, "private key of that certificate (PEM)");
  line.flag("--json", &options.json, "print one JSON object");
  if (const auto end = line.parse(args)) return *end;
  const auto target = front_of(options);
  if (!target) {
    std::fprintf(stderr, "items: %s\n", target.error().message().c_str());
    return kBadArguments;
  }
  auto proxy = RedisConnection::connect(*target, "the proxy");
  const auto stocks = proxy ? read_stocks(*proxy) : Result<std::vector<Stock>>(proxy.error());
  if (!stocks) {
    std::fprintf(stderr, "items: %s\n", stocks.error().message().c_str());
    return kFailed;
  }
  if (options.json) {
    std::printf("%s\n", json::serialize(json::object{{"items", json_of(*stocks)}}).c_str());
  } else {
    std::printf("%s", table_of(*stocks).c_str());
  }
  return kDone;
}

}  // namespace sluice::ctl
