// The filters of CLIENT LIST and CLIENT KILL: which clients of the proxy are meant.
//
// All filters of all servers are understood here. Which of them the server behind knows, and
// whether their values are right, it has judged itself before (front/client_inquiry.h), so that
// what it refuses is refused in its words.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proxy/front/clients.h"

namespace sluice::proxy::front {

class ClientFilter {
 public:
  // `options`: what follows LIST or KILL; its words must outlive the filter. `skips_self`: what
  // SKIPME is if it is not written. kInvalid: a filter or a value that is not understood here.
  static Result<ClientFilter> parse(std::span<const std::string_view> options, bool skips_self);

  // Without any filter every client matches but, if it is skipped, the one who asks.
  bool matches(const Client& client, const Clients& clients, int64_t now_us) const;
  bool skips_self() const { return skips_self_; }

 private:
  enum class By { kId, kType, kAddress, kLocalAddress, kIp, kUser, kName, kLibrary, kVersion,
                  kAge, kIdle, kDatabase, kFlags, kCapabilities };
  struct Condition {
    By by;
    bool negated = false;
    std::string_view value;
    int64_t number = 0;
    std::vector<int64_t> ids;  // sorted
  };

  void add(Condition condition);
  static bool takes_a_number(By by);
  static bool holds(const Condition& condition, const Client& client, const ClientNames& names,
                    int64_t now_us);

  std::vector<Condition> conditions_;
  bool skips_self_ = false;
};

}  // namespace sluice::proxy::front
