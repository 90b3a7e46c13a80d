#include "proxy/sale/script_call.h"

#include <openssl/sha.h>

#include <memory>
#include <string_view>
#include <utility>

#include "scripts.h"

namespace sluice::proxy::sale {
namespace {

Script make_script(std::initializer_list<std::string_view> parts) {
  Script script;
  for (const std::string_view part : parts) script.text += part;
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(script.text.data()), script.text.size(), digest);
  for (const unsigned char byte : digest) {
    script.sha += "0123456789abcdef"[byte >> 4];
    script.sha += "0123456789abcdef"[byte & 15];
  }
  return script;
}

}  // namespace

Scripts load_scripts() {
  using namespace generated;
  return {make_script({kPackedItemScript, kOperationsScript, kPurchaseScript}),
          make_script({kOrphanScript, kGateScript}),
          make_script({kPackedItemScript, kOrphanScript, kReplayScript}),
          make_script({kReceiptsScript}), make_script({kBeatScript})};
}

void eval_script(upstream::RedisClient& redis, const Script& script, std::vector<std::string> words,
                 upstream::RedisClient::Handler handler) {
  const auto send = [&redis](std::string_view verb, std::string_view name,
                             const std::vector<std::string>& rest,
                             upstream::RedisClient::Handler done) {
    std::vector<std::string_view> args{verb, name};
    args.insert(args.end(), rest.begin(), rest.end());
    redis.call(args, std::move(done));
  };
  const auto kept = std::make_shared<const std::vector<std::string>>(std::move(words));
  send("EVALSHA", script.sha, *kept,
       [send, kept, &script, handler = std::move(handler)](const auto& reply) {
         const bool lost = reply && reply->is_error() && reply->text().starts_with("NOSCRIPT");
         lost ? send("EVAL", script.text, *kept, handler) : handler(reply);
       });
}

}  // namespace sluice::proxy::sale
