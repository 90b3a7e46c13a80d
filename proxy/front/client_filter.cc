#include "proxy/front/client_filter.h"

#include <algorithm>
#include <optional>
#include <string>

#include "proxy/front/args.h"
#include "resp/names.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {
namespace {

constexpr std::string_view kNot = "not-";

int64_t whole_seconds(int64_t us) { return us / 1'000'000; }

bool has_type(const Client& client, std::string_view type) {
  const bool subscriber = client.flag.load() == 'P';
  return is(type, "pubsub") ? subscriber : (is(type, "normal") && !subscriber);
}

// The part of "127.0.0.1:51234" before the port; IPv6 stands in brackets in the address only.
std::string_view ip_of(std::string_view address) {
  std::string_view ip = address.substr(0, address.rfind(':'));
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  return ip;
}

bool has_each_of(std::string_view flags, std::string_view wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](char c) { return flags.find(c) != std::string_view::npos; });
}

}  // namespace

bool ClientFilter::takes_a_number(By by) {
  return by == By::kAge || by == By::kIdle || by == By::kDatabase;
}

Result<ClientFilter> ClientFilter::parse(std::span<const std::string_view> options,
                                         bool skips_self) {
  struct Name {
    std::string_view text;
    By by;
  };
  static constexpr Name kNames[] = {
      {"id", By::kId}, {"type", By::kType}, {"addr", By::kAddress}, {"laddr", By::kLocalAddress},
      {"ip", By::kIp}, {"user", By::kUser}, {"name", By::kName}, {"lib-name", By::kLibrary},
      {"lib-ver", By::kVersion}, {"maxage", By::kAge}, {"idle", By::kIdle}, {"db", By::kDatabase},
      {"flags", By::kFlags}, {"capa", By::kCapabilities}};
  const auto wrong = [](std::string_view word, const char* what) {
    return Error(ErrorClass::kInvalid,
                 "Sluice: the filter '" + std::string(word.substr(0, 64)) + "' " + what);
  };
  ClientFilter filter;
  filter.skips_self_ = skips_self;
  for (size_t i = 0; i < options.size();) {
    const std::string_view option = options[i++];
    std::string_view word = option;
    const bool negated = word.size() > kNot.size() && is(word.substr(0, kNot.size()), kNot);
    if (negated) word.remove_prefix(kNot.size());
    const auto* name = std::find_if(std::begin(kNames), std::end(kNames),
                                    [&](const Name& known) { return is(word, known.text); });
    Condition condition{By::kId, negated, {}, 0, {}};
    if (name != std::end(kNames) && name->by == By::kId) {
      // As many numbers as follow; of none at all, nobody has one.
      int64_t id = 0;
      while (i < options.size() && resp::parse_strict_integer(options[i], id)) {
        condition.ids.push_back(id);
        ++i;
      }
      std::sort(condition.ids.begin(), condition.ids.end());
      filter.add(std::move(condition));
      continue;
    }
    const bool skips = is(option, "skipme");
    if (!skips && name == std::end(kNames)) return wrong(option, "is not known; leave it out");
    if (i == options.size()) return wrong(option, "has no value; write one");
    condition.value = options[i++];
    if (skips) {
      if (!is(condition.value, "yes") && !is(condition.value, "no"))
        return wrong(option, "is neither yes nor no");
      filter.skips_self_ = is(condition.value, "yes");
      continue;
    }
    condition.by = name->by;
    const bool number = resp::parse_strict_integer(condition.value, condition.number);
    if (!number && takes_a_number(condition.by))
      return wrong(option, "has a value that is no number");
    filter.add(std::move(condition));
  }
  return filter;
}

// Of a filter that is written twice the later one holds.
void ClientFilter::add(Condition condition) {
  std::erase_if(conditions_, [&](const Condition& old) {
    return old.by == condition.by && old.negated == condition.negated;
  });
  conditions_.push_back(std::move(condition));
}

bool ClientFilter::matches(const Client& client, const Clients& clients, int64_t now_us) const {
  if (conditions_.empty()) return true;
  const ClientNames names = clients.names(client);
  return std::all_of(conditions_.begin(), conditions_.end(), [&](const Condition& condition) {
    return holds(condition, client, names, now_us) != condition.negated;
  });
}

bool ClientFilter::holds(const Condition& condition, const Client& client,
                         const ClientNames& names, int64_t now_us) {
  const std::string_view value = condition.value;
  switch (condition.by) {
    case By::kId:
      return std::binary_search(condition.ids.begin(), condition.ids.end(), client.id);
    case By::kType: return has_type(client, value);
    case By::kAddress: return client.address == value;
    case By::kLocalAddress: return client.local_address == value;
    case By::kIp: return ip_of(client.address) == value;
    case By::kUser: return names.user == value;
    case By::kName: return names.name == value;
    case By::kLibrary: return names.library_name == value;
    case By::kVersion: return names.library_version == value;
    case By::kAge: return whole_seconds(now_us - client.connected_us) >= condition.number;
    case By::kIdle: return whole_seconds(now_us - client.active_us.load()) >= condition.number;
    case By::kDatabase: return client.database.load() == condition.number;
    case By::kFlags: return has_each_of(shown_flags(client), value);
    case By::kCapabilities: return has_each_of(client.redirects.load() ? "r" : "", value);
  }
  return false;
}

}  // namespace sluice::proxy::front
