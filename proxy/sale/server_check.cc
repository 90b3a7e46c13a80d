#include "proxy/sale/server_check.h"

#include "base/decimal.h"
#include "resp/info.h"

namespace sluice::proxy::sale {

using resp::info_value;

Result<Server> check_server(std::string_view info, const std::string& where) {
  if (info_value(info, "loading") == "1") {
    return Error(ErrorClass::kUnavailable, "Redis is loading its data");
  }
  Server server{info_value(info, "redis_version"), info_value(info, "role"),
                info_value(info, "run_id"), info_value(info, "master_replid")};
  int64_t time_us = 0;
  if (base::parse_decimal(info_value(info, "server_time_usec"), time_us))
    server.time_ms = time_us / 1000;
  if (server.role == "slave") return Error(ErrorClass::kUnavailable, "it is a read-only replica");
  const std::string policy = info_value(info, "maxmemory_policy");
  if (!policy.empty() && policy != "noeviction") {
    return Error(ErrorClass::kRefused,
                 "Redis at " + where + " runs with maxmemory-policy " + policy +
                     " and may evict what is on sale; set it to noeviction "
                     "(CONFIG SET maxmemory-policy noeviction, and in redis.conf)");
  }
  return server;
}

Error other_shelves(const std::string& where, std::string_view number, uint32_t configured) {
  return Error(ErrorClass::kRefused, "Redis at " + where + " has a sale with " +
                                         std::string(number) + " shelves, sale.shelves is " +
                                         std::to_string(configured) + "; set it to " +
                                         std::string(number));
}

}  // namespace sluice::proxy::sale
