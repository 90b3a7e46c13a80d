// Counts by name, for a handful of names: outcomes and error prefixes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::bench {

class Tally {
 public:
  using Entry = std::pair<std::string, uint64_t>;

  void add(std::string_view name, uint64_t n = 1) {
    total_ += n;
    for (Entry& entry : entries_) {
      if (entry.first == name) {
        entry.second += n;
        return;
      }
    }
    entries_.emplace_back(name, n);
  }
  uint64_t total() const { return total_; }
  uint64_t count(std::string_view name) const {
    for (const Entry& entry : entries_) {
      if (entry.first == name) return entry.second;
    }
    return 0;
  }
  const std::vector<Entry>& entries() const { return entries_; }  // in order of appearance

 private:
  std::vector<Entry> entries_;
  uint64_t total_ = 0;
};

}  // namespace sluice::bench
