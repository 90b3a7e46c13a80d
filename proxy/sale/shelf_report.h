// How the shelves of a proxy stand, for people.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace sluice::proxy::sale {

struct ShelfReport {
  static constexpr size_t kReasonsMax = 16;

  size_t open = 0;                        // sell, or are asked for while they do
  size_t asleep = 0;                      // there is no sale yet
  size_t waiting = 0;                     // for other proxies
  size_t replaying = 0;                   // Redis lacks what this proxy has sold
  size_t unable = 0;                      // Redis refuses, or contradicts the journal
  size_t shut = 0;                        // no connection, or about to be asked for
  std::map<std::string, size_t> reasons;  // of those that do not sell: how many have it

  void note_reason(const std::string& why) {
    if (reasons.size() < kReasonsMax || reasons.contains(why)) ++reasons[why];
  }
  void add(const ShelfReport& other) {
    open += other.open, asleep += other.asleep, waiting += other.waiting;
    replaying += other.replaying, unable += other.unable, shut += other.shut;
    for (const auto& [why, shelves] : other.reasons) {
      if (reasons.size() < kReasonsMax || reasons.contains(why)) reasons[why] += shelves;
    }
  }
};

}  // namespace sluice::proxy::sale
