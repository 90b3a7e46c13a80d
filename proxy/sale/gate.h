// The gate: nothing is sold from a shelf until Redis and the journals of all proxies agree about
// it.
//
// On every (re)connect the thread's connection finds out which Redis this is and asks for each of
// its shelves (scripts/gate.lua); later for single ones: when a purchase is answered GATE, GAP or
// EDITED, when a beat finds that others wait or that Redis went back, and when what refused it may
// be over.
//
//   ask() ─► gate.lua ─► open
//                ├─ behind the journal ─► replay ─► ask()
//                ├─ waits for other lanes ─(a beat)─► ask()
//                └─ refused, or a contradiction ─(back-off)─► ask()
//
// The identity of a shelf's history is run_id:master_replid:nonce. It is new after a restart, a
// failover and a flush; a shelf that was last opened under another one may have been rewound.
// Before the first SECKILL command of all there is nothing to ask, and Redis is left as it is
// found: the gate is dormant, and looks now and then whether another proxy has begun a sale. It
// alone moves shelves (shelf.h). One an owner thread.
//
// A receipt may have an order id that the journal does not know yet, ahead of a clock that went
// back. So no shelf opens before the receipts of all of them, of every thread, have been read once.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/sale/beat_events.h"
#include "proxy/sale/refusals.h"
#include "proxy/sale/replay.h"
#include "proxy/sale/roster.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/shelf_events.h"
#include "proxy/sale/shelf_map.h"
#include "proxy/sale/shelf_report.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Gate final : public BeatEvents {
 public:
  // What the thread does besides: beats on this Redis from now on; every thread's gate wakes.
  struct Hooks {
    std::function<void(const std::string& replication_id)> connected;
    std::function<void()> wake_all;
  };

  // All that is given by reference outlives it.
  Gate(upstream::IoThread& thread, upstream::Inbox& inbox, upstream::RedisClient& redis,
       Shared& shared, ShelfMap& shelves, RefusalLog& refusals, ShelfEvents& events, Hooks hooks);

  // The connection is up: checks the server, then asks for every shelf.
  void connected();
  // The connection is gone: whatever was under way here is void.
  void lost(const std::string& why);
  // It is about to be closed for good: from now on nothing is asked.
  void stop();
  // There is no sale yet, and nothing of it in Redis.
  bool dormant() const { return dormant_; }
  // A sale begins: asks for every shelf, here and on the other threads.
  void wake_all() { hooks_.wake_all(); }
  void wake();

  // A purchase was answered that the shelf has another epoch or sequence; or that an item of it is
  // not what the scripts wrote.
  void ask(Shelf& shelf) { ask(shelf, ""); }
  void edited(Shelf& shelf, std::string_view item);
  // Redis refuses a call for the shelf, with these words; or answers what it cannot.
  void refused(Shelf& shelf, std::string_view error) override;
  void contradicts(Shelf& shelf, const std::string& why);

  void beaten(Shelf& shelf, uint64_t epoch) override;
  void deleting(Shelf& shelf, const std::string& item) override { events_.deleting(shelf, item); }
  void rewound(Shelf& shelf, const std::string& why, bool went_back) override;
  void changed(const std::string& why) override;

  // Every shelf of the thread sells, or none has to. Any thread, like the next.
  bool ready() const { return ready_.load(std::memory_order_relaxed); }
  // Why it is not; for people.
  std::string why_not_ready() const;
  // How its shelves stood when one of them last changed.
  ShelfReport report_of_shelves() const;

 private:
  // What the gate knows of a shelf besides its state.
  struct Entry {
    bool opened = false;         // since the connection came up, and sells but for a moment
    bool ever_opened = false;    // by this process
    bool is_met = false;         // its receipts' ids are below those that are given out
    bool is_due = false;         // asking: it opens once all shelves are met
    int64_t retry_us = 0;        // unable: when it is asked again
    int64_t delay_us = 0;
    std::string living;          // the other incarnation's beat, as last told
    std::string waits_for;       // replay: where it is stuck, and for which item of another lane
    std::string to_bring;        // then: what the journal has yet to create (scripts/orphan.lua)
    uint64_t complete_from = 0;  // the journal has every batch of the lane above it
  };

  // The place in gate.lua's reply of the first receipt.
  static constexpr size_t kAnswerReceipts = 7;

  void check(std::string_view info);
  void identify();
  void ask_all();
  void ask(Shelf& shelf, std::string flags, std::string_view edited_item = "");
  void answered(Shelf& shelf, const upstream::Reply& reply);
  bool refuses(Shelf& shelf, std::string_view verdict, std::string_view about);
  void alive(Shelf& shelf, std::string_view about);
  void unproven(Shelf& shelf);
  bool import_receipts(Shelf& shelf, const upstream::Reply& reply, uint64_t applied);
  void call(Shelf& shelf, std::string flags, std::string_view edited_item);
  void note(Shelf& shelf);
  void meet(Shelf& shelf, const upstream::Reply& reply);
  void open(Shelf& shelf);
  void open_due();
  bool any_due() const;
  void wait(Shelf& shelf, std::string_view lanes);
  void hold(Shelf& shelf, Shelf::State state, std::string why,
            std::string_view prefix = "LOADING");
  void unable(Shelf& shelf, std::string why, std::string_view prefix);
  void progress();
  void start_replay();
  void replayed(const Replay::Result& result);
  void replayed(Shelf& shelf, const Replay::Outcome& outcome);
  void judge();
  bool sells(const Shelf& shelf) {
    return shelf.state() == Shelf::State::kOpen ||
           (shelf.state() == Shelf::State::kAsking && entry_of(shelf).opened);
  }
  ShelfReport survey();
  void report();
  void look_for_a_sale(int64_t now_us);
  void schedule_retries();
  void retry();
  Entry& entry_of(const Shelf& shelf) { return entries_[shelf.number]; }

  upstream::IoThread& thread_;
  upstream::Inbox& inbox_;
  upstream::RedisClient& redis_;
  Shared& shared_;
  ShelfMap& shelves_;
  RefusalLog& refusals_;
  ShelfEvents& events_;
  const Hooks hooks_;
  Roster roster_;
  boost::asio::steady_timer timer_;
  std::vector<Entry> entries_;  // by number of the shelf
  std::string process_;         // run_id:master_replid of the connection; empty until it is known
  std::string last_process_;    // of the one before
  std::unique_ptr<Replay> replay_;
  size_t asked_ = 0;  // not answered yet
  uint64_t connects_ = 0;   // connections that were lost
  int64_t rewound_us_ = 0;  // when the last one was found so
  int64_t looked_us_ = 0;   // dormant: when a sale was looked for
  std::string told_;        // to the log: why it is not ready
  bool dormant_ = false;
  bool opening_ = false;  // the first pass after a connect
  int64_t began_us_ = 0;
  struct {
    uint64_t receipts = 0, behind = 0, records = 0;
  } count_;  // since the pass began
  std::atomic<bool> ready_{false};
  mutable std::mutex mutex_;
  std::string why_;             // guarded by mutex_
  ShelfReport shelves_report_;  // guarded by mutex_
};

}  // namespace sluice::proxy::sale
