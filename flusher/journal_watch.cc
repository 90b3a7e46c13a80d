#include "flusher/journal_watch.h"

namespace sluice::flusher {

Status JournalWatch::open(uint64_t sequence) {
  group_.reset();
  consumed_ = 0;
  next_sequence_ = sequence;
  reader_.reset();
  auto reader = journal::Reader::open(dir_, fs_, sequence);
  if (!reader) return reader.error();
  reader_ = std::move(*reader);
  return {};
}

Result<std::span<const journal::Record>> JournalWatch::peek() {
  // A failed open() is made good here.
  if (!reader_) SLUICE_TRY(open(next_sequence_));
  while (!group_ || consumed_ == group_->records.size()) {
    if (group_) next_sequence_ = group_->end_sequence;
    group_.reset();
    consumed_ = 0;
    auto read = reader_->next();
    if (!read) return read.error();
    if (!*read) return std::span<const journal::Record>();
    group_ = std::move(**read);
  }
  return std::span<const journal::Record>(group_->records).subspan(consumed_);
}

void JournalWatch::consume(size_t records) {
  if (records == 0) return;
  consumed_ += records;
  next_sequence_ = group_->records[consumed_ - 1].sequence + 1;
}

}  // namespace sluice::flusher
