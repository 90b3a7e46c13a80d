#include "proxy/front/login.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <boost/asio/ip/address_v6.hpp>
#include <cstdio>

namespace sluice::proxy::front {

bool password_fits(const User* user, std::string_view password) {
  const Digest given = sha256(password);
  static const User kNobody;
  const User& judged = user == nullptr ? kNobody : *user;
  bool fits = judged.no_password;
  for (const Digest& digest : judged.passwords)
    fits |= ::CRYPTO_memcmp(digest.data(), given.data(), given.size()) == 0;
  return judged.enabled && fits;
}

int64_t LoginThrottle::delay_us(int64_t failures) {
  if (failures <= kFreeFailures) return 0;
  const int64_t doublings = std::min<int64_t>(failures - kFreeFailures - 1, 20);
  return std::min(kFirstDelayUs << doublings, kDelayMaxUs);
}

std::optional<int64_t> LoginThrottle::admit_us(std::string_view address, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  Entry* entry = find(network_of(address), now_us);
  const int64_t delay = entry == nullptr ? 0 : delay_us(entry->failures);
  if (delay == 0) return 0;
  const int64_t turn = std::max(now_us, entry->next_turn_us);
  if (delayed_ != nullptr) delayed_->add(1);
  if (turn - now_us > kWaitMaxUs) return std::nullopt;
  entry->next_turn_us = turn + delay;
  return turn - now_us;
}

int64_t LoginThrottle::failed(std::string_view address, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (failures_ != nullptr) failures_->add(1);
  std::string network = network_of(address);
  Entry* entry = find(network, now_us);
  if (entry == nullptr) {
    if (entries_.size() >= kAddressesMax) {
      by_network_.erase(entries_.back().network);
      entries_.pop_back();
    }
    entries_.push_front({network});
    by_network_.emplace(std::move(network), entries_.begin());
    entry = &entries_.front();
  } else {
    entries_.splice(entries_.begin(), entries_, by_network_.at(network));
  }
  entry->last_failure_us = now_us;
  entry->next_turn_us = std::max(entry->next_turn_us, now_us + delay_us(++entry->failures));
  return entry->failures;
}

LoginThrottle::Entry* LoginThrottle::find(const std::string& network, int64_t now_us) {
  const auto found = by_network_.find(network);
  if (found == by_network_.end()) return nullptr;
  const auto entry = found->second;
  if (now_us - entry->last_failure_us < kForgottenAfterUs) return &*entry;
  by_network_.erase(found);
  entries_.erase(entry);
  return nullptr;
}

void LoginThrottle::register_metrics(base::Registry& registry) {
  failures_ = &registry.counter("sluice_login_failures_total",
                                "AUTH and HELLO AUTH with a wrong name or password.");
  delayed_ = &registry.counter("sluice_logins_delayed_total",
                               "Logins slowed down or refused after failures of their address.");
}

std::string LoginThrottle::network_of(std::string_view address) {
  if (address.starts_with('/')) return std::string(address);
  const std::string_view host = address.substr(0, address.rfind(':'));
  if (!host.starts_with('[')) return std::string(host);
  boost::system::error_code error;
  const auto ip =
      boost::asio::ip::make_address_v6(std::string(host.substr(1, host.size() - 2)).c_str(), error);
  if (error) return std::string(host);
  if (ip.is_v4_mapped()) return std::string(host);
  const auto bytes = ip.to_bytes();
  char text[20];
  std::snprintf(text, sizeof(text), "%x:%x:%x:%x", bytes[0] * 256 + bytes[1],
                bytes[2] * 256 + bytes[3], bytes[4] * 256 + bytes[5], bytes[6] * 256 + bytes[7]);
  return text;
}

}  // namespace sluice::proxy::front
