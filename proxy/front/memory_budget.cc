#include "proxy/front/memory_budget.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sluice::proxy::front {

void MemoryBudget::hold(Client& client, int64_t bytes) {
  const int64_t before = client.memory_bytes.exchange(bytes, std::memory_order_relaxed);
  const int64_t held = held_.fetch_add(bytes - before) + bytes - before;
  const int64_t over = held - leaving_.load(std::memory_order_relaxed) - limit_.load();
  if (bytes > before && over > 0) relieve();
}

bool MemoryBudget::leave(Client& client) {
  std::lock_guard lock(mutex_);
  hold(client, 0);
  const int64_t leaving = std::exchange(client.leaving_bytes, -1);
  if (leaving > 0) leaving_ -= leaving;
  return leaving > 0;
}

void MemoryBudget::relieve() {
  std::lock_guard lock(mutex_);
  int64_t excess = held_ - leaving_ - mark();
  if (excess <= 0) return;
  std::vector<std::pair<int64_t, ClientPtr>> holders;
  for (ClientPtr& client : clients_.all()) {
    const int64_t bytes = client->memory_bytes.load(std::memory_order_relaxed);
    if (bytes > 0 && client->leaving_bytes == 0) holders.emplace_back(bytes, std::move(client));
  }
  std::sort(holders.begin(), holders.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [bytes, client] : holders) {
    if (excess <= 0) return;
    client->leaving_bytes = bytes;
    leaving_ += bytes;
    excess -= bytes;
    client->kill();
  }
}

}  // namespace sluice::proxy::front
