// In which of five states a proxy and its drain are, and why: what an operator reads first.
//
//   DEGRADED   something is wrong: nothing is sold, or nothing can go into MySQL, or worse
//   PAUSED     by an operator: the intake, or the drain
//   DRAINING   rows go into MySQL
//   HOLDING    rows wait for a trigger, and nobody buys
//   ABSORBING  purchases are taken, or would be; all that is not drained yet is meant to wait
//
// The first of them that holds, in this order. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::proxy::monitor {

struct Situation {
  std::string obstacle;  // what keeps it from selling, other than a pause; "": nothing
  bool intake_paused = false;
  double accepted_per_s = 0;
  double busy_per_s = 0;      // purchases that were refused with -BUSY
  uint64_t oversold = 0;      // purchases that were accepted beyond the stock
  std::string oversold_item;  // an item of which more was sold than there is; "": none
  bool has_flusher = true;    // flusher.admin is set
  std::string drain_state;    // the flusher's, or why it is not known
  std::string drain_reason;
  std::string drain_trouble;  // in MySQL's words
  int64_t backlog_rows = -1;  // -1: not known
};

struct Banner {
  std::string_view state;
  std::string reason;
};

Banner judge(const Situation& now);

}  // namespace sluice::proxy::monitor
