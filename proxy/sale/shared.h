// What all owner threads of one proxy share. Built once at start-up; what changes is atomic.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/metrics.h"
#include "journal/group_commit.h"
#include "proxy/sale/clock_watch.h"
#include "proxy/sale/dead_letters.h"
#include "proxy/sale/item_board.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/order_ids.h"
#include "proxy/sale/script_call.h"
#include "proxy/sale/slow_log.h"
#include "proxy/sale/standings.h"
#include "proxy/sale/under_way.h"
#include "proxy/sale/verdict.h"
#include "proxy/sale/veto.h"

namespace sluice::proxy::sale {

struct Limits {
  size_t batch_operations = 512;       // limits.batch_purchases
  size_t batch_bytes = 256 << 10;      // of records in one script call; they share a journal frame
  size_t queued_operations = 100'000;  // limits.purchases_in_flight, per I/O thread
  size_t items = 100'000;              // limits.items, in Redis
  int64_t unknown_after_us = 5'000'000;  // limits.redis_timeout
  int64_t retain_ms = 86'400'000;        // journal.retain; how long a closed item may be reopened
  int64_t sold_out_lease_us = 100'000;   // limits.soldout_lease; 0: all refusals are Redis's
  size_t sold_out_bytes = 64 << 20;      // limits.soldout_memory: filters of buyers, in all
  int64_t retention_round_us = 60'000'000;  // in which all shelves are looked at for old items
  int64_t beat_us = 500'000;             // of the heartbeat; a flush is noticed within it
  int64_t join_poll_us = 200'000;        // the same, while a shelf waits for other proxies
};

struct SaleMetrics {
  explicit SaleMetrics(base::Registry& registry);

  base::Counter& result(Verdict::Kind verdict);  // of a purchase with a verdict of this kind

  base::Counter &accepted, &repeated, &soldout, &limit, &notstarted, &ended, &closed, &noitem,
      &error, &busy, &unknown;
  base::Counter& soldout_at_once;
  base::Counter& expired;
  base::Counter& oversell;
  base::Histogram& purchase_seconds;
  base::Histogram& redis_seconds;
  base::Histogram& batch_purchases;
  base::Counter &gate_passes, &gate_records, &gate_receipts;
};

// 64 random bits as text, for a nonce or an incarnation.
std::string random_number();

// An operating error after which this process must not go on selling: main.cc logs it and exits 3.
using Fatal = std::function<void(const Error&)>;

struct Shared {
  std::string lane;  // proxy.id as text
  uint32_t shelves = 64;
  std::string journal_dir;
  std::string journal_id;   // as text, as Redis keeps it
  std::string predecessors = ",";  // ids of journals that it has taken over, ",1,2,"
  std::string incarnation;  // of this process: random, as text
  std::string host;
  // By shelf, as the start found the snapshot: ShelfState::condensed.
  std::vector<uint64_t> condensed;
  base::FileSystem* files = nullptr;
  journal::GroupCommit* journal = nullptr;
  OrderIds* order_ids = nullptr;
  Lanes* lanes = nullptr;
  Standings* standings = nullptr;
  SaleMetrics* metrics = nullptr;
  Scripts scripts;
  Limits limits;
  SlowLog slow_log;
  Fatal fatal;
  // False until this proxy has anything to do with a sale; till then Redis holds no key of ours.
  std::atomic<bool> selling{false};
  std::atomic<uint32_t> unmet{0};  // shelves whose receipts in Redis nobody has read yet (gate.h)
  std::atomic<bool> intake_paused{false};
  std::atomic<uint32_t> redis_connections{0};  // of owner threads, that are up now
  Veto veto;
  // No flusher has told yet whether MySQL knows more of the journal than the folder has.
  std::atomic<bool> unproven{false};
  ClockWatch clock;
  std::atomic<uint64_t> drained_sequence{0};  // everything up to here is in MySQL, as last heard
  DeadLetters dead_letters;                   // but for these
  std::atomic<int64_t> unpaid_orders{0};      // that this proxy waits for (holds.h)
  std::atomic<int64_t> oversold_items{0};     // of which less than nothing is left, as last seen
  std::atomic<size_t> items{0};  // that exist, as of the last beats; and those created since
  std::atomic<size_t> sold_out_bytes{0};  // of limits.sold_out_bytes
  UnderWay under_way;
  ItemBoard item_board;

  // As Redis has it behind a lane's sequence.
  std::string writer(uint64_t epoch) const {
    return journal_id + " " + incarnation + " " + std::to_string(epoch);
  }
};

}  // namespace sluice::proxy::sale
