#include "proxy/sale/replay.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/failpoint.h"
#include "proxy/sale/operation_text.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {
namespace {

// How long the commit thread may take to write what was submitted before the replay began.
constexpr int64_t kTailWaitUs = 10'000'000;

}  // namespace

Replay::Replay(Shared& shared, upstream::Inbox& inbox, upstream::RedisClient& redis,
               std::vector<Target> targets, std::function<void(const Result&)> done)
    : shared_(shared),
      inbox_(inbox),
      redis_(redis),
      done_(std::move(done)),
      shelves_(shared.shelves),
      outcomes_(std::make_shared<Outcomes>()) {
  for (const Target& target : targets) {
    auto& progress = shelves_[target.shelf];
    progress = std::make_unique<Progress>();
    progress->target = target;
    outcomes_->try_emplace(target.shelf);
  }
  thread_ = std::thread([this] { run(); });
}

Replay::~Replay() {
  cancelled_->store(true);
  room_.release(kChunksUnderWay);  // the thread may be waiting for an answer that will not come
  thread_.join();
}

void Replay::run() {
  Result result;
  result.status = read_journal();
  // The answers of all chunks come before this in the inbox's and the connection's order; the last
  // of them is known by taking the whole window.
  for (int i = 0; i < kChunksUnderWay && !*cancelled_; ++i) room_.acquire();
  result.records = records_;
  inbox_.push([cancelled = cancelled_, this, result]() mutable {
    if (*cancelled) return;
    result.outcomes = *outcomes_;
    for (auto& [shelf, outcome] : result.outcomes) {
      outcome.condensed = history_ ? history_->shelf(shelf).condensed : 0;
      if (outcome.waits_for.empty()) continue;
      std::string_view waits_for = outcome.waits_for;
      uint64_t applied = 0;
      base::parse_decimal(take_until(waits_for, ' '), applied);
      outcome.to_bring = created_above(shelf, applied);
    }
    const auto done = done_;  // it destroys this object
    done(result);
  });
}

Status Replay::read_journal() {
  auto history = journal::History::open(shared_.journal_dir, *shared_.files);
  if (!history) return history.error();
  history_ = std::move(*history);
  const int64_t deadline_us = base::monotonic_us() + kTailWaitUs;
  while (!*cancelled_) {
    auto group = history_->next();
    if (!group) return group.error();
    if (!*group) {
      const bool all = std::all_of(shelves_.begin(), shelves_.end(), [this](const auto& progress) {
        return !progress || complete(*progress);
      });
      if (all) break;
      if (base::monotonic_us() > deadline_us) {
        return Error(ErrorClass::kCorrupt, "the journal in " + shared_.journal_dir +
                                               " ends before what was written to it");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    for (const journal::Record& record : (*group)->records) {
      const auto& progress = shelves_[shelves::shelf_of(record.item, shared_.shelves)];
      if (progress) add(*progress, record);
    }
    if (pending_bytes_ > kPendingBytes) send_all();
  }
  for (const auto& progress : shelves_) {
    if (progress) send(*progress, progress->target.upto);
  }
  return {};
}

// Read up to its last batch; what retired items left out of the snapshot counts as read.
bool Replay::complete(const Progress& progress) const {
  const uint64_t covered = history_->shelf(progress.target.shelf).last_lane_sequence;
  return std::max(progress.last_lane_sequence, covered) >= progress.target.upto;
}

// 8 bytes each, as scripts/orphan.lua has them.
std::string Replay::created_above(uint32_t shelf, uint64_t lane_sequence) const {
  std::string born;
  for (const auto& [sequence, id] : shelves_[shelf]->creations) {
    if (sequence > lane_sequence) born.append(reinterpret_cast<const char*>(&id), sizeof id);
  }
  return born;
}

// Chunks end between batches: the script skips a batch that is at or below the lane sequence.
void Replay::add(Progress& progress, const journal::Record& record) {
  const bool next_batch = record.lane_sequence != progress.last_lane_sequence;
  if (next_batch && progress.chunk.bytes() > kChunkBytes)
    send(progress, progress.last_lane_sequence);
  const size_t before = progress.chunk.bytes();
  progress.chunk.add(record);
  if (record.type == journal::RecordType::kCreate)
    progress.creations.emplace_back(record.lane_sequence, record.born);
  pending_bytes_ += progress.chunk.bytes() - before;
  progress.last_lane_sequence = record.lane_sequence;
  ++records_;
}

// Only between groups: a batch never spans two frames, so all chunks end with a whole batch.
void Replay::send_all() {
  for (const auto& progress : shelves_) {
    if (progress && !progress->chunk.empty()) send(*progress, progress->last_lane_sequence);
  }
}

void Replay::send(Progress& progress, uint64_t upto) {
  const Target& target = progress.target;
  pending_bytes_ -= progress.chunk.bytes();
  ReplayChunk::Arguments arguments = progress.chunk.take();
  // Records that belong to chunks which were sent may be missing in those to come.
  progress.condensed |= history_->shelf(target.shelf).condensed != target.complete_from;
  if (progress.condensed) return;
  room_.acquire();
  if (*cancelled_) return room_.release();  // the caller goes on to its next shelf
  std::vector<std::string> words{"EVALSHA", shared_.scripts.replay.sha,
                                 std::to_string(2 + arguments.items.size()),
                                 shelves::shelf_key(target.shelf),
                                 shelves::receipts_key(target.shelf, shared_.lane)};
  for (const std::string& item : arguments.items) {
    words.push_back(shelves::buyers_key(target.shelf, item));
  }
  words.insert(words.end(),
               {shared_.lane, shared_.writer(target.epoch), std::to_string(progress.sent),
                std::to_string(upto), std::move(arguments.names), std::move(arguments.records),
                target.without_orphans ? "orphans" : ""});
  progress.sent = upto;
  inbox_.push([this, cancelled = cancelled_, outcomes = outcomes_, words = std::move(words),
               shelf = target.shelf] {
    if (*cancelled || !redis_.connected()) return;
    // A script that was lost meanwhile (NOSCRIPT) is refused like anything else, and all begins
    // anew: chunks must not overtake each other.
    redis_.call(std::vector<std::string_view>(words.begin(), words.end()),
                [this, cancelled, outcomes, shelf](const auto& reply) {
                  if (!reply || *cancelled) return;
                  base::failpoint(base::Failpoint::kReplayChunk);
                  answered(shelf, *outcomes, reply->text(), reply->is_error());
                  room_.release();
                });
  });
}

// The first word of a shelf that is not "OK" counts: what comes behind it finds a gap.
void Replay::answered(uint32_t shelf, Outcomes& outcomes, std::string_view answer, bool is_error) {
  Outcome& outcome = outcomes[shelf];
  const bool is_first =
      outcome.error.empty() && outcome.edited.empty() && outcome.waits_for.empty();
  if (!is_first || answer.starts_with("OK")) return;
  std::string_view rest = answer;
  const std::string_view word = take_until(rest, ' ');
  if (word == "GAP") return;  // it was flushed again: the gate will see
  if (is_error || (word != "WAITS" && word != "EDITED")) {
    outcome.error = answer;
  } else if (word == "EDITED") {
    outcome.edited = rest;
  } else {
    outcome.waits_for = rest;
  }
}

}  // namespace sluice::proxy::sale
