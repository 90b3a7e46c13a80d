#include "journal/segment_supply.h"

#include <spdlog/spdlog.h>

#include <chrono>

#include "base/units.h"
#include "journal/segment.h"

namespace sluice::journal {
namespace {

// While full: soon enough that buyers see room again at once, rare enough to cost nothing.
constexpr std::chrono::milliseconds kRetryPeriod{100};
// Otherwise: how old the count of bytes used may be.
constexpr std::chrono::milliseconds kCountPeriod{1000};

}  // namespace

SegmentSupply::SegmentSupply(const WriterOptions& options, int64_t frame_bytes_max,
                             base::FileSystem& fs, Room& room, base::Gauge& bytes_used)
    : options_(options), frame_bytes_max_(frame_bytes_max), fs_(fs), room_(room),
      bytes_used_(bytes_used) {
  if (auto bytes = count(); bytes) bytes_used_.set(*bytes);
  thread_ = std::thread([this] { run(); });
}

void SegmentSupply::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
  // Gives the room back to the disk. A file that stays costs nothing but that room: recovery
  // removes it.
  ask_for_room(false);
  if (next_ && next_->close() && fs_.remove(next_->path())) (void)fs_.sync_dir(options_.dir);
}

Result<std::unique_ptr<base::File>> SegmentSupply::take() {
  std::unique_lock lock(mutex_);
  if (!next_) {
    const uint64_t wanted = attempts_wanted_ = attempts_ + 1;
    changed_.notify_all();
    changed_.wait(lock, [&] { return next_ || stop_ || attempts_ >= wanted; });
  }
  if (!next_) {
    return failure_ ? *failure_ : Error(ErrorClass::kUnavailable, "the journal is stopping");
  }
  lent_ = true;
  return std::move(next_);
}

void SegmentSupply::renamed() {
  {
    const std::lock_guard lock(mutex_);
    lent_ = false;
    attempts_wanted_ = attempts_ + 1;
  }
  changed_.notify_all();
}

std::string SegmentSupply::shortage() const {
  const std::lock_guard lock(mutex_);
  return failure_ ? failure_->message() : "";
}

void SegmentSupply::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!next_ && !lent_) {
      lock.unlock();
      auto prepared = prepare();
      ask_for_room(!prepared && prepared.error().cls() == ErrorClass::kNoSpace);
      tell(prepared ? nullptr : &prepared.error());
      lock.lock();
      ++attempts_;
      failure_.reset();
      if (prepared) {
        next_ = std::move(*prepared);
        room_.add(Room::of_segment(
            options_.segment_bytes - static_cast<int64_t>(kSegmentHeaderBytes), frame_bytes_max_));
      } else {
        failure_ = prepared.error();
      }
      changed_.notify_all();
    }
    const bool full = !next_ && !lent_;
    changed_.wait_for(lock, full ? kRetryPeriod : kCountPeriod, [&] {
      return stop_ || (!next_ && !lent_ && attempts_ < attempts_wanted_);
    });
    if (stop_) break;
    lock.unlock();
    if (auto bytes = count(); bytes) bytes_used_.set(*bytes);
    lock.lock();
  }
}

// Once when no segment can be made, while the one in use has room yet; and once when one can.
void SegmentSupply::tell(const Error* shortage) {
  const bool is_short = shortage != nullptr;
  if (is_short == told_) return;
  told_ = is_short;
  if (is_short)
    spdlog::warn("no further journal segment: {}; purchases get -BUSY once this one is full",
                 shortage->message());
  else
    spdlog::info("there is room for journal segments again");
}

// Of whoever deletes segments. Best effort: without it they go when their time is over.
void SegmentSupply::ask_for_room(bool wanted) {
  if (wanted == asked_) return;
  const std::string path = path_in(options_.dir, kRoomWantedName);
  if (!wanted) {
    if (fs_.remove(path)) asked_ = false;
    return;
  }
  auto file = fs_.open(path, base::OpenMode::kReplace);
  asked_ = file && (*file)->close();
}

Result<int64_t> SegmentSupply::count() {
  auto entries = fs_.list(options_.dir);
  if (!entries) return entries.error();
  int64_t bytes = 0;
  for (const base::DirectoryEntry& entry : *entries) {
    if (segment_number(entry.name) != 0 || entry.name == kNextName) {
      bytes += static_cast<int64_t>(entry.bytes);
    }
  }
  return bytes;
}

Result<std::unique_ptr<base::File>> SegmentSupply::prepare() {
  auto used = count();
  if (!used) return used.error();
  if (*used + options_.segment_bytes > options_.bytes_max) {
    return Error(ErrorClass::kNoSpace,
                 "the journal in " + options_.dir + " has reached its limit of " +
                     base::format_size(options_.bytes_max) +
                     "; it goes on when the flusher has drained it, or raise journal.max_bytes");
  }
  auto free = fs_.free_bytes(options_.dir);
  if (!free) return free.error();
  // Asked first, because an allocation that fails half-way takes the last bytes from others.
  if (static_cast<int64_t>(*free) < options_.segment_bytes + options_.free_bytes_min) {
    return Error(ErrorClass::kNoSpace, "the disk of " + options_.dir + " has only " +
                                           base::format_size(static_cast<int64_t>(*free)) +
                                           " left; free some, or drain the journal");
  }
  const std::string path = path_in(options_.dir, kNextName);
  auto file = fs_.open(path, base::OpenMode::kReplace);
  if (!file) return file.error();
  Status allocated = (*file)->allocate(static_cast<uint64_t>(options_.segment_bytes));
  // Synced now, so that no commit pays for making the allocation durable.
  if (allocated) allocated = (*file)->sync();
  if (!allocated) {
    (void)(*file)->close();
    (void)fs_.remove(path);  // it may hold the last free bytes; the allocation's error is the news
    return allocated.error();
  }
  bytes_used_.set(*used + options_.segment_bytes);
  return file;
}

}  // namespace sluice::journal
