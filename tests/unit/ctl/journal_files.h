// Journals for tests, written as the proxy writes them.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/metrics.h"
#include "journal/group_commit.h"
#include "journal/recovery.h"
#include "tests/unit/temp_folder.h"

namespace sluice::ctl {

// Adds records to the journal in `dir`, each in a frame of its own.
inline void write_journal(const std::string& dir, const std::vector<journal::Record>& records,
                          uint32_t shelves = 64) {
  journal::WriterOptions options;
  options.dir = dir;
  options.shelves = shelves;
  options.segment_bytes = 1 << 20;
  options.free_bytes_min = 0;
  base::Registry registry;
  auto& fs = base::posix_file_system();
  ASSERT_TRUE(journal::recover(dir, fs, [](const journal::Record&) {}).ok());
  auto commit = *journal::GroupCommit::start(options, fs, registry);
  for (const journal::Record& record : records) {
    std::string bytes;
    journal::append_record(bytes, record);
    std::promise<bool> done;
    commit->submit(bytes, 1, 0, record.order_id, [&](const journal::CommitOutcome& outcome) {
      done.set_value(outcome.status.ok());
    });
    ASSERT_TRUE(done.get_future().get());
  }
}

inline journal::Record record(journal::RecordType type, uint64_t batch, int64_t quantity = 0) {
  journal::Record one;
  one.type = type;
  one.time_ms = 1'700'000'000'000;
  one.lane_sequence = batch;
  one.born = 1;
  one.item = "phone";
  one.quantity = quantity;
  return one;
}

inline journal::Record purchase(uint64_t batch, uint64_t order_id, std::string_view user,
                                int64_t quantity) {
  journal::Record one = record(journal::RecordType::kBuy, batch, quantity);
  one.order_id = order_id;
  one.user = user;
  return one;
}

inline journal::Record cancellation(uint64_t batch, uint64_t order_id, std::string_view user,
                                    int64_t quantity) {
  journal::Record one = purchase(batch, order_id, user, quantity);
  one.type = journal::RecordType::kCancel;
  return one;
}

}  // namespace sluice::ctl
