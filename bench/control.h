// One blocking connection to a Redis or a Sluice, for what surrounds a measurement: creating an
// item, loading a script, reading INFO. Bounded: no call takes longer than 10 s.
#pragma once

#include <hiredis/hiredis.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice::bench {

struct ControlReply {
  std::string text;                   // of a string, status or integer
  std::vector<std::string> elements;  // of an array of such
};

class Control {
 public:
  static Result<Control> connect(const std::string& address);

  // kRefused carries the server's error text, kUnavailable a lost connection.
  Result<ControlReply> command(const std::vector<std::string>& words);
  // Sends encoded requests and reads as many replies; the first error reply is returned.
  Status pipeline(std::string_view encoded, size_t replies);

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  explicit Control(redisContext* context) : context_(context) {}
  Result<ControlReply> read();

  std::unique_ptr<redisContext, Free> context_;
};

// "redis_version" and the like out of an INFO text; empty if absent.
std::string info_field(std::string_view info, std::string_view name);

}  // namespace sluice::bench
