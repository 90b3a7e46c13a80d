#include "ctl/admin_target.h"

#include <boost/json.hpp>

#include "base/secret.h"
#include "http/access.h"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

constexpr const char* kDefaultProxy = "http://127.0.0.1:9479";
constexpr const char* kDefaultFlusher = "http://127.0.0.1:9480";

Result<AdminTarget> target_of(const std::string& path) {
  const auto kind = config_kind(path);
  if (!kind) return kind.error();
  const bool proxy = *kind == ConfigKind::kProxy;
  const auto config = read_config(proxy ? proxy_keys() : flusher_keys(), path, {});
  if (!config) return config.error();
  const std::string& address = config->string("admin.address");
  if (address.empty()) {
    return base::invalid(path + ": admin.address is empty, so nobody can be asked; set it");
  }
  const auto where = http::parse_host_port(address);
  if (!where) return where.error().at(path + ": admin.address");
  auto token = base::read_secret("admin.token_file", config->string("admin.token_file"));
  if (!token) return token.error().at(path);
  std::string host = reachable_host(where->host);
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return AdminTarget{*kind, "http://" + host + ":" + where->port, std::move(*token)};
}

}  // namespace

void add_admin_options(base::CommandLine& line, AdminOptions& options) {
  line.option("--config", &options.configs,
              "a proxy.toml or flusher.toml to take admin.address and admin.token_file from; "
              "repeatable")
      .type_name("FILE")
      .one_value_each();
  line.option("--proxy", &options.proxies,
              "the admin listener of a proxy (http://127.0.0.1:9479); repeatable")
      .type_name("URL")
      .one_value_each();
  line.option("--flusher", &options.flushers,
              "the admin listener of a flusher (http://127.0.0.1:9480); repeatable")
      .type_name("URL")
      .one_value_each();
  line.option("--token-file", &options.token_file, "the bearer token, in place of admin.token_file")
      .type_name("FILE");
}

Result<std::vector<AdminTarget>> admin_targets(const AdminOptions& options) {
  std::vector<AdminTarget> targets;
  for (const std::string& path : options.configs) {
    auto target = target_of(path);
    if (!target) return target.error();
    targets.push_back(std::move(*target));
  }
  for (const std::string& url : options.proxies) targets.push_back({ConfigKind::kProxy, url, ""});
  for (const std::string& url : options.flushers)
    targets.push_back({ConfigKind::kFlusher, url, ""});
  if (targets.empty()) {
    targets = {{ConfigKind::kProxy, kDefaultProxy, ""},
               {ConfigKind::kFlusher, kDefaultFlusher, ""}};
  }
  if (options.token_file.empty()) return targets;
  const auto token = base::read_secret("--token-file", options.token_file);
  if (!token) return token.error();
  for (AdminTarget& target : targets) target.token = *token;
  return targets;
}

std::string_view word_of(ConfigKind kind) {
  return kind == ConfigKind::kProxy ? "proxy" : "flusher";
}

Result<http::Response> ask(const AdminTarget& target, std::string_view method,
                           std::string_view path, int64_t timeout_ms) {
  return http::fetch(method, target.url, path, target.token, timeout_ms);
}

std::string words_of(const http::Response& response) {
  boost::system::error_code failure;
  const json::value body = json::parse(response.body, failure);
  if (!failure && body.is_object()) {
    for (const char* name : {"error", "reason"}) {
      const json::value* found = body.as_object().if_contains(name);
      if (found != nullptr && found->is_string()) return std::string(found->as_string());
    }
  }
  std::string text = response.body.substr(0, response.body.find('\n'));
  return text.empty() ? "HTTP status " + std::to_string(response.status) : text;
}

}  // namespace sluice::ctl
