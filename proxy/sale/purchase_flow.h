// The purchase, from a parsed SECKILL command to its reply, in one straight line.
//
// front/session calls execute() for every command of the SECKILL family, on its own I/O thread,
// unless answer_at_once() has had the answer.
// The flow validates, hands the purchase to its shelf's owner thread, where the coalescer gathers a
// batch for the purchase script; verdicts come back, accepted ones go to the journal, and the reply
// returns to the session's thread once the journal lets it be told.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "proxy/sale/reply_sink.h"

namespace sluice::proxy::sale {

class PurchaseFlow {
 public:
  virtual ~PurchaseFlow() = default;

  // The reply to a command that can be answered on the spot: a purchase of what is known to be sold
  // out. Empty: execute() it. Valid until the next call on this thread; else as for execute().
  virtual std::string_view answer_at_once(std::span<const std::string_view> /*args*/,
                                          size_t /*thread*/) {
    return {};
  }

  // `args[0]` is the command name, in any case, with or without the dot; views are valid during
  // the call only. `thread` is the index of the calling I/O thread. Exactly one deliver() follows.
  virtual void execute(std::span<const std::string_view> args, size_t thread,
                       std::shared_ptr<ReplySink> sink, uint64_t token) = 0;

  // The lines of INFO's "# Sluice" section, CRLF terminated. Any thread.
  virtual std::string info_section() const = 0;
};

// True for "SECKILL.BUY", "seckillbuy", …: what session must send to execute().
bool is_sale_command(std::string_view name);

}  // namespace sluice::proxy::sale
