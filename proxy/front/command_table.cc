#include "proxy/front/command_table.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "proxy/sale/purchase_flow.h"
#include "resp/names.h"

namespace sluice::proxy::front {
namespace {

struct Entry {
  std::string_view name;  // lower case
  CommandKind kind = CommandKind::kForward;
};

constexpr Entry kCommands[] = {
    {"hello", CommandKind::kHello},
    {"client", CommandKind::kClient},
    {"select", CommandKind::kSelect},
    {"auth", CommandKind::kAuth},
    {"acl", CommandKind::kAcl},
    {"reset", CommandKind::kReset},
    {"quit", CommandKind::kQuit},
    {"command", CommandKind::kCommand},
    {"info", CommandKind::kInfo},
    {"config", CommandKind::kConfig},
    {"multi", CommandKind::kMulti},
    {"exec", CommandKind::kExec},
    {"discard", CommandKind::kDiscard},
    {"watch", CommandKind::kWatch},
    {"unwatch", CommandKind::kUnwatch},
    {"blpop", CommandKind::kBlocking},
    {"brpop", CommandKind::kBlocking},
    {"brpoplpush", CommandKind::kBlocking},
    {"blmove", CommandKind::kBlocking},
    {"blmpop", CommandKind::kBlocking},
    {"bzpopmin", CommandKind::kBlocking},
    {"bzpopmax", CommandKind::kBlocking},
    {"bzmpop", CommandKind::kBlocking},
    {"xread", CommandKind::kBlockingIfArg},
    {"xreadgroup", CommandKind::kBlockingIfArg},
    {"wait", CommandKind::kWait},
    {"waitaof", CommandKind::kWait},
    {"debug", CommandKind::kAlone},
    {"shutdown", CommandKind::kAlone},
    {"subscribe", CommandKind::kSubscribe},
    {"psubscribe", CommandKind::kSubscribe},
    {"ssubscribe", CommandKind::kSubscribe},
    {"unsubscribe", CommandKind::kUnsubscribe},
    {"punsubscribe", CommandKind::kUnsubscribe},
    {"sunsubscribe", CommandKind::kUnsubscribe},
    {"monitor", CommandKind::kMonitor},
    {"sync", CommandKind::kReplica},
    {"psync", CommandKind::kReplica},
    {"replconf", CommandKind::kReplConf},
    {"eval", CommandKind::kEval},
    {"eval_ro", CommandKind::kEval},
    {"evalsha", CommandKind::kEvalSha},
    {"evalsha_ro", CommandKind::kEvalSha},
    {"script", CommandKind::kScript},
    {"function", CommandKind::kScript},
    {"post", CommandKind::kHttp},
    {"host:", CommandKind::kHttp},
};

constexpr size_t kSlots = 256;
constexpr size_t kNameMax = 12;  // the longest name above

// Spreads the names above over the slots with chains of at most a few.
constexpr size_t slot_of(std::string_view name) {
  const auto byte = [&](size_t i) { return static_cast<size_t>(resp::lower(name[i])); };
  return (name.size() * 67 + byte(0) * 7 + byte(name.size() / 2) * 31 + byte(name.size() - 1)) %
         kSlots;
}

constexpr std::array<Entry, kSlots> make_table() {
  std::array<Entry, kSlots> table{};
  for (const Entry& entry : kCommands) {
    size_t slot = slot_of(entry.name);
    while (!table[slot].name.empty()) slot = (slot + 1) % kSlots;
    table[slot] = entry;
  }
  return table;
}

constexpr std::array<Entry, kSlots> kTable = make_table();

}  // namespace

CommandKind classify(std::string_view name) {
  if (name.empty()) return CommandKind::kForward;
  // Redis finds commands by a hash of all bytes and then compares C strings, so that one in a few
  // hundred names "multi\0…" is MULTI.
  if (std::find(name.begin(), name.end(), '\0') != name.end()) return CommandKind::kUnclear;
  // A verb of the family that does not exist is Redis's to refuse, in Redis's words.
  if (resp::lower(name[0]) == 's' && sale::is_sale_command(name)) return CommandKind::kSale;
  if (name.size() > kNameMax) return CommandKind::kForward;
  for (size_t slot = slot_of(name); !kTable[slot].name.empty(); slot = (slot + 1) % kSlots) {
    if (resp::equals_ignoring_case(kTable[slot].name, name)) return kTable[slot].kind;
  }
  return CommandKind::kForward;
}

std::string_view describe(CommandKind kind) {
  switch (kind) {
    case CommandKind::kForward: return "forwarded";
    case CommandKind::kSale: return "sale";
    case CommandKind::kHello: case CommandKind::kClient: case CommandKind::kSelect:
    case CommandKind::kAuth: case CommandKind::kAcl: case CommandKind::kReset:
    case CommandKind::kQuit:
      return "connection";
    case CommandKind::kCommand: case CommandKind::kInfo: case CommandKind::kConfig:
      return "server";
    case CommandKind::kEval: case CommandKind::kEvalSha: case CommandKind::kScript:
      return "script";
    case CommandKind::kUnclear: case CommandKind::kHttp: return "refused";
    default: return "tied";
  }
}

}  // namespace sluice::proxy::front
