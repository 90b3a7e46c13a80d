// HELLO, AUTH, CLIENT and CONFIG sluice.*: the commands that speak of the client's own connection
// to the proxy, or of the proxy, worded as Redis 7.0 words them. No sockets.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proxy/front/clients.h"
#include "proxy/front/live_config.h"

namespace sluice::proxy::front {

using Args = std::span<const std::string_view>;

struct LocalReply {
  // Where the command is answered.
  enum class Place {
    kHere,      // `bytes` is the reply
    kForward,   // Redis answers, as any other command
    kTied,      // Redis answers, and it leaves state on the connection
    kReplyOn, kReplyOff, kReplySkip,  // CLIENT REPLY
  } place = Place::kHere;
  std::string bytes;
  bool close = false;  // the client killed itself: close after the reply
};

// `redis_version` is what the real server calls itself. Changes client.protocol.
std::string hello(Args args, Client& client, Clients& clients, std::string_view redis_version);
std::string auth(Args args);
LocalReply client_command(Args args, Client& client, Clients& clients);
// CONFIG GET and SET whose every name begins with "sluice."; anything else is for Redis.
LocalReply config_command(Args args, LiveConfig& config, int protocol);

std::string error_line(std::string_view text);        // "-text"
std::string wrong_arity(std::string_view command);  // "-ERR wrong number of arguments for '…' …"

}  // namespace sluice::proxy::front
