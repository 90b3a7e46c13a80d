// Calls a script by its SHA1, and with its text if Redis has lost it (SCRIPT FLUSH, a new replica).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/sale/purchase_script.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

// `words`: the number of keys, the keys, the arguments. Only while the client is connected.
inline void eval_script(upstream::RedisClient& redis, const Script& script,
                        std::vector<std::string> words, upstream::RedisClient::Handler handler) {
  const auto send = [&redis](std::string_view verb, std::string_view name,
                             const std::vector<std::string>& rest,
                             upstream::RedisClient::Handler done) {
    std::vector<std::string_view> args{verb, name};
    args.insert(args.end(), rest.begin(), rest.end());
    redis.call(args, std::move(done));
  };
  const auto kept = std::make_shared<const std::vector<std::string>>(std::move(words));
  send("EVALSHA", script.sha, *kept,
       [send, kept, text = script.text, handler = std::move(handler)](const auto& reply) {
         const bool lost = reply && reply->is_error() && reply->text().starts_with("NOSCRIPT");
         lost ? send("EVAL", text, *kept, handler) : handler(reply);
       });
}

}  // namespace sluice::proxy::sale
