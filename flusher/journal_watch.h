// The journal as the flush loop sees it: how much is there, how old, and reading it on.
//
// Reads nothing while the flusher holds, except the first group that is not in MySQL yet: its first
// record tells the age of the backlog. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/file.h"
#include "journal/reader.h"

namespace sluice::flusher {

class JournalWatch {
 public:
  JournalWatch(std::string dir, base::FileSystem& fs)
      : dir_(std::move(dir)), fs_(fs), probe_(dir_, fs) {}

  // kNotFound: there is no journal yet.
  Result<journal::JournalExtent> extent() { return probe_.read(); }
  // Reading begins at `sequence`.
  Status open(uint64_t sequence);

  // The records that are read but not consumed; empty: nothing more for now. Valid until consume()
  // has taken them all.
  Result<std::span<const journal::Record>> peek();
  void consume(size_t records);
  // The sequence of the next record to come out of peek().
  uint64_t next_sequence() const { return next_sequence_; }

 private:
  const std::string dir_;
  base::FileSystem& fs_;
  journal::ExtentProbe probe_;
  std::unique_ptr<journal::Reader> reader_;
  std::optional<journal::Group> group_;
  size_t consumed_ = 0;  // of group_
  uint64_t next_sequence_ = 1;
};

}  // namespace sluice::flusher
