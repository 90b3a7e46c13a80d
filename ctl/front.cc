#include "ctl/front.h"

#include <algorithm>

#include "base/secret.h"
#include "ctl/config_file.h"

namespace sluice::ctl {
namespace {

constexpr std::string_view kNamesInPage = "1000";  // items in one reply of SECKILL.LIST
constexpr size_t kStocksAtOnce = 1000;

std::string text_of_value(const RedisReply& reply) {
  const std::string_view text = reply.text();
  return text.empty() ? std::to_string(reply.integer()) : std::string(text);
}

}  // namespace

void add_front_options(base::CommandLine& line, FrontOptions& options) {
  line.option("--address", &options.address, "HOST:PORT of the proxy, or its unix socket's path");
  line.option("--user", &options.user, "user to log in as");
  line.option("--password-file", &options.password_file, "file whose first line is the password");
  line.option("--tls-ca-file", &options.tls_ca_file,
              "speak TLS; authorities (PEM) that the proxy's certificate must come from");
  line.option("--tls-cert-file", &options.tls_cert_file, "certificate (PEM) to show to the proxy");
  line.option("--tls-key-file", &options.tls_key_file, "private key of that certificate (PEM)");
}

Result<RedisTarget> front_target(const std::string& config_path, const FrontOptions& options) {
  const auto config = read_config(proxy_keys(), config_path, {});
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
  auto password = base::read_secret("--password-file", options.password_file);
  if (!password) return password.error();
  target->password = std::move(*password);
  return target;
}

std::string value_in(const Stock& stock, std::string_view name) {
  for (const auto& [key, value] : stock) {
    if (key == name) return value;
  }
  return "-";
}

Result<std::vector<std::string>> list_items(RedisConnection& proxy) {
  std::vector<std::string> names;
  std::string cursor = "0";
  do {
    const auto page = proxy.call({"SECKILL.LIST", "CURSOR", cursor, "COUNT", kNamesInPage});
    if (!page) return page.error();
    if (page->size() != 2) return base::invalid("SECKILL.LIST answers as no proxy of Sluice does");
    cursor = page->at(0).text();
    const RedisReply list = page->at(1);
    for (size_t i = 0; i < list.size(); ++i) names.emplace_back(list.at(i).text());
  } while (cursor != "0");
  return names;
}

Result<std::vector<Stock>> read_stocks(RedisConnection& proxy, std::span<const std::string> names) {
  std::vector<Stock> stocks;
  for (size_t done = 0; done < names.size();) {
    const size_t end = std::min(names.size(), done + kStocksAtOnce);
    for (size_t i = done; i < end; ++i) proxy.send({"SECKILL.STOCK", names[i]});
    for (; done < end; ++done) {
      const auto reply = proxy.read();
      if (!reply) return reply.error();
      if (reply->size() < 2) continue;  // NOITEM
      Stock& stock = stocks.emplace_back();
      for (size_t i = 0; i + 1 < reply->size(); i += 2)
        stock.emplace_back(reply->at(i).text(), text_of_value(reply->at(i + 1)));
    }
  }
  return stocks;
}

}  // namespace sluice::ctl
