#include "http/access.h"

#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/string.hpp>

#include "base/units.h"

namespace sluice::http {
namespace {

constexpr std::string_view kBearer = "Bearer ";

bool same_text(std::string_view a, std::string_view b) { return boost::beast::iequals(a, b); }

// "[::1]:80" → "::1", "localhost:80" → "localhost".
std::string_view host_part(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end == std::string_view::npos ? std::string_view() : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

bool host_accepted(const AccessPolicy& policy, std::string_view header) {
  const std::string_view host = host_part(header);
  if (host.empty()) return false;
  if (!policy.loopback && !policy.token.empty()) return true;
  if (same_text(host, "localhost") || same_text(host, policy.listen_host)) return true;
  boost::system::error_code failure;
  const auto literal = boost::asio::ip::make_address(std::string(host), failure);
  return !failure && (!policy.loopback || literal.is_loopback());
}

bool origin_matches(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (same_text(origin.substr(0, scheme.size()), scheme)) {
      return same_text(origin.substr(scheme.size()), host);
    }
  }
  return false;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

bool constant_time_equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  // volatile: the compiler must not leave the loop at the first difference.
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = difference | static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return difference == 0;
}

std::optional<Refusal> check_access(const AccessPolicy& policy, const Credentials& credentials) {
  if (!host_accepted(policy, credentials.host)) {
    return Refusal{403, "this Host is not served here; ask by the listener's own address"};
  }
  if (!credentials.origin.empty() && !origin_matches(credentials.origin, credentials.host)) {
    return Refusal{403, "a page of another origin may not ask this listener"};
  }
  if (credentials.method != "POST") return std::nullopt;
  if (policy.token.empty()) {
    if (policy.loopback) return std::nullopt;
    return Refusal{403,
                   "POST needs a token on a listener that is not loopback; "
                   "set admin.token_file"};
  }
  const std::string_view given = credentials.authorization;
  if (same_text(given.substr(0, kBearer.size()), kBearer) &&
      constant_time_equal(trimmed(given.substr(kBearer.size())), trimmed(policy.token))) {
    return std::nullopt;
  }
  return Refusal{401, "POST needs the header \"Authorization: Bearer <admin token>\""};
}

Result<HostPort> parse_host_port(std::string_view address) {
  const Error invalid(ErrorClass::kInvalid, "\"" + std::string(address) +
                                                "\" is not an address; write it like "
                                                "\"127.0.0.1:9480\" or \"[::1]:9480\"");
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return invalid;
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') != host.ends_with(']')) return invalid;
  if (host.starts_with('[')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return invalid;
  }
  const auto port = base::parse_integer(address.substr(colon + 1));
  if (host.empty() || !port || *port < 0 || *port > 65535) return invalid;
  return HostPort{std::string(host), std::to_string(*port)};
}

}  // namespace sluice::http
