#include "proxy/sale/replay.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/failpoint.h"
#include "journal/history.h"

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
      problems_(std::make_shared<std::unordered_map<std::string, std::string>>()) {
  for (Target& target : targets) {
    std::string name = target.item;
    items_[std::move(name)].target = std::move(target);
  }
  thread_ = std::thread([this] { run(); });
}

Replay::~Replay() {
  cancelled_->store(true);
  room_.release(kChunksUnderWay);  // the thread may be waiting for an answer that will not come
  thread_.join();
}

void Replay::run() {
  const Status status = read_journal();
  if (status) send_all();
  // The answers of all chunks come before this in the inbox's and the connection's order; the last
  // of them is known by taking the whole window.
  for (int i = 0; i < kChunksUnderWay && !*cancelled_; ++i) room_.acquire();
  Result result;
  result.status = status;
  result.records = records_;
  inbox_.push([cancelled = cancelled_, this, result]() mutable {
    if (*cancelled) return;
    for (const auto& [name, progress] : items_) {
      const auto problem = problems_->find(name);
      if (problem != problems_->end() && problem->second == "MISSING" && progress.has_creation) {
        result.restored.push_back(name);  // and flushed again meanwhile: the gate will see
      } else if (problem != problems_->end()) {
        result.missing.push_back(*problem);
      } else if (progress.last_lane_sequence < progress.target.upto) {
        result.missing.emplace_back(name, "the journal ends at batch " +
                                              std::to_string(progress.last_lane_sequence) + " of " +
                                              std::to_string(progress.target.upto));
      } else {
        result.restored.push_back(name);
      }
    }
    const auto done = done_;  // it destroys this object
    done(result);
  });
}

Status Replay::read_journal() {
  auto history = journal::History::open(shared_.journal_dir, *shared_.files);
  if (!history) return history.error();
  const int64_t deadline_us = base::monotonic_us() + kTailWaitUs;
  while (!*cancelled_) {
    auto group = (*history)->next();
    if (!group) return group.error();
    if (!*group) {
      if (complete() || base::monotonic_us() > deadline_us) return {};
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    for (const journal::Record& record : (*group)->records) {
      const auto found = items_.find(record.item);
      if (found != items_.end()) add(found->second, record);
    }
    if (pending_bytes_ > kPendingBytes) send_all();
  }
  return {};
}

bool Replay::complete() const {
  return std::all_of(items_.begin(), items_.end(), [](const auto& entry) {
    return entry.second.last_lane_sequence >= entry.second.target.upto;
  });
}

// Chunks end between batches: the script skips a batch that is at or below the lane sequence.
void Replay::add(Progress& progress, const journal::Record& record) {
  const bool next_batch = record.lane_sequence != progress.last_lane_sequence;
  if (next_batch && progress.chunk.bytes() > kChunkBytes) send(progress);
  progress.has_creation |= record.type == journal::RecordType::kCreate;
  const size_t before = progress.chunk.bytes();
  progress.chunk.add(record);
  pending_bytes_ += progress.chunk.bytes() - before;
  progress.last_lane_sequence = record.lane_sequence;
  ++records_;
}

// Only between groups: a batch never spans two frames, so all chunks end with a whole batch.
void Replay::send_all() {
  for (auto& [name, progress] : items_) {
    if (!progress.chunk.empty()) send(progress);
  }
}

void Replay::send(Progress& progress) {
  room_.acquire();
  if (*cancelled_) return room_.release();  // the caller goes on to its next item
  pending_bytes_ -= progress.chunk.bytes();
  inbox_.push([this, cancelled = cancelled_, problems = problems_, payload = progress.chunk.take(),
               target = &progress.target] {
    if (*cancelled || !redis_.connected()) return;
    const auto answered = [this, cancelled, problems, item = target->item](const auto& reply) {
      if (!reply || *cancelled) return;
      base::failpoint(base::Failpoint::kReplayChunk);
      if (!reply->text().starts_with("OK")) problems->emplace(item, reply->text());
      room_.release();
    };
    // A script that was lost meanwhile (NOSCRIPT) is a problem of the server: all begins anew,
    // since chunks must not overtake each other.
    redis_.call({"EVALSHA", shared_.scripts.replay.sha, "3", target->item_key, target->buyers_key,
                 target->receipts_key, shared_.lane, shared_.journal_id, payload},
                answered);
    redis_.call({"SADD", "sluice:items", target->item}, [](const auto&) {});
  });
}

}  // namespace sluice::proxy::sale
