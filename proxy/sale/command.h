// SECKILL commands: the table of names, and the checks that turn arguments into an Operation.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "proxy/sale/operation.h"

namespace sluice::proxy::sale {

enum class CommandKind {
  kBuy,
  kPay,
  kCancel,
  kOrder,
  kWaitDb,
  kStock,
  kRestock,
  kCreate,
  kChange,
  kClose,
  kReopen,
  kDelete,  // become an Operation
  kList,
  kFlush,
  kPause,
  kResume,
  kStatus,
  kSlowLog,
  kHelp,  // operator's verbs
};

struct CommandSpec {
  std::string_view name;  // lower case, with the dot: "seckill.buy"
  CommandKind kind;
  int arity_min;            // arguments, the name included
  int arity_max;            // -1: no limit
  bool writes;              // changes something; for COMMAND INFO's flags
  std::string_view syntax;  // what HELP shows behind the name
  std::string_view summary;

  // As COMMAND INFO counts: exact, or at least the absolute value.
  constexpr int arity() const { return arity_min == arity_max ? arity_min : -arity_min; }
};

// The whole family, in the order HELP shows it.
std::span<const CommandSpec> command_specs();

// The command of this name, in any case, with or without the dot; nullptr if there is none.
const CommandSpec* find_command(std::string_view name);

// Arguments of an item's command → Operation without its reply part. The error's message is the
// text behind "-ERR ": it names the argument and its limit.
Result<Operation> parse_operation(const CommandSpec& spec, std::span<const std::string_view> args);

// The arguments of a SECKILL.BUY that parse_operation() takes, in place: views into `args`. Nothing
// for one that it refuses. Allocates nothing.
struct PurchaseArgs {
  std::string_view item, user;
  std::string_view request;  // "": none
  int64_t quantity = 1;
  std::span<const std::string_view> fields;  // name, value, name, value, ...
};
std::optional<PurchaseArgs> parse_purchase(std::span<const std::string_view> args);

// The operation that it asks for, without its reply part.
Operation to_operation(const PurchaseArgs& purchase);

// Whether a command of the family is SECKILL.BUY.
bool is_purchase(std::string_view name);

// "-ERR wrong number of arguments for 'seckill.buy' command", or fine.
Status check_arity(const CommandSpec& spec, size_t args);

}  // namespace sluice::proxy::sale
