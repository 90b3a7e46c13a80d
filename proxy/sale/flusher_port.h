// What the sale asks of the flusher, seen from below: main.cc wires it to the flusher's admin
// listener. Calls return at once; `done` is called later, on any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::proxy::sale {

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
  // One line for STATUS: "draining", "holding", …, or why it is not known. Any thread.
  virtual std::string state() const = 0;
  virtual int64_t backlog_records() const = 0;  // -1: not known
  // What keeps it from draining, in MySQL's words; "": nothing that it told. Any thread.
  virtual std::string trouble() const = 0;
};

}  // namespace sluice::proxy::sale
