// The scripts that clients have given to Redis, so that they outlive a restart of it.
//
// A Redis that restarts has forgotten every script that EVAL or SCRIPT LOAD gave it, and EVALSHA
// gets NOSCRIPT. So bodies are remembered here, the least recently used going first; after a
// connection was lost, each worker sends SCRIPT LOAD ahead of the first EVALSHA of each older
// script, on the same connection. As long as none is lost, nothing is loaded: what a client gets is
// up to Redis. SCRIPT FLUSH forgets here too: then NOSCRIPT is right.
//
// ScriptCache is shared by all threads; ScriptsLoaded belongs to one worker and is what keeps an
// ordinary EVALSHA away from the lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace sluice::proxy::front {

class ScriptCache {
 public:
  explicit ScriptCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  void remember(std::string_view body);
  // The body with this SHA-1 (lower case hex), if a connection was lost since it was first seen; or
  // null.
  std::shared_ptr<const std::string> find_lost(const std::string& sha);
  void connection_lost() { outages_.fetch_add(1, std::memory_order_relaxed); }
  void clear();
  size_t bytes() const;
  // Rises whenever a body is forgotten.
  uint64_t losses() const { return losses_.load(std::memory_order_relaxed); }

 private:
  // What an entry costs beside its body, about.
  static constexpr size_t kEntryBytes = 256;

  struct Entry {
    std::string sha;
    std::shared_ptr<const std::string> body;
    uint64_t outages;  // when it was first seen
  };

  const size_t bytes_max_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::list<Entry> entries_;  // the last used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_sha_;
  size_t bytes_ = 0;
  std::atomic<uint64_t> losses_{0};
  std::atomic<uint64_t> outages_{0};
};

// What one worker has seen to since it last lost a connection.
class ScriptsLoaded {
 public:
  explicit ScriptsLoaded(ScriptCache& cache) : cache_(cache) {}

  // Of EVAL, EVAL_RO and SCRIPT LOAD.
  void saw_body(std::string_view body);
  // The body that must be loaded ahead of an EVALSHA, or null. `sha` in any case. `way` is how the
  // EVALSHA reaches Redis: behind a load under way on the same one none is needed; behind one on
  // another it might arrive too early. Each load asked for is to be followed by load_ended().
  using Body = std::shared_ptr<const std::string>;
  Body to_load(std::string_view sha, const void* way);
  // `reply` to SCRIPT LOAD. After an error (Redis loads, or is busy) the next EVALSHA tries again.
  void load_ended(std::string_view sha, const void* way, std::string_view reply);
  void flushed() { cache_.clear(); }
  // A connection was lost: Redis may have restarted.
  void connection_lost();

 private:
  static constexpr size_t kNamesMax = 10'000;

  void settle(const std::string& name);

  ScriptCache& cache_;
  std::set<std::pair<std::string, const void*>> loading_;  // SHA and way
  std::unordered_set<std::string> settled_;  // SHAs that need nothing more
  std::unordered_set<size_t> bodies_;        // hashes of those that the cache still has
  uint64_t losses_ = 0;                      // of the cache, as bodies_ knows it
};

// As Redis names scripts: lower case hex.
std::string sha1_hex(std::string_view bytes);

}  // namespace sluice::proxy::front
