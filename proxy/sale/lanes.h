// Which proxies may have sold through this Redis: the lanes that an item waits for after a rewind.
//
// Redis may lose everything, also who sold through it, and a proxy may be down when it does. So the
// membership is durable in each journal folder, in the file `peers`, and a proxy sells only after
// all others have it there (heartbeat.h does the handshake). One Lanes a proxy, owned by main's
// SaleSetup; any thread may ask, only the heartbeat changes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace sluice::proxy::sale {

// Keys in Redis that belong to no item.
inline constexpr std::string_view kProxiesKey = "sluice:proxies";  // hash: see heartbeat.h
inline constexpr std::string_view kWaitingKey = "sluice:waiting";  // set: items that wait for lanes
inline constexpr std::string_view kItemsKey = "sluice:items";      // set: every item's name

class Lanes {
 public:
  using Peers = std::map<uint64_t, std::string>;  // proxy.id → journal id, without this proxy
  // Whether a text can be a journal's id; what others wrote into Redis may be anything.
  static bool is_journal_id(std::string_view text);

  // Reads `dir`/peers. kCorrupt: the file is damaged, the message says what to do (exit code 3).
  static Result<std::unique_ptr<Lanes>> open(const std::string& dir, base::FileSystem& fs,
                                             uint64_t proxy_id);

  Peers peers() const;
  // No other proxy has ever sold through this Redis. Lock-free.
  bool alone() const { return alone_.load(std::memory_order_relaxed); }
  // Replaces the peers, on disk first: when this returns, a crash forgets none of them. Blocks.
  Status save(const Peers& peers);

  // Lists for gate.lua: ",1,2,". All lanes, this one included; those that an operator gave up.
  std::string known() const;
  std::string forgotten() const;
  void set_forgotten(const std::set<uint64_t>& lanes);

  // What the handshake with the Redis process of this identity has come to.
  struct Standing {
    std::string identity;
    bool joined = false;     // every other proxy has this one in its file
    std::string waits_for;   // not joined: why, for people
    std::string not_passed;  // "1, 2": those that may still bring back items; empty: none
  };
  Standing standing() const;
  void set_standing(Standing standing);

 private:
  Lanes(std::string dir, base::FileSystem& fs, uint64_t proxy_id)
      : dir_(std::move(dir)), fs_(fs), proxy_id_(proxy_id) {}

  const std::string dir_;
  base::FileSystem& fs_;
  const uint64_t proxy_id_;
  std::atomic<bool> alone_{true};
  mutable std::mutex mutex_;
  Peers peers_;  // guarded by mutex_, like all below
  std::set<uint64_t> forgotten_;
  Standing standing_;
};

// For messages; `lanes`: "3,5". "proxies 3, 5", and what an operator can do about them.
std::string proxies_text(std::string_view lanes);
std::string forget_hint(std::string_view lanes);

}  // namespace sluice::proxy::sale
