// Keeps this proxy known to the others that sell through the same Redis, and notices what they and
// Redis do: who joins, who waits for whom, and that Redis was flushed or went back in time.
//
// One a proxy, on the first I/O thread and its connection, twice a second. All of it goes over one
// hash, sluice:proxies (N, M: proxy.id):
//   N            journal id: proxy N is a member
//   N>M          proxy N has proxy M in its `peers` file (lanes.h)
//   N:passed     identity (gate.h) of the Redis process to which N has brought back all it knew of
//   N:beat       a counter of N; if it goes back, so did Redis
//   forget:M     an operator has given proxy M up (sluice-ctl peers forget)
//   nonce        random; a part of the identity, so that a flush is a new one
// A proxy writes N first and reads the others then, so of two that join at once one sees the other.
// It has joined, and may sell, once M>N is there for every member M: from then on every journal
// folder knows that N may have sold, whatever Redis loses.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/sale/lanes.h"
#include "proxy/sale/shared.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Coalescer;

// A value for the field nonce.
std::string new_nonce();

class Heartbeat {
 public:
  // Runs work on every owner thread, each with its coalescer.
  using Everywhere = std::function<void(std::function<void(Coalescer&)>)>;

  // `redis` is the first owner thread's.
  Heartbeat(upstream::IoThread& thread, upstream::Inbox& inbox, upstream::RedisClient& redis,
            Shared& shared, size_t threads, Everywhere everywhere);
  // Joins a write of the peers file that is under way.
  ~Heartbeat();

  // First I/O thread only: its gate has found out which Redis process this is; or lost it.
  void connected(const std::string& identity, const std::string& nonce);
  void lost();
  void stop();
  // The first SECKILL command has come: every owner thread's gate wakes. Any thread.
  void wake();

  // An owner thread's gate has opened all it knows of, for this identity. Any thread.
  void passed(size_t thread, const std::string& identity);

 private:
  struct Table;

  void schedule();
  void beat();
  void check_process();
  void looked(const Table& table);
  void complain_of_nonsense(const Table& table);
  bool is_rewound(const Table& table);
  bool is_impostor(const Table& table);
  bool update_peers(const Table& table);
  void save(Lanes::Peers peers);
  void publish(const Table& table);
  void judge(const Table& table);
  void pulse();
  void look_for_waiting_items();
  void start_over(const std::string& why);

  upstream::IoThread& thread_;
  upstream::Inbox& inbox_;
  upstream::RedisClient& redis_;
  Shared& shared_;
  const size_t threads_;
  const Everywhere everywhere_;
  const uint64_t own_;
  boost::asio::steady_timer timer_;
  std::string identity_, nonce_;          // of the connection; empty: none
  std::string last_identity_;             // of the last one there was
  std::map<size_t, std::string> passes_;  // owner thread → identity
  uint64_t beat_ = 0;                     // last one sent
  uint64_t beat_confirmed_ = 0;           // last one that Redis is known to have taken
  std::string complaint_;                 // last one logged about the table
  std::string nonsense_complaint_;        // … about values in it that mean nothing
  bool joined_ = false;
  bool saving_ = false;
  bool stopped_ = false;
  std::thread writer_;
};

}  // namespace sluice::proxy::sale
