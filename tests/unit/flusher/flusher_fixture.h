// A journal, a database and a flusher between them, in one test process.
#pragma once

#include <memory>
#include <thread>

#include "flusher/flush_loop.h"
#include "sql/schema.h"
#include "tests/unit/flusher/journal_feeder.h"
#include "tests/unit/flusher/sql_server.h"

namespace sluice::flusher {

using testing_support::eventually;

// The loop on a thread of its own, as main.cc runs it.
class RunningFlusher {
 public:
  RunningFlusher(const Options& options, bool once)
      : loop(options, once, base::posix_file_system(), status, metrics_) {
    thread_ = std::thread([this] {
      end_ = loop.run();
      ended_ = true;
    });
  }
  ~RunningFlusher() { stop(); }

  LoopEnd wait() {
    if (thread_.joinable()) thread_.join();
    return end_;
  }
  LoopEnd stop() {
    loop.stop();
    return wait();
  }
  bool ended() const { return ended_; }

  base::Registry registry;
  StatusBoard status;

 private:
  FlushMetrics metrics_{registry};

 public:
  FlushLoop loop;

 private:
  LoopEnd end_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

class FlusherTest : public testing::Test {
 protected:
  FlusherTest() {
    options.journal_dir = dir.path() + "/journal";
    options.mysql = database.options();
    options.create_schema = true;
    options.once_timeout_us = 20'000'000;
  }

  testing_support::JournalFeeder& journal() {
    if (!feeder_) feeder_ = std::make_unique<testing_support::JournalFeeder>(options.journal_dir);
    return *feeder_;
  }
  LoopEnd drain_once() { return RunningFlusher(options, true).wait(); }

  // As a restored table would say it: one writer's checkpoint, or all.
  void set_position(uint64_t position, const std::string& where = "") {
    const uint64_t one[] = {position};
    const auto found = journal::fingerprints(options.journal_dir, base::posix_file_system(), one);
    ASSERT_TRUE(found.ok()) << found.error().message();
    database.run("UPDATE sluice_checkpoint SET position = " + std::to_string(position) +
                 ", fingerprint = " + std::to_string(found->front()) + where);
  }

  // What must hold after every commit, for whatever was fed. "": it does.
  std::string broken_invariants() const {
    std::string wrong = database.ask(
        "SELECT i.item_id, i.sold, COALESCE(SUM(o.quantity), 0) AS live FROM items i"
        " LEFT JOIN orders o ON o.item_id = i.item_id AND o.status <> 'cancelled'"
        " GROUP BY i.item_id, i.sold HAVING i.sold <> live");
    if (!wrong.empty()) wrong = "items.sold differs: " + wrong;
    return wrong;
  }

  test::TempFolder dir;
  testing_support::Database database;
  Options options;

 private:
  std::unique_ptr<testing_support::JournalFeeder> feeder_;
};

}  // namespace sluice::flusher
