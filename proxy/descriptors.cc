#include "proxy/descriptors.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/descriptors.h"

namespace sluice::proxy {
namespace {

constexpr int64_t kReservedMin = 32;

}  // namespace

void fit_descriptors(front::Limits& limits) {
  const int64_t clients = limits.clients, pinned = limits.pinned_connections;
  const int64_t wanted = base::descriptors_wanted(clients, pinned);
  rlimit now{};
  if (::getrlimit(RLIMIT_NOFILE, &now) != 0) return;
  if (now.rlim_cur == RLIM_INFINITY || now.rlim_cur >= static_cast<rlim_t>(wanted)) return;
  rlimit raised = now;
  raised.rlim_cur = std::min(static_cast<rlim_t>(wanted), now.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) raised = now;
  const auto available = static_cast<int64_t>(raised.rlim_cur);
  if (available >= wanted) return;
  const int64_t reserved =
      std::clamp<int64_t>(available / 2, kReservedMin, base::kDescriptorsReserved);
  const int64_t room = std::max<int64_t>(available - reserved, 2);
  limits.pinned_connections = std::min(pinned, room / 2);
  limits.clients = std::min(clients, room - limits.pinned_connections);
  spdlog::warn(
      "the hard limit of open files is {}: at most {} clients (limits.clients = {}) and {} "
      "connections of their own (limits.pinned_connections = {}) fit; raise it (ulimit -Hn, "
      "LimitNOFILE=)",
      available, limits.clients.load(), clients, limits.pinned_connections.load(), pinned);
}

}  // namespace sluice::proxy
