#include "proxy/sale/refusals.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace sluice::proxy::sale {
namespace {

struct Row {
  std::string_view code;  // the first word of the error
  RefusalKind kind;
};
constexpr Row kRows[] = {
    {"LOADING", RefusalKind::kElsewhere},    {"READONLY", RefusalKind::kElsewhere},
    {"MASTERDOWN", RefusalKind::kElsewhere}, {"CLUSTERDOWN", RefusalKind::kElsewhere},
    {"TRYAGAIN", RefusalKind::kElsewhere},   {"MOVED", RefusalKind::kElsewhere},
    {"ASK", RefusalKind::kElsewhere},        {"OOM", RefusalKind::kPasses},
    {"MISCONF", RefusalKind::kPasses},       {"NOREPLICAS", RefusalKind::kPasses},
    {"BUSY", RefusalKind::kPasses},          {"NOSCRIPT", RefusalKind::kPasses},
    {"NOPERM", RefusalKind::kOperator},      {"NOAUTH", RefusalKind::kOperator},
    {"WRONGPASS", RefusalKind::kOperator},
};

// Of an error that a script has met Redis appends where: no concern of a client's, and in the log
// it would make one cause look like many.
std::string_view without_place(std::string_view error) {
  return error.substr(0, error.find(" script: "));
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find_first_of("\r\n")));
}

std::string cause_of(std::string_view error) { return first_line(without_place(error)); }

}  // namespace

RefusalKind kind_of_refusal(std::string_view error) {
  const std::string_view code = error.substr(0, error.find(' '));
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [code](const Row& each) { return each.code == code; });
  if (row != std::end(kRows)) return row->kind;
  // EVALSHA was renamed or disabled; the words differ between servers, the beginning does not.
  if (error.starts_with("ERR unknown command")) return RefusalKind::kOperator;
  return RefusalKind::kEdited;
}

RefusalReply refusal_reply(std::string_view error) {
  const bool passes = kind_of_refusal(error) == RefusalKind::kPasses;
  return {passes ? "BUSY" : "LOADING",
          "Redis refuses: " + cause_of(error)};
}

void RefusalLog::met(std::string_view where, std::string_view error, int64_t now_us) {
  std::string text = cause_of(error);
  const auto [entry, is_new] = causes_.try_emplace(std::move(text));
  Cause& cause = entry->second;
  cause.places.try_emplace(std::string(where), now_us);
  if (is_new) cause.since_us = now_us;
  if (!is_new && now_us - cause.logged_us < kLogEveryUs) return;
  cause.logged_us = now_us;
  spdlog::error("{}: Redis refuses: {}{}; purchases are refused until it does not", where,
                entry->first,
                is_new ? "" : " (for " + std::to_string((now_us - cause.since_us) / 1'000'000) +
                                  " s, in " + std::to_string(cause.places.size()) + " places)");
}

void RefusalLog::over(std::string_view where, int64_t now_us) {
  for (auto cause = causes_.begin(); cause != causes_.end();) {
    const auto place = cause->second.places.find(where);
    if (place != cause->second.places.end()) cause->second.places.erase(place);
    if (!cause->second.places.empty()) {
      ++cause;
      continue;
    }
    spdlog::info("Redis does not refuse any more, after {} s: {}",
                 (now_us - cause->second.since_us) / 1'000'000, cause->first);
    cause = causes_.erase(cause);
  }
}

std::string RefusalLog::text() const {
  const auto oldest =
      std::min_element(causes_.begin(), causes_.end(), [](const auto& one, const auto& other) {
        return one.second.since_us < other.second.since_us;
      });
  if (oldest == causes_.end()) return "";
  return oldest->second.places.begin()->first + ": Redis refuses: " + oldest->first;
}

}  // namespace sluice::proxy::sale
