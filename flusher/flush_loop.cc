#include "flusher/flush_loop.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "base/clock.h"
#include "flusher/advice.h"
#include "flusher/dead_letter.h"
#include "flusher/early_change.h"
#include "flusher/start_up.h"
#include "journal/refusal.h"
#include "journal/segment.h"

namespace sluice::flusher {
namespace {

constexpr int64_t kHoldWaitUs = 100'000;
constexpr int64_t kFeedWaitUs = 20'000;  // writers wake the loop earlier
constexpr int64_t kPrepareFirstUs = 100'000;
constexpr int64_t kPrepareMaxUs = 5'000'000;

bool may_pass(const Error& error) {
  switch (error.cls()) {
    case ErrorClass::kUnavailable:
    case ErrorClass::kNotFound:
    case ErrorClass::kNoSpace:
    case ErrorClass::kIo:
      return true;
    default:
      return false;
  }
}

uint64_t random_owner() {
  std::random_device random;
  return (uint64_t{random()} << 32) | random();
}

}  // namespace

FlushLoop::FlushLoop(const Options& options, bool once, base::FileSystem& fs, StatusBoard& status,
                     FlushMetrics& metrics)
    : options_(options),
      once_(once),
      fs_(fs),
      status_(status),
      metrics_(metrics),
      journal_(options.journal_dir, fs),
      trigger_(options.trigger),
      pace_(options.pace, options.batch.rows_min),
      load_probe_(options.mysql),
      key_{0, random_owner()},
      pause_(options.journal_dir, fs) {
  load_probe_.set_replicas(options.pace.replicas);
  // A proxy that knows the letters of the flusher before this one must not take them for the same.
  constexpr int kDoubleBits = 53;
  status_.update([&](StatusSnapshot& snapshot) {
    snapshot.dead_letters_version = static_cast<int64_t>(key_.owner >> (64 - kDoubleBits));
  });
}

void FlushLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    woken_ = true;
  }
  wake_.notify_all();
  status_.close();
  control_.abort();
}

Status FlushLoop::pause(bool paused) {
  Status kept = pause_.set(paused);
  if (!kept) {
    spdlog::warn("{}, but a restart will not know of it: {}", paused ? "paused" : "resumed",
                 kept.error().message());
  }
  wake();
  return kept;
}

void FlushLoop::request_flush() {
  {
    const std::lock_guard lock(mutex_);
    flush_requested_ = true;
  }
  wake();
}

void FlushLoop::set_options(const Options& options) {
  {
    const std::lock_guard lock(mutex_);
    new_options_ = options;
  }
  wake();
}

bool FlushLoop::stopping() const {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void FlushLoop::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
}

void FlushLoop::wait(int64_t us) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::microseconds(us), [this] { return woken_; });
  woken_ = stop_;
}

LoopEnd FlushLoop::run() {
  progressed_us_ = base::monotonic_us();
  std::optional<LoopEnd> end;
  while (!end && !stopping()) end = batcher_ ? turn() : prepare_until_ready();
  if (batcher_) batcher_->stop();
  if (end && end->is_refusal) tell_proxy(end->message);
  lock_.reset();
  return end.value_or(LoopEnd());
}

// Of two flushers that follow one folder the second would take over what the first one drains.
Status FlushLoop::lock_folder() {
  if (lock_) return {};
  auto lock = fs_.lock(journal::path_in(options_.journal_dir, journal::kFlusherLockName));
  if (!lock) {
    if (lock.error().cls() != ErrorClass::kExists) return lock.error();
    return lock.error().at("another flusher drains " + options_.journal_dir +
                           "; ask that one (SECKILL.FLUSH, or POST /flush), or stop it");
  }
  lock_ = std::move(*lock);
  SLUICE_TRY(pause_.settle());
  if (once_ && pause_.is_on()) {
    spdlog::warn(
        "the drain was paused by an operator: --once drains all the same, and the pause "
        "stays for the flusher that is started next");
  }
  return {};
}

// Best effort: the exit code says it too.
void FlushLoop::tell_proxy(const std::string& refusal) {
  const Status told = journal::set_refusal(options_.journal_dir, fs_, refusal);
  if (!told) spdlog::warn("the proxy cannot be told: {}", told.error().message());
}

