// Sorts journal records into the writers' batches, and keeps the writers running.
//
//   Reader ─► add(): writer_of(record) ─► that writer's open batch ─► full? ─► its queue
//                                                          flush() ─► its queue, full or not
//
// Nothing is dropped and nothing piles up: add() stops in the middle of a group when a writer has
// no room, and goes on there later. Flush loop's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flusher/batch.h"
#include "flusher/mysql_writer.h"
#include "flusher/options.h"

namespace sluice::flusher {

class Batcher {
 public:
  // Starts a writer for each position. Records below a writer's position are already in MySQL and
  // are left out.
  Batcher(const WriterContext& context, const BatchOptions& options,
          std::span<const uint64_t> positions);

  // Takes records from the front of the group until a writer has no room; returns how many.
  size_t add(std::span<const journal::Record> records);
  // Closes every open batch at `end`: all records below it have been added. A writer without
  // records moves its checkpoint only. False: a writer had no room; call again.
  bool flush(uint64_t end);

  // All that was flushed is committed.
  bool idle() const;
  // The lowest of the writers' positions.
  uint64_t position() const;
  std::vector<uint64_t> positions() const;  // by writer
  // The time of the oldest record that a writer has and MySQL has not; nullopt: there is none.
  std::optional<int64_t> oldest_ms() const;
  // The first writer's that found another flusher at work; empty: none.
  std::string conflict() const;
  bool is_behind() const;
  uint32_t writers() const { return static_cast<uint32_t>(lanes_.size()); }

  // Stops all writers; what is not committed is left for the next start.
  void stop();

 private:
  struct Lane {
    std::unique_ptr<Batch> open;  // may be empty, never null
    uint64_t closed_at;           // all records below are queued or committed
    std::unique_ptr<MysqlWriter> writer;
  };
  bool complete(const Batch& batch) const;
  bool push(Lane& lane, uint64_t end);

  const BatchOptions options_;
  std::vector<Lane> lanes_;
  uint64_t fingerprint_ = 0;  // of the journal, up to and with the last record added
};

}  // namespace sluice::flusher
