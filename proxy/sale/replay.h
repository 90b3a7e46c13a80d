// Replays this lane's journal records into Redis for shelves that Redis has forgotten (part of).
//
// A thread of its own reads the journal from its beginning and hands chunks of records, whole
// batches each, to the I/O thread, which sends them as replay.lua calls; a bounded number of chunks
// is under way at a time. The journal vouches that the chunks of a shelf hold all that still
// matters; if it is condensed meanwhile (records of retired items go), the shelf begins anew. One
// Replay a time and owner thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "journal/history.h"
#include "proxy/sale/replay_chunk.h"
#include "proxy/sale/shared.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Replay {
 public:
  struct Target {
    uint32_t shelf = 0;
    uint64_t epoch = 0;          // of the gate that asks for it
    uint64_t upto = 0;           // lane sequence of the last batch handed to the journal
    uint64_t complete_from = 0;  // as the gate was told: ShelfState::condensed
    bool without_orphans = false;  // it was stuck before: what no lane brings any more is left out
  };
  // What it came to for one shelf; all empty: Redis has all of it.
  struct Outcome {
    std::string error;       // Redis refused a call
    std::string edited;      // the item that is not as Sluice left it
    // "lane sequence born-low born-high item": applied up to there, then another lane's is missing.
    std::string waits_for;
    std::string to_bring;    // then: as what the items are born that the journal creates above it
    uint64_t condensed = 0;  // the journal is condensed up to here by now
  };
  struct Result {
    std::map<uint32_t, Outcome> outcomes;  // by shelf
    Status status;                         // the journal could not be read
    uint64_t records = 0;
  };

  // `done` is called on the I/O thread, unless cancelled before.
  Replay(Shared& shared, upstream::Inbox& inbox, upstream::RedisClient& redis,
         std::vector<Target> targets, std::function<void(const Result&)> done);
  // Cancels and joins.
  ~Replay();

 private:
  // Of one shelf, then it is sent: some 4 ms of Redis's time, in which nobody else is served.
  static constexpr size_t kChunkBytes = 128 << 10;
  static constexpr size_t kPendingBytes = 16 << 20;  // of all shelves, then all are sent
  static constexpr int kChunksUnderWay = 16;

  struct Progress {
    Target target;
    uint64_t sent = 0;              // lane sequence up to which chunks were sent
    uint64_t last_lane_sequence = 0;  // the last one read
    bool condensed = false;         // the journal has been condensed since
    std::vector<std::pair<uint64_t, uint64_t>> creations;  // lane sequence, born
    ReplayChunk chunk;
  };
  using Outcomes = std::map<uint32_t, Outcome>;

  void run();
  Status read_journal();
  void add(Progress& progress, const journal::Record& record);
  void send(Progress& progress, uint64_t upto);
  void send_all();
  bool complete(const Progress& progress) const;
  std::string created_above(uint32_t shelf, uint64_t lane_sequence) const;
  void answered(uint32_t shelf, Outcomes& outcomes, std::string_view answer, bool is_error);

  Shared& shared_;
  upstream::Inbox& inbox_;
  upstream::RedisClient& redis_;
  const std::function<void(const Result&)> done_;
  // run()'s thread until done
  std::vector<std::unique_ptr<Progress>> shelves_;  // by number; null: not a target
  std::unique_ptr<journal::History> history_;
  size_t pending_bytes_ = 0;
  uint64_t records_ = 0;
  std::counting_semaphore<> room_{kChunksUnderWay};
  // Set by the destructor; work in the inbox that is still to run looks at it and does nothing.
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<Outcomes> outcomes_;  // I/O thread only
  std::thread thread_;
};

}  // namespace sluice::proxy::sale
