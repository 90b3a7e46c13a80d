// Who may log in: passwords, and the pace of those who guess them.
//
// Every attempt of an address that has failed more than a few times waits for its turn, the right
// password too, so that neither more connections nor new ones guess faster. Counted by address
// (IPv6: by /64), because the name and the connection are the guesser's to choose.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/metrics.h"
#include "proxy/front/users.h"

namespace sluice::proxy::front {

// True if this user (null: there is none) may log in with this password. What takes time is the
// password's SHA-256, whoever the user is; digests are compared in constant time.
bool password_fits(const User* user, std::string_view password);

class LoginThrottle {
 public:
  static constexpr int64_t kFreeFailures = 5;        // typing errors cost nothing
  static constexpr int64_t kFirstDelayUs = 100'000;  // then 100 ms, doubling up to
  static constexpr int64_t kDelayMaxUs = 2'000'000;  // 2 s between two attempts
  static constexpr int64_t kWaitMaxUs = 4'000'000;   // who would wait longer is refused
  static constexpr int64_t kForgottenAfterUs = 600'000'000;
  static constexpr size_t kAddressesMax = 10'000;  // the one silent for longest is forgotten

  // How long this attempt must wait before it is judged; nothing: it is refused unjudged, because
  // too many others of this address wait. Any thread.
  std::optional<int64_t> admit_us(std::string_view address, int64_t now_us);
  // Counts a failure; returns how many there were.
  int64_t failed(std::string_view address, int64_t now_us);
  // The pace of an address that has failed this often.
  static int64_t delay_us(int64_t failures);
  void register_metrics(base::Registry& registry);

  // "10.0.0.1:5123" → "10.0.0.1"; "[2001:db8::1]:80" → "2001:db8:0:0"; "/path:0" as it is.
  static std::string network_of(std::string_view address);

 private:
  struct Entry {
    std::string network;
    int64_t failures = 0;
    int64_t last_failure_us = 0;
    int64_t next_turn_us = 0;
  };
  using Entries = std::list<Entry>;

  Entry* find(const std::string& network, int64_t now_us);

  std::mutex mutex_;
  Entries entries_;  // guarded by mutex_; the one that failed last is in front
  std::unordered_map<std::string, Entries::iterator> by_network_;  // guarded by mutex_
  base::Counter* failures_ = nullptr;
  base::Counter* delayed_ = nullptr;
};

}  // namespace sluice::proxy::front
