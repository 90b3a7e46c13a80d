// A journal in a folder of its own under the temporary directory, and short ways to write and read.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/metrics.h"
#include "faulty_file_system.h"
#include "journal/bytes.h"
#include "journal/examine.h"
#include "journal/group_commit.h"
#include "journal/reader.h"
#include "journal/recovery.h"
#include "journal/segment.h"

namespace sluice::journal {

// Waits until `condition` holds, at most 10 s.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

inline std::string encoded(const Record& record) {
  std::string bytes;
  append_record(bytes, record);
  return bytes;
}

// A purchase whose numbers and texts follow from `n`.
inline std::string purchase(uint64_t n, size_t field_bytes = 8) {
  std::string fields;
  append_field(fields, "note", std::string(field_bytes, static_cast<char>('a' + n % 26)));
  const std::string user = "user" + std::to_string(n);
  Record record;
  record.time_ms = 1'700'000'000'000 + static_cast<int64_t>(n);
  record.lane_sequence = n;
  record.item = "item";
  record.user = user;
  record.request = "req";
  record.order_id = 1000 + n;
  record.quantity = 1;
  record.fields = fields;
  return encoded(record);
}

// Collects outcomes and lets a test wait for them.
class Outcomes {
 public:
  GroupCommit::Done collect() {
    return [this](const CommitOutcome& outcome) {
      const std::lock_guard lock(mutex_);
      all_.push_back(outcome);
      changed_.notify_all();
    };
  }
  // The first `count` outcomes; fewer after 10 s.
  std::vector<CommitOutcome> wait(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return all_.size() >= count; });
    return all_;
  }
  size_t size() {
    const std::lock_guard lock(mutex_);
    return all_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<CommitOutcome> all_;
};

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    std::string pattern = testing::TempDir() + "sluice-journal-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    dir_ = root_ + "/journal";
    options_.dir = dir_;
    options_.segment_bytes = 256 << 10;
    options_.free_bytes_min = 0;
    unsynced_.skip_syncs();
  }
  ~JournalTest() override { std::filesystem::remove_all(root_); }

  // Recovers and starts; asserts on failure.
  std::unique_ptr<GroupCommit> open(base::FileSystem& fs = base::posix_file_system()) {
    report_ = recovered(fs);
    registry_ = std::make_unique<base::Registry>();
    auto started = GroupCommit::start(options_, fs, *registry_);
    EXPECT_TRUE(started.ok()) << started.error().message();
    return started ? std::move(*started) : nullptr;
  }
  RecoveryReport recovered() { return recovered(unsynced_); }
  RecoveryReport recovered(base::FileSystem& fs) {
    auto report = recover(dir_, fs, [](const Record&) {});
    EXPECT_TRUE(report.ok()) << report.error().message();
    return report ? *report : RecoveryReport();
  }
  // The error with which recovery refuses; "" if it does not.
  std::string refusal() {
    auto report = recover(dir_, unsynced_, [](const Record&) {});
    if (report) return "";
    EXPECT_EQ(report.error().cls(), ErrorClass::kCorrupt) << report.error().message();
    return report.error().message();
  }

  // Submits purchase(n) and waits for its outcome.
  static CommitOutcome write(GroupCommit& commit, uint64_t n, size_t field_bytes = 8) {
    Outcomes outcomes;
    commit.submit(purchase(n, field_bytes), 1, 0, 1000 + n, outcomes.collect());
    const auto all = outcomes.wait(1);
    return all.empty() ? CommitOutcome{Error(ErrorClass::kIo, "no outcome"), 0, false} : all[0];
  }

  // A copy of the folder as a killed writer would leave it: what is there now, unsynced or not.
  void snapshot_into(const std::string& copy) {
    std::filesystem::remove_all(copy);
    std::filesystem::copy(dir_, copy, std::filesystem::copy_options::recursive);
  }
  // Makes the folder what a killed writer would have left: writes with `use`, copies, stops, and
  // puts the copy in place.
  void write_and_kill(const std::function<void(GroupCommit&)>& use) {
    auto commit = open();
    use(*commit);
    snapshot_into(root_ + "/killed");
    commit.reset();
    std::filesystem::remove_all(dir_);
    std::filesystem::rename(root_ + "/killed", dir_);
  }

  // Orders of all records from `from` on, in the order in which the reader hands them out; checks
  // that their sequences are dense.
  std::vector<uint64_t> orders(uint64_t from = 1) {
    std::vector<uint64_t> found;
    auto reader = Reader::open(dir_, unsynced_, from);
    EXPECT_TRUE(reader.ok()) << reader.error().message();
    if (!reader) return found;
    for (uint64_t expected = from;;) {
      auto group = (*reader)->next();
      EXPECT_TRUE(group.ok()) << group.error().message();
      if (!group || !*group) return found;
      for (const Record& record : (*group)->records) {
        EXPECT_EQ(record.sequence, expected++);
        found.push_back(record.order_id - 1000);
      }
    }
  }
  static std::vector<uint64_t> range(uint64_t first, uint64_t last) {
    std::vector<uint64_t> numbers;
    for (uint64_t n = first; n <= last; ++n) numbers.push_back(n);
    return numbers;
  }

  std::string segment_path(uint64_t number) { return path_in(dir_, segment_name(number)); }
  static std::string slurp(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void spill(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::string root_;
  std::string dir_;
  WriterOptions options_;
  RecoveryReport report_;
  base::FileSystem& fs_ = base::posix_file_system();
  FaultyFileSystem unsynced_{fs_};
  std::unique_ptr<base::Registry> registry_;
};

}  // namespace sluice::journal
