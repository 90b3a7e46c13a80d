#include "bench/diy_workload.h"

#include <unistd.h>

#include "bench/control.h"
#include "bench/item_names.h"

namespace sluice::bench {
namespace {

constexpr char kMark = '#';
constexpr int kFreeTries = 1'000;
constexpr useconds_t kFreePollUs = 5'000;
constexpr std::string_view kUser = "u#########";
constexpr std::string_view kRequest = "r#########-####";

// KEYS: stock, buyers, orders. ARGV: user, quantity, limit, REQ. A limit of one is settled by one
// HSETNX, the cheapest check there is; every check comes before the first write, so nothing has to
// be undone. Arguments stay strings where they can: Redis formats a Lua number with printf.
constexpr std::string_view kScriptHead = R"lua(
local call = redis.call
local stock = call('GET', KEYS[1])
if not stock then return {'NOITEM'} end
if tonumber(stock) < tonumber(ARGV[2]) then return {'SOLDOUT', stock} end
)lua";
constexpr std::string_view kScriptLimitOne = R"lua(
if call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 0 then return {'LIMIT', 1} end
)lua";
constexpr std::string_view kScriptLimitMany = R"lua(
local bought = tonumber(call('HGET', KEYS[2], ARGV[1]) or '0')
if bought + tonumber(ARGV[2]) > tonumber(ARGV[3]) then return {'LIMIT', bought} end
call('HINCRBY', KEYS[2], ARGV[1], ARGV[2])
)lua";
constexpr std::string_view kScriptStream = R"lua(
local left = call('DECRBY', KEYS[1], ARGV[2])
return {'OK', call('XADD', KEYS[3], '*', 'user', ARGV[1], 'qty', ARGV[2], 'req', ARGV[4]), left}
)lua";
constexpr std::string_view kScriptNoStream = R"lua(
return {'OK', '', call('DECRBY', KEYS[1], ARGV[2])}
)lua";

std::string script_for(const DiyOptions& options) {
  std::string script(kScriptHead);
  script += options.limit == 1 ? kScriptLimitOne : kScriptLimitMany;
  script += options.stream ? kScriptStream : kScriptNoStream;
  return script;
}

std::string key(const std::string& item, std::string_view name) {
  return "diy:{" + item + "}:" + std::string(name);
}

}  // namespace

Result<std::unique_ptr<DiyWorkload>> DiyWorkload::create(const DiyOptions& options) {
  auto control = Control::connect(options.address);
  if (!control) return control.error();
  const auto sha = control->command({"SCRIPT", "LOAD", script_for(options)});
  if (!sha) return sha.error();
  std::string commands;
  const std::vector<std::string> items = item_names(options.item, options.items);
  for (const std::string& item : items) {
    append_command(commands, "SET", key(item, "stock"), std::to_string(options.stock));
  }
  SLUICE_TRY(control->pipeline(commands, items.size()));
  std::unique_ptr<DiyWorkload> workload(new DiyWorkload(options));
  std::string encoded;
  const std::string item = item_pattern(options.item, options.items, kMark);
  const std::string stock = key(item, "stock"), buyers = key(item, "buyers");
  const std::string limit = std::to_string(options.limit);
  if (options.stream) {
    append_command(encoded, "EVALSHA", sha->text, "3", stock, buyers, key(item, "orders"), kUser,
                   "1", limit, kRequest);
  } else {
    append_command(encoded, "EVALSHA", sha->text, "2", stock, buyers, kUser, "1", limit);
  }
  workload->request_ = RequestTemplate(std::move(encoded), kMark);
  return workload;
}

void DiyWorkload::append_request(uint64_t index, std::string& out) {
  const Ask ask = buyers_.ask(index);
  if (options_.items == 1) return request_.append_to(out, {ask.buyer, ask.buyer, ask.purchase});
  const uint64_t item = zipf_.at(index);
  if (options_.stream) {
    request_.append_to(out, {item, item, item, ask.buyer, ask.buyer, ask.purchase});
  } else {
    request_.append_to(out, {item, item, ask.buyer});
  }
}

Outcome DiyWorkload::judge(uint64_t, std::string_view reply) { return outcome_of(reply); }

Status DiyWorkload::clean_up() {
  auto control = Control::connect(options_.address);
  if (!control) return control.error();
  std::string commands;
  const std::vector<std::string> items = item_names(options_.item, options_.items);
  for (const std::string& item : items) {
    append_command(commands, "UNLINK", key(item, "stock"), key(item, "buyers"),
                   key(item, "orders"));
  }
  SLUICE_TRY(control->pipeline(commands, items.size()));
  // Freed by a thread of Redis, which would otherwise burden the next run.
  for (int tries = 0; tries < kFreeTries; ++tries) {
    const auto info = control->command({"INFO", "memory"});
    if (!info) return info.error();
    if (info_field(info->text, "lazyfree_pending_objects") == "0") break;
    ::usleep(kFreePollUs);
  }
  return {};
}

}  // namespace sluice::bench
