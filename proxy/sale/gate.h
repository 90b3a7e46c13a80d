// The gate: nothing is sold to an item until Redis and the journals of all proxies agree about it.
//
// On every (re)connect the thread's connection finds out which Redis this is, waits until the other
// proxies know this one (heartbeat.h), and passes every known item through its gate; later it does
// so for single items: on first use, on GATE, GAP or EDITED, and for those that others wait for.
//
//   queue_ ─(a window of them)─► item gate (item_gate.h) ─► open
//                                        ├─ behind the journal ─► behind_ ─► replay ─► queue_
//                                        └─ waits for other lanes ─► waiting_ ─(a beat)─► queue_
//
// The identity of a Redis process is run_id:master_replid:nonce. It is new after a restart, a
// failover and a flush; an item that was last opened under another one may have been rewound.
// Before the first SECKILL command of all there is nothing to pass, and Redis is left as it is
// found: the gate is dormant. Until an item is open purchases get -LOADING. Same thread and
// lifetime as the coalescer that owns it.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/sale/item.h"
#include "proxy/sale/item_gate.h"
#include "proxy/sale/replay.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Coalescer;

class Gate {
 public:
  explicit Gate(Coalescer& coalescer) : coalescer_(coalescer), item_gate_(coalescer, count_) {}

  // The connection is up: checks the server, then passes every known item.
  void connected();
  // The connection is gone: whatever was under way here is void.
  void lost();
  // A sale begins: makes this proxy known, and passes every known item.
  void wake();
  // One item, unless it is on its way already.
  void open(Item& item);
  // The heartbeat has beaten. `changed`: other proxies have joined, or brought back what they knew.
  void beat(bool changed);
  // Other proxies hold these items back for some lane, perhaps this one.
  void look_at(const std::vector<std::string>& items);

  // Of the Redis that this thread is connected to; empty until it is known.
  const std::string& identity() const { return identity_; }

 private:
  void check_server(std::string_view info);
  void identify();
  void take_nonce();
  void join();
  void open_known_items();
  void pump();
  void item_done(Item& item, ItemGate::Outcome outcome);
  void progress();
  void report();
  void start_replay();
  void replayed(const Replay::Result& result);

  Coalescer& coalescer_;
  ItemGate::Count count_;  // since the pass began
  ItemGate item_gate_;
  std::string identity_;
  std::string last_process_;   // run_id:master_replid of the connection before
  std::deque<Item*> queue_;    // to be asked
  size_t under_way_ = 0;       // asked, not answered
  std::vector<Item*> behind_;  // for the next replay
  std::deque<Item*> waiting_;  // for other lanes
  std::unique_ptr<Replay> replay_;
  bool dormant_ = false;  // there is no sale yet: nothing is written to Redis
  bool opening_ = false;  // the first pass after a connect
  bool entered_ = false;  // that pass has begun
  int64_t began_us_ = 0;
};

}  // namespace sluice::proxy::sale
