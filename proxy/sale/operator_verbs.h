// The operators' verbs of the SECKILL family: what they ask is of the sale as a whole, of Redis's
// index or of the flusher, and goes through no batch. Also what STATUS and INFO tell.
//
// One a sale. operate() is called on an I/O thread; what the flusher answers comes back to that
// thread by its inbox.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/sale/command.h"
#include "proxy/sale/flusher_port.h"
#include "proxy/sale/reply_sink.h"
#include "proxy/sale/shared.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class OperatorVerbs {
 public:
  // The connection for purchases of an I/O thread.
  using RedisOf = std::function<upstream::RedisClient&(size_t thread)>;

  // All that is given by reference outlives it; `ready`: whether every gate is open, any thread.
  OperatorVerbs(std::vector<std::unique_ptr<upstream::Inbox>>& inboxes, Shared& shared,
                FlusherPort& flusher, RedisOf redis, std::function<bool()> ready);

  // A verb from CommandKind::kList on. Exactly one deliver() follows.
  void operate(const CommandSpec& spec, std::span<const std::string_view> args, size_t thread,
               std::shared_ptr<ReplySink> sink, uint64_t token);

  // Name and value pairs of STATUS, INFO and the admin listener; any thread.
  std::vector<std::pair<std::string, std::string>> status() const;
  // The lines of INFO's "# Sluice" section, CRLF terminated. Any thread.
  std::string info_section() const;

 private:
  void list(std::span<const std::string_view> args, size_t thread, std::shared_ptr<ReplySink> sink,
            uint64_t token);
  struct Listing;
  void list_on(const std::shared_ptr<Listing>& listing, size_t thread);
  void flush(std::span<const std::string_view> args, size_t thread, std::shared_ptr<ReplySink> sink,
             uint64_t token);
  std::string waited_reply(int64_t left) const;
  std::string slow_log(std::span<const std::string_view> args);
  void pause_or_resume(bool pause, std::string_view what, size_t thread,
                       std::shared_ptr<ReplySink> sink, uint64_t token);

  std::vector<std::unique_ptr<upstream::Inbox>>& inboxes_;
  Shared& shared_;
  FlusherPort& flusher_;
  const RedisOf redis_;
  const std::function<bool()> ready_;
  const int64_t started_us_;
};

}  // namespace sluice::proxy::sale
