// The Lua scripts of the sale (scripts/), as they are compiled in, and how one is called: by its
// SHA1, and with its text if Redis has lost it (SCRIPT FLUSH, a new replica).
#pragma once

#include <string>
#include <vector>

#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

struct Script {
  std::string text;
  std::string sha;
};
struct Scripts {
  Script purchase, gate, replay, receipts, beat;
};
Scripts load_scripts();

// `words`: the number of keys, the keys, the arguments. Only while the client is connected.
void eval_script(upstream::RedisClient& redis, const Script& script, std::vector<std::string> words,
                 upstream::RedisClient::Handler handler);

}  // namespace sluice::proxy::sale
