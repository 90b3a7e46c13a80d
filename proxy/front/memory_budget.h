// What all clients together may take of the process's memory (`limits.memory`), and who has to go
// when it is used up: those who hold most, as Redis's maxmemory-clients has it.
//
//   below 3/4                nobody notices
//   above 3/4: tight()       clients that hold kHeavyBytes or more are read from no more
//   still so after a second  those that hold most are cut until 3/4 are not exceeded
//   all of it                the same, at once
//
// A session counts its buffers and reports each change; the sum is what is compared. Counted are
// buffers by their capacity: input not yet processed, the arguments found in it, replies not yet
// sent or held back, and what waits on the client's own connection to Redis.
//
// Any thread, except where noted. Clients are cut by Client::kill, so a little later.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "proxy/front/clients.h"

namespace sluice::proxy::front {

class MemoryBudget {
 public:
  static constexpr int64_t kHeavyBytes = 1024 * 1024;

  // `limit` may change at any time; both outlive the budget.
  MemoryBudget(const std::atomic<int64_t>& limit, const Clients& clients)
      : limit_(limit), clients_(clients) {}

  // `client` now holds `bytes`. Called by its session only.
  void hold(Client& client, int64_t bytes);
  // The client has gone. True if it was one of those that relieve() cut.
  bool leave(Client& client);

  bool tight() const { return held_bytes() > mark(); }
  // Cuts those who hold most until no more than 3/4 of the limit are held. Clients already cut and
  // still on their way out count as gone.
  void relieve();

  int64_t held_bytes() const { return held_.load(std::memory_order_relaxed); }

 private:
  int64_t mark() const { return limit_.load(std::memory_order_relaxed) / 4 * 3; }

  const std::atomic<int64_t>& limit_;
  const Clients& clients_;
  std::atomic<int64_t> held_{0};
  std::atomic<int64_t> leaving_{0};  // held by clients that have been cut; written under mutex_
  std::mutex mutex_;
};

}  // namespace sluice::proxy::front
