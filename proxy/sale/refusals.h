// What Redis refuses a script call with: told apart once, for clients, for the log and for what the
// shelf does next.
//
//   a call is refused ─► kind_of() ─► the batch goes back, the shelf moves on ─► RefusalLog::met()
//   a call is answered ───────────────────────────────────────────────────────► RefusalLog::over()
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace sluice::proxy::sale {

enum class RefusalKind {
  kElsewhere,  // it is loading, a replica, the slot is another node's: connect anew
  kPasses,     // memory or disk is full, too few replicas, a script runs: ask again
  kOperator,   // a permission, a password, a command that was renamed: ask again, and say so
  kEdited,     // a key of another type, or anything that no script of ours answers
};
RefusalKind kind_of_refusal(std::string_view error);

// What a client is told: the prefix of the error reply, and its message with Redis's own words.
// Nothing has happened, whatever the kind: the scripts check all before they write.
struct RefusalReply {
  std::string_view prefix;  // "BUSY" or "LOADING"
  std::string message;
};
RefusalReply refusal_reply(std::string_view error);

// What is refused now, by its cause; tells the log when a cause comes, each minute while it lasts,
// and when it is over. One an owner thread.
class RefusalLog {
 public:
  // `where`: what was refused, "shelf 3 (sluice:{3}:shelf)"; times are monotonic.
  void met(std::string_view where, std::string_view error, int64_t now_us);
  // Of this place nothing is refused any more.
  void over(std::string_view where, int64_t now_us);
  void clear() { causes_.clear(); }

  bool any() const { return !causes_.empty(); }
  // For readyz: the cause that has lasted longest, and where; "" if there is none.
  std::string text() const;

 private:
  struct Cause {
    std::map<std::string, int64_t, std::less<>> places;  // since when
    int64_t since_us = 0;
    int64_t logged_us = 0;
  };
  static constexpr int64_t kLogEveryUs = 60'000'000;

  std::map<std::string, Cause, std::less<>> causes_;  // by Redis's words
};

}  // namespace sluice::proxy::sale
