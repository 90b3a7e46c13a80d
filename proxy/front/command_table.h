// What the proxy must know about a command before it may go to Redis on the shared connection: the
// one table that decides. Whatever is not in it answers with exactly one reply, leaves no state on
// the connection, does not block, and is forwarded.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::proxy::front {

enum class CommandKind : uint8_t {
  kForward,      // everything that is not in the table
  kSale,         // SECKILL.*: to the purchase flow
  // About the client's connection to the proxy: answered here.
  kHello, kClient, kSelect, kAuth, kAcl, kReset, kQuit,
  // Redis's reply with the proxy's part added.
  kCommand, kInfo, kConfig,
  // Tie the client to a connection of its own.
  kMulti, kExec, kDiscard, kWatch, kUnwatch,
  kBlocking,       // for as long as the command runs
  kBlockingIfArg,  // the same, if BLOCK is among its arguments
  kWait,           // the same, and it counts the writes made before it
  kAlone,          // its reply may be out of the ordinary
  kSubscribe, kUnsubscribe, kMonitor,
  kReplica,        // turns the connection into a stream that never ends
  kReplConf,       // prepares that
  kEval, kEvalSha, // the body is remembered; is made sure to be loaded
  kScript,         // tied if its subcommand is KILL or DEBUG
  kUnclear,        // a zero byte in its name: refused, since Redis may take it for another one
  kHttp,           // a web browser was tricked into talking to us
};

// `name` in any case.
CommandKind classify(std::string_view name);

std::string_view describe(CommandKind kind);  // for sluice_commands_total{kind}

}  // namespace sluice::proxy::front
