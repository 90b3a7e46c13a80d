// Replays this lane's journal records into Redis for items that Redis has forgotten (part of).
//
// A thread of its own reads the journal from its beginning and hands chunks of records, whole
// batches each, to the I/O thread, which sends them as replay.lua calls; a bounded number of chunks
// is under way at a time. One Replay a time and coalescer.
#pragma once

#include <atomic>
#include <functional>
#include <semaphore>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "journal/snapshot.h"
#include "proxy/sale/replay_chunk.h"
#include "proxy/sale/shared.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Replay {
 public:
  struct Target {
    std::string item, item_key, buyers_key, receipts_key;
    uint64_t upto = 0;  // the last batch handed to the journal
  };
  struct Result {
    std::vector<std::string> restored;                         // items now at `upto`
    std::vector<std::pair<std::string, std::string>> missing;  // item, what stands in the way
    Status status;                                             // the journal could not be read
    uint64_t records = 0;
  };

  // `done` is called on the I/O thread, unless cancelled before.
  Replay(Shared& shared, upstream::Inbox& inbox, upstream::RedisClient& redis,
         std::vector<Target> targets, std::function<void(const Result&)> done);
  // Cancels and joins.
  ~Replay();

 private:
  // Of one item, then it is sent: some 4 ms of Redis's time, in which nobody else is served.
  static constexpr size_t kChunkBytes = 128 << 10;
  static constexpr size_t kPendingBytes = 16 << 20;  // of all items, then all are sent
  static constexpr int kChunksUnderWay = 16;

  struct Progress {
    Target target;
    uint64_t last_lane_sequence = 0;    // the last one read
    bool has_creation = false;  // among what was read
    ReplayChunk chunk;
  };

  void run();
  Status read_journal();
  void add(Progress& progress, const journal::Record& record);
  void send(Progress& progress);
  void send_all();
  bool complete() const;

  Shared& shared_;
  upstream::Inbox& inbox_;
  upstream::RedisClient& redis_;
  const std::function<void(const Result&)> done_;
  // run()'s thread until done
  std::unordered_map<std::string, Progress, journal::TextHash, std::equal_to<>> items_;
  size_t pending_bytes_ = 0;
  uint64_t records_ = 0;
  std::counting_semaphore<> room_{kChunksUnderWay};
  // Set by the destructor; work in the inbox that is still to run looks at it and does nothing.
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::unordered_map<std::string, std::string>> problems_;  // I/O thread only
  std::thread thread_;
};

}  // namespace sluice::proxy::sale