Status FlushLoop::prepare() {
  auto extent = journal_.extent();
  // Without a journal there is nothing to drain yet, but whether MySQL will take it can be known.
  const bool look = extent.ok() || (!once_ && !control_.connected());
  if (look) SLUICE_TRY(open_database(options_, control_, schema_told_));
  if (!extent) return extent.error();
  SLUICE_TRY(lock_folder());
  // Again: records may have come while MySQL was waited for, and the checkpoints must fit.
  extent = journal_.extent();
  if (!extent) return extent.error();
  extent_ = *extent;
  key_.journal_id = extent_.journal_id;
  key_.proxy_id = extent_.proxy_id;
  auto positions =
      load_positions(control_, key_, options_.batch.writers, {options_.journal_dir, fs_, extent_});
  if (!positions) return positions.error();
  incarnation_ = extent_.incarnation;
  server_ = Server::kKnown;
  tell_proxy("");
  // What was committed before the last end, and had not met yet.
  uint64_t settled = 0;
  if (auto failure = settle_early_changes(control_, options_.orders, {}, settled))
    return failure->error();
  if (auto failure = tally_dead_letters(control_, dead_letters_)) return failure->error();
  const auto [lowest, highest] = std::minmax_element(positions->begin(), positions->end());
  SLUICE_TRY(journal_.open(*lowest));
  read_end_ = positions->size() == options_.batch.writers ? UINT64_MAX : *highest;
  batcher_ = std::make_unique<Batcher>(
      WriterContext{options_.mysql, options_.orders, static_cast<size_t>(options_.batch.bytes),
                    options_.dead_letters_max, static_cast<uint32_t>(positions->size()),
                    options_.create_schema, key_, pace_, status_, metrics_, [this] { wake(); }},
      options_.batch, *positions);
  control_.close();  // what it does from now on has less time
  rate_position_ = *lowest;
  status_.update([&](StatusSnapshot& status) {
    status.journal_id = key_.journal_id;
    status.position = rate_position_;
    status.dead_letter_rows = dead_letters_.count;
    ++status.dead_letters_version;
    status.mysql_connected = true;
    status.mysql_error.clear();
    status.writer_errors.clear();
  });
  return {};
}

std::optional<LoopEnd> FlushLoop::prepare_until_ready() {
  int64_t delay_us = kPrepareFirstUs;
  std::string last_message;
  while (!stopping()) {
    rounds_.fetch_add(1, std::memory_order_relaxed);
    const Status ready = prepare();
    if (ready) {
      spdlog::info("journal {}: in MySQL up to sequence {}, {} records to go", key_.journal_id,
                   batcher_->position() - 1, extent_.last_sequence + 1 - batcher_->position());
      return std::nullopt;
    }
    const Error& error = ready.error();
    if (!may_pass(error)) {
      return LoopEnd{3, error.message(), error.cls() == ErrorClass::kRefused};
    }
    const bool no_journal = error.cls() == ErrorClass::kNotFound;
    const std::string message =
        no_journal ? "no journal in " + options_.journal_dir + " yet" : error.message();
    if (once_ && no_journal) return LoopEnd{0, "nothing to drain: " + message};
    if (once_ && base::monotonic_us() - progressed_us_ > options_.once_timeout_us) {
      return LoopEnd{1, "gave up: " + message};
    }
    if (message != last_message) spdlog::warn("waiting: {}", message);
    last_message = message;
    status_.update([&](StatusSnapshot& status) {
      status.state = no_journal ? State::kIdle : State::kBlocked;
      status.reason = message;
      status.backlog = no_journal ? std::optional(Backlog()) : std::nullopt;
      status.mysql_connected = control_.connected();
      status.mysql_error = no_journal ? "" : message;
    });
    wait(delay_us);
    delay_us = no_journal ? kPrepareFirstUs : std::min(delay_us * 2, kPrepareMaxUs);
  }
  return std::nullopt;
}

std::optional<LoopEnd> FlushLoop::turn() {
  rounds_.fetch_add(1, std::memory_order_relaxed);
  take_requests();
  if (Status observed = observe(); !observed) return journal_failed(observed.error());
  look_after_mysql();
  if (auto end = check_end()) return end;
  if (!batcher_) return std::nullopt;  // it is to be made anew
  if (Status worked = work(); !worked) return journal_failed(worked.error());
  return std::nullopt;
}

Status FlushLoop::work() {
  const bool feeding = should_feed();
  if (feeding) SLUICE_TRY(feed());
  const bool all_read = journal_.next_sequence() >= std::min(read_end_, extent_.last_sequence + 1);
  const bool settle = cause_ && (!feeding || all_read);
  const bool finished = settle && batcher_->flush(journal_.next_sequence()) && batcher_->idle();
  report();  // the position is that of the finished run: the janitor goes by it
  if (finished) {
    run_finished(feeding);
  } else {
    wait(cause_ ? kFeedWaitUs : kHoldWaitUs);
  }
  return {};
}

// Damage ends the flusher; what may pass (a segment that goes while it is looked at, too many open
// files) is tried again from the first record that no writer has.
std::optional<LoopEnd> FlushLoop::journal_failed(const Error& error) {
  if (!may_pass(error)) return LoopEnd{3, error.message()};
  Status reopened = journal_.open(journal_.next_sequence());
  spdlog::warn("journal: {}; reading it again{}", error.message(), reopened ? "" : " failed");
  status_.update([&](StatusSnapshot& status) {
    status.state = State::kBlocked;
    status.reason = error.message();
  });
  wait(kPrepareFirstUs);
  return std::nullopt;
}

}  // namespace sluice::flusher
