#include "proxy/monitor/banner.h"

#include <cmath>
#include <optional>

namespace sluice::proxy::monitor {
namespace {

// "12,345".
std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string waiting(int64_t rows) {
  if (rows < 0) return "how many rows wait for MySQL is not known";
  if (rows == 0) return "nothing waits for MySQL";
  return grouped(rows) + (rows == 1 ? " row waits" : " rows wait") + " for MySQL";
}

std::string rate(double per_s) {
  return per_s > 0 && per_s < 1 ? "fewer than 1" : grouped(std::llround(per_s));
}

// What is wrong; nullopt: nothing that is known.
std::optional<std::string> fault(const Situation& now) {
  if (!now.oversold_item.empty()) return "more was sold of " + now.oversold_item + " than there is";
  if (now.oversold > 0) {
    return std::to_string(now.oversold) +
           " purchases were accepted beyond the stock; run sluice-ctl reconcile";
  }
  if (!now.obstacle.empty()) return "nothing is sold: " + now.obstacle;
  if (now.busy_per_s > 0 && !now.intake_paused) {
    return rate(now.busy_per_s) +
           " purchases/s are refused as BUSY: the journal has no room, or too many are under way";
  }
  if (!now.has_flusher) return std::nullopt;
  const bool knows = now.drain_state == "IDLE" || now.drain_state == "HOLDING" ||
                     now.drain_state == "DRAINING" || now.drain_state == "PACED" ||
                     now.drain_state == "PAUSED" || now.drain_state == "unknown";
  if (!now.drain_trouble.empty()) return "nothing goes into MySQL: " + now.drain_trouble;
  if (now.drain_state == "BLOCKED") return "nothing goes into MySQL: " + now.drain_reason;
  if (now.drain_state == "unreachable")
    return "the flusher does not answer; purchases are taken and kept in the journal";
  if (!knows) return "the flusher reads " + now.drain_state;
  return std::nullopt;
}

}  // namespace

Banner judge(const Situation& now) {
  if (auto wrong = fault(now)) return {"DEGRADED", std::move(*wrong)};
  const std::string wait = waiting(now.backlog_rows);
  if (now.intake_paused) return {"PAUSED", "the intake is paused: purchases are refused; " + wait};
  if (now.drain_state == "PAUSED") return {"PAUSED", "the drain is paused; " + wait};
  if (now.drain_state == "DRAINING" || now.drain_state == "PACED") {
    return {"DRAINING", now.drain_reason + "; " + wait};
  }
  if (now.accepted_per_s > 0) {
    return {"ABSORBING", rate(now.accepted_per_s) + " purchases/s are accepted; " + wait};
  }
  if (now.drain_state == "HOLDING") {
    // The flusher lists every trigger and how far it is: that is for the table below.
    const bool waits_for_trigger = now.drain_reason.starts_with("no trigger fires");
    return {"HOLDING",
            wait + (waits_for_trigger ? " until a trigger fires" : ": " + now.drain_reason)};
  }
  return {"ABSORBING", "ready for purchases; " + wait};
}

}  // namespace sluice::proxy::monitor
