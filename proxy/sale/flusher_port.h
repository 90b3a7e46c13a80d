// What the sale asks of the flusher, seen from below: main.cc wires it to the flusher's admin
// listener. Calls return at once; `done` is called later, on any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::proxy::sale {

// What the flusher told of the drain when it was asked last; -1: it is not known.
struct DrainReport {
  std::string state = "unknown";  // "IDLE", "DRAINING", …, or why it is not known
  std::string reason;             // of the state, for people
  std::string trouble;            // in MySQL's words; "": none
  int64_t backlog_records = -1;
  int64_t backlog_bytes = -1;
  double oldest_age_s = -1;
  int64_t rows_per_s = -1;
  double eta_s = -1;  // until all is drained at this rate

  // What is in the way; "": nothing that it told.
  const std::string& in_the_way() const {
    return trouble.empty() && state == "BLOCKED" ? reason : trouble;
  }
};

class FlusherPort {
 public:
  using Done = std::function<void(const Status&)>;
  // How a FLUSH WAIT ended: the records that were still undrained (0: all is in MySQL).
  using Drained = std::function<void(const Result<int64_t>&)>;

  virtual ~FlusherPort() = default;
  // Whether the order is a row in MySQL.
  using Found = std::function<void(const Result<bool>&)>;
  virtual void find_order(std::string_view item, std::string_view user, uint64_t order_id,
                          Found done) = 0;
  virtual void flush(int64_t wait_ms, Drained done) = 0;
  virtual void pause(Done done) = 0;
  virtual void resume(Done done) = 0;
  // Any thread.
  virtual DrainReport report() const = 0;
};

}  // namespace sluice::proxy::sale
