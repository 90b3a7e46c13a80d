// The records of one transaction of one writer, with their bytes.
//
// The flush loop fills it from journal groups (whose views do not last), hands it to the writer's
// queue and never touches it again.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>
#include <vector>

#include "journal/record.h"

namespace sluice::flusher {

// Records that go into MySQL in one transaction: a batch, or a part of one.
struct Part {
  std::span<const journal::Record> records;  // in journal order
  uint64_t end = 0;          // after the commit every record of this writer below it is in MySQL
  uint64_t fingerprint = 0;  // of the journal, of all records below `end`
};

class Batch {
 public:
  // Copies what the record's views point to.
  void add(const journal::Record& record);

  // In journal order.
  const std::vector<journal::Record>& records() const { return records_; }
  size_t bytes() const { return bytes_; }
  // At most `count` of the records from the `begin`-th on.
  Part part(size_t begin, size_t count) const;

  // As a part's, of all of it.
  uint64_t end = 0;
  uint64_t fingerprint = 0;

 private:
  std::string_view keep(std::string_view text);

  std::pmr::monotonic_buffer_resource arena_{16 * 1024};
  std::vector<journal::Record> records_;
  size_t bytes_ = 0;
};

}  // namespace sluice::flusher
