// The parts of a turn: see flush_loop.h for their order.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/clock.h"
#include "base/failpoint.h"
#include "flusher/early_change.h"
#include "flusher/flush_loop.h"
#include "flusher/registration.h"
#include "journal/segment.h"
#include "sql/writable.h"

namespace sluice::flusher {
namespace {

constexpr int64_t kObserveEveryUs = 100'000;
constexpr int64_t kTurnMaxUs = 100'000;  // a turn feeds no longer before it observes again
constexpr int64_t kMysqlCheckUs = 1'000'000;
constexpr int64_t kMysqlCheckMaxUs = 10'000'000;
constexpr int64_t kMeetEveryUs = 5'000'000;
constexpr int64_t kRateIntervalUs = 1'000'000;
constexpr int64_t kSecondUs = 1'000'000;
// A look that takes longer has failed: meanwhile nobody says what goes on.
constexpr unsigned kLookMaxS = 10;
// A record may be this much ahead: proxy and flusher read one clock, which is slewed now and then.
constexpr int64_t kFutureMs = 1'000;

sql::ConnectOptions for_looks(sql::ConnectOptions mysql) {
  mysql.timeout_s = std::min(mysql.timeout_s, kLookMaxS);
  return mysql;
}

}  // namespace

void FlushLoop::take_requests() {
  std::optional<Options> options;
  bool flush = false;
  {
    const std::lock_guard lock(mutex_);
    options.swap(new_options_);
    // While paused a request waits until somebody resumes.
    if (!paused()) std::swap(flush, flush_requested_);
  }
  if (options) {
    options_.trigger = options->trigger;
    options_.pace = options->pace;
    trigger_.set_options(options_.trigger);
    pace_.set_options(options_.pace);
    load_probe_.set_replicas(options_.pace.replicas);
  }
  // The run under way becomes one that does not yield; a new one goes up to what is there now.
  if (flush) begin_run(Cause::kManual);
  if (flush) observed_us_ = 0;
}

// Or the run under way gets another cause.
void FlushLoop::begin_run(Cause cause) {
  if (!cause_) pace_.begin(load_);
  cause_ = cause;
}

Status FlushLoop::observe() {
  const int64_t now_us = base::monotonic_us();
  if (observed_us_ != 0 && now_us - observed_us_ < kObserveEveryUs) return {};
  observed_us_ = now_us;
  auto extent = journal_.extent();
  if (!extent) return extent.error();
  if (extent->journal_id != key_.journal_id) {
    return Error(ErrorClass::kCorrupt, options_.journal_dir +
                                           " holds another journal now; if that "
                                           "is right, start again");
  }
  extent_ = *extent;

  const uint64_t position = batcher_->position();
  const uint64_t all = extent_.last_sequence + 1 - extent_.first_sequence;
  const uint64_t end = std::max(extent_.last_sequence + 1, position);
  now_.now_us = now_us;
  now_.wall_s = base::wall_ms() / 1000;
  const auto free_bytes = fs_.free_bytes(options_.journal_dir);
  now_.disk_free_bytes = free_bytes ? static_cast<int64_t>(*free_bytes) : INT64_MAX;
  const std::string wanted = journal::path_in(options_.journal_dir, journal::kRoomWantedName);
  now_.room_wanted = fs_.open(wanted, base::OpenMode::kRead).ok();
  now_.last_sequence = extent_.last_sequence;
  now_.backlog_rows = end - position;
  // Frames differ in size; their mean is near enough for a threshold.
  now_.backlog_bytes = all == 0 ? 0
                                : static_cast<int64_t>(static_cast<double>(extent_.bytes) *
                                                       static_cast<double>(now_.backlog_rows) /
                                                       static_cast<double>(all));
  SLUICE_TRY(observe_oldest());
  trigger_.observe(now_);

  if (now_us - rate_us_ >= kRateIntervalUs) {
    const auto moved = static_cast<int64_t>(position - rate_position_);
    const int64_t rate = rate_us_ == 0 ? 0 : moved * kSecondUs / (now_us - rate_us_);
    rate_us_ = now_us;
    rate_position_ = position;
    status_.update([&](StatusSnapshot& status) { status.rows_per_s = rate; });
  }
  return {};
}

// A writer that is stuck has it.
Status FlushLoop::observe_oldest() {
  if (now_.backlog_rows == 0) {
    oldest_ms_ = 0;
  } else if (const auto handed_on = batcher_->oldest_ms()) {
    oldest_ms_ = *handed_on;
  } else {
    const auto unread = journal_.peek();
    if (!unread) return unread.error();
    if (!unread->empty()) oldest_ms_ = unread->front().time_ms;
  }
  const int64_t age_ms = oldest_ms_ == 0 ? 0 : base::wall_ms() - oldest_ms_;
  now_.oldest_age_us = std::max<int64_t>(age_ms, 0) * 1000;
  // A clock that was set back must not keep it waiting until it has caught up.
  now_.oldest_in_future = age_ms < -kFutureMs;
  return {};
}

// Whether records go to the writers in this turn. Begins runs.
bool FlushLoop::should_feed() {
  if (paused()) return false;
  if (!cause_ && (once_ || read_end_ != UINT64_MAX) && now_.backlog_rows > 0) {
    begin_run(Cause::kManual);
  }
  if (!cause_) {
    if (const auto cause = trigger_.wants_drain(now_)) begin_run(*cause);
  }
  return cause_ && !trigger_.yields(*cause_, now_);
}

Status FlushLoop::feed() {
  const int64_t until_us = base::monotonic_us() + kTurnMaxUs;
  while (base::monotonic_us() < until_us && !stopping()) {
    const auto unread = journal_.peek();
    if (!unread) return unread.error();
    const auto limit = std::find_if(unread->begin(), unread->end(), [this](const auto& record) {
      return record.sequence >= read_end_;
    });
    const auto wanted = static_cast<size_t>(limit - unread->begin());
    if (wanted == 0) return {};
    base::failpoint(base::Failpoint::kFlushAfterRead);
    const size_t added = batcher_->add(unread->first(wanted));
    journal_.consume(added);
    if (added < wanted) return {};
  }
  return {};
}

// Everything read is committed, and there was nothing more to read (`drained`), or the run gives
// way.
void FlushLoop::run_finished(bool drained) {
  trigger_.finished(drained);
  if (!drained && cause_ == Cause::kManual) {  // paused in the midst of it
    const std::lock_guard lock(mutex_);
    flush_requested_ = true;
  }
  cause_.reset();
  observed_us_ = 0;
  if (journal_.next_sequence() >= read_end_) {
    // All writers of the old partitioning stand at one position: begin anew with the new one.
    batcher_->stop();
    batcher_.reset();
  }
}

std::optional<LoopEnd> FlushLoop::check_end() {
  if (std::string conflict = batcher_->conflict(); !conflict.empty()) {
    return LoopEnd{3, std::move(conflict), true};
  }
  if (batcher_->is_behind() || server_ == Server::kBehind) {
    spdlog::warn(
        "the database has lost transactions that it had committed (its last, in a crash or a "
        "failover): going on from where its checkpoints are now");
    batcher_->stop();
    batcher_.reset();
    cause_.reset();
    return std::nullopt;
  }
  if (!once_) return std::nullopt;
  if (!cause_ && now_.backlog_rows == 0) return LoopEnd{0, "drained"};
  const std::string trouble = status_.read().trouble();
  if (trouble.empty()) progressed_us_ = now_.now_us;
  if (now_.now_us - progressed_us_ < options_.once_timeout_us) return std::nullopt;
  return LoopEnd{1, "gave up: " + trouble};
}

// Of another flusher's orders and this one's cancels, or the other way round, if that one ended
// between its commit and this.
void FlushLoop::meet(int64_t now_us) {
  if (now_us - met_us_ < kMeetEveryUs) return;
  met_us_ = now_us;
  uint64_t settled = 0;
  const auto failure = settle_early_changes(control_, options_.orders, {}, settled);
  if (failure) spdlog::warn("sluice_early_change: {}; trying again", failure->text());
}

// Others put them in, too: other flushers, people.
void FlushLoop::look_at_dead_letters() {
  DeadLetterTally tally;
  if (tally_dead_letters(control_, tally)) return;
  if (tally == dead_letters_) return;
  dead_letters_ = tally;
  status_.update([&](StatusSnapshot& status) {
    status.dead_letter_rows = tally.count;
    ++status.dead_letters_version;
  });
}

// Connected to a server that takes writes, and has all that was committed. Both show by themselves
// where something is drained; here they show although there is nothing.
std::optional<sql::Failure> FlushLoop::look_after_control() {
  if (control_.connected() && control_.is_elsewhere()) control_.close();
  if (!control_.connected()) {
    const std::string was = control_.server();
    server_ = Server::kNew;
    if (auto failure = control_.connect(for_looks(options_.mysql))) return failure;
    if (control_.server() != was)
      spdlog::warn("MySQL: {} is in use now, instead of {}", control_.server(), was);
  }
  if (auto failure = sql::check_takes_writes(control_)) {
    control_.close();  // also after a node has waited in vain for a cluster that it has lost
    return failure;
  }
  if (server_ != Server::kNew) return std::nullopt;
  bool is_lost = false;
  if (auto failure = find_lost_commits(control_, key_, batcher_->positions(), is_lost))
    return failure;
  server_ = is_lost ? Server::kBehind : Server::kKnown;
  return std::nullopt;
}

// Tells whether MySQL is there while nothing is drained, and how busy it is while something is.
void FlushLoop::look_after_mysql() {
  const int64_t now_us = base::monotonic_us();
  if (now_us - mysql_checked_us_ < std::max(mysql_delay_us_, kMysqlCheckUs)) return;
  auto failure = look_after_control();
  if (!failure) failure = look_at_load();
  mysql_checked_us_ = base::monotonic_us();
  if (failure) {
    mysql_delay_us_ = std::clamp(mysql_delay_us_ * 2, kMysqlCheckUs, kMysqlCheckMaxUs);
    now_.mysql_suffers.clear();  // a run may begin, and wait for it
    status_.update([&](StatusSnapshot& status) {
      status.mysql_connected = false;
      status.mysql_error = failure->text();
      status.failed(*failure);
    });
    return;
  }
  mysql_delay_us_ = 0;
  if (incarnation_ != extent_.incarnation) {
    incarnation_ = extent_.incarnation;
    if (auto unregistered = register_incarnation(control_, key_.journal_id, incarnation_)) {
      spdlog::warn("sluice_journal: {}", unregistered->text());
    }
  }
  meet(mysql_checked_us_);
  look_at_dead_letters();
  status_.update([](StatusSnapshot& status) {
    if (status.writer_errors.empty()) status.mysql_connected = true;
    status.mysql_error.clear();
  });
}

// How busy it is decides whether a run begins, and how fast it goes on.
std::optional<sql::Failure> FlushLoop::look_at_load() {
  const int64_t now_us = base::monotonic_us();
  if (auto failure = load_probe_.read(control_, now_us, load_)) return failure;
  now_.mysql_suffers = pace_.suffers(load_);
  pace_.observe(load_, cause_.has_value(), now_us);
  return std::nullopt;
}

void FlushLoop::report() {
  Situation situation;
  situation.now_us = base::monotonic_us();
  situation.is_paused = paused();
  situation.backlog_rows = now_.backlog_rows;
  situation.position = batcher_->position();
  if (cause_) situation.run = cause_name(*cause_);
  situation.trouble = status_.read().trouble();
  situation.held_by = pace_.held_by(situation.now_us);
  situation.hold_reason = trigger_.hold_reason(now_);
  Verdict verdict = progress_.judge(situation);
  status_.update([&](StatusSnapshot& status) {
    status.position = situation.position;
    status.last_sequence = extent_.last_sequence;
    status.backlog = Backlog{now_.backlog_rows, now_.backlog_bytes, now_.oldest_age_us};
    status.load_per_s = trigger_.load_per_s();
    if (cause_) status.trigger = cause_name(*cause_);
    status.triggers = trigger_.explain(now_);
    status.next_scheduled_s = trigger_.next_scheduled_s();
    status.pace_rows_per_s = pace_.rows_per_s();
    status.replicas = load_.replicas;
    status.state = verdict.state;
    status.reason = std::move(verdict.reason);
  });
}

}  // namespace sluice::flusher
