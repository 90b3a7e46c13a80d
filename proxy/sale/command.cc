#include "proxy/sale/command.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/units.h"
#include "journal/record.h"
#include "proxy/sale/purchase_flow.h"
#include "resp/names.h"

namespace sluice::proxy::sale {
namespace {

constexpr size_t kNameBytesMax = 64;
constexpr size_t kFieldsMax = 32;
constexpr size_t kFieldValueBytesMax = 1024;
constexpr int64_t kQuantityMax = 2'147'483'647;
constexpr int64_t kTimeMaxMs = 99'999'999'999'999;
constexpr int64_t kHoldMaxMs = 31'536'000'000;  // a year
constexpr int64_t kWaitMaxMs = 3'600'000;

using Kind = CommandKind;
constexpr std::array kSpecs{
    CommandSpec{"seckill.create", Kind::kCreate, 4, 12, true,
                "item STOCK n [LIMIT n] [START unix-ms] [END unix-ms] [HOLD ms]",
                "Creates an item with its stock, limit and time window; an order that is not paid "
                "within HOLD expires."},
    CommandSpec{"seckill.change", Kind::kChange, 4, 10, true,
                "item [LIMIT n] [START unix-ms] [END unix-ms] [HOLD ms]",
                "Changes what an item was created with, also while it sells."},
    CommandSpec{"seckill.restock", Kind::kRestock, 3, 5, true, "item delta [REQ id]",
                "Adds to (or takes from) an item's stock, also while it sells."},
    CommandSpec{"seckill.buy", Kind::kBuy, 3, -1, true,
                "item user [QTY n] [REQ id] [FIELDS k v [k v ...]]",
                "Buys: decided at once, answered when the order is recorded."},
    CommandSpec{"seckill.pay", Kind::kPay, 4, 6, true, "item user order_id [REQ id]",
                "Marks an order as paid: it does not expire any more."},
    CommandSpec{"seckill.cancel", Kind::kCancel, 4, 7, true, "item user order_id [REQ id] [REFUND]",
                "Cancels an order, a paid one only with REFUND; its stock comes back once."},
    CommandSpec{"seckill.order", Kind::kOrder, 4, 5, false, "item user order_id | item user REQ id",
                "Looks an order up by its id or by its request id."},
    CommandSpec{"seckill.waitdb", Kind::kWaitDb, 5, 5, false, "item user order_id ms",
                "Waits until an order is a row in MySQL: OK, or [\"DEADLETTER\", code, text], "
                "[\"TIMEOUT\"]."},
    CommandSpec{"seckill.stock", Kind::kStock, 2, 2, false, "item",
                "Shows an item's settings and counters."},
    CommandSpec{"seckill.list", Kind::kList, 1, 5, false, "[CURSOR c] [COUNT n]",
                "Lists the items, in portions as SCAN does."},
    CommandSpec{"seckill.close", Kind::kClose, 2, 2, true, "item",
                "Closes an item: nobody buys until it is reopened."},
    CommandSpec{"seckill.reopen", Kind::kReopen, 2, 2, true, "item", "Opens a closed item again."},
    CommandSpec{"seckill.delete", Kind::kDelete, 2, 2, true, "item",
                "Deletes an item that is over, once MySQL has all of it."},
    CommandSpec{"seckill.flush", Kind::kFlush, 1, 3, true, "[WAIT ms]",
                "Drains the journal into MySQL now. With WAIT: OK once all are rows, else "
                "[\"DEADLETTERS\", n], [\"BLOCKED\", reason] or [\"TIMEOUT\", records left]."},
    CommandSpec{"seckill.pause", Kind::kPause, 2, 2, true, "INTAKE|FLUSH",
                "Refuses purchases, or holds the drain."},
    CommandSpec{"seckill.resume", Kind::kResume, 2, 2, true, "INTAKE|FLUSH", "Ends PAUSE."},
    CommandSpec{"seckill.status", Kind::kStatus, 1, 1, false, "",
                "Shows the state of proxy, journal and drain."},
    CommandSpec{"seckill.slowlog", Kind::kSlowLog, 2, 3, false, "GET [count] | LEN | RESET",
                "Shows the slowest of the last purchases and other operations."},
    CommandSpec{"seckill.help", Kind::kHelp, 1, 1, false, "", "Shows this list."},
};

constexpr const CommandSpec& kBuySpec = kSpecs[3];
static_assert(kBuySpec.kind == Kind::kBuy);

using base::invalid;

constexpr std::array<bool, 256> kNameBytes = [] {
  std::array<bool, 256> allowed{};
  for (unsigned c = 0; c < 256; ++c) {
    allowed[c] = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                 c == ':' || c == '_' || c == '.' || c == '-';
  }
  return allowed;
}();

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return kNameBytes[static_cast<unsigned char>(c)]; });
}

Status take_name(std::string_view what, std::string_view text, std::string& into) {
  if (!is_name(text)) {
    return invalid(std::string(what) + " must be 1 to 64 bytes of A-Z a-z 0-9 : _ . -");
  }
  into = text;
  return {};
}

bool is_number(std::string_view text, int64_t min, int64_t max, int64_t& into) {
  const auto number = base::parse_integer(text);
  if (!number || text.starts_with('+') || *number < min || *number > max) return false;
  into = *number;
  return true;
}

Status take_number(std::string_view what, std::string_view text, int64_t min, int64_t max,
                   int64_t& into) {
  if (is_number(text, min, max, into)) return {};
  return invalid(std::string(what) + " must be a whole number from " + std::to_string(min) +
                 " to " + std::to_string(max));
}

Status take_order_id(std::string_view text, uint64_t& into) {
  int64_t number = 0;
  if (!take_number("order_id", text, 1, std::numeric_limits<int64_t>::max(), number)) {
    return invalid("order_id must be a number as SECKILL.BUY returned it");
  }
  into = static_cast<uint64_t>(number);
  return {};
}

bool are_fields(std::span<const std::string_view> pairs) {
  if (pairs.empty() || pairs.size() % 2 != 0 || pairs.size() / 2 > kFieldsMax) return false;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    if (!is_name(pairs[i]) || pairs[i + 1].size() > kFieldValueBytesMax) return false;
    for (size_t j = 0; j < i; j += 2) {
      if (pairs[j] == pairs[i]) return false;
    }
  }
  return true;
}

Status take_fields(std::span<const std::string_view> pairs, std::string& fields) {
  if (pairs.empty() || pairs.size() % 2 != 0)
    return invalid("FIELDS must be followed by pairs: k v [k v ...]");
  if (pairs.size() / 2 > kFieldsMax) return invalid("FIELDS takes at most 32 fields");
  for (size_t i = 0; i < pairs.size(); i += 2) {
    std::string name;
    SLUICE_TRY(take_name("a field name", pairs[i], name));
    if (pairs[i + 1].size() > kFieldValueBytesMax) {
      return invalid("the value of field '" + name + "' must be at most 1024 bytes");
    }
    for (size_t j = 0; j < i; j += 2) {
      if (pairs[j] == pairs[i]) return invalid("field '" + name + "' is given twice");
    }
    journal::append_field(fields, name, pairs[i + 1]);
  }
  return {};
}

Status unknown_option(std::string_view option) {
  return invalid("syntax error near '" + std::string(option.substr(0, kNameBytesMax)) +
                 "', see SECKILL.HELP");
}

// LIMIT, START, END and HOLD. False: the option is none of them.
Result<bool> take_setting(std::string_view option, std::string_view value, Operation& op) {
  struct Setting {
    std::string_view name;
    int64_t max;
    int64_t& into;
  };
  for (const Setting& setting :
       {Setting{"LIMIT", kQuantityMax, op.limit}, Setting{"START", kTimeMaxMs, op.start_ms},
        Setting{"END", kTimeMaxMs, op.end_ms}, Setting{"HOLD", kHoldMaxMs, op.hold_ms}}) {
    if (!resp::equals_ignoring_case(option, setting.name)) continue;
    SLUICE_TRY(take_number(setting.name, value, 0, setting.max, setting.into));
    return true;
  }
  return false;
}

// An option NAME value; false: it is none of this command.
Result<bool> take_option(const CommandSpec& spec, std::string_view option, std::string_view value,
                         Operation& op) {
  const bool defines = spec.kind == Kind::kCreate || spec.kind == Kind::kChange;
  if (defines) {
    if (auto taken = take_setting(option, value, op); !taken || *taken) return taken;
  }
  if (!defines && op.request.empty() && resp::equals_ignoring_case(option, "REQ")) {
    SLUICE_TRY(take_name("REQ", value, op.request));
  } else if (spec.kind == Kind::kBuy && resp::equals_ignoring_case(option, "QTY")) {
    SLUICE_TRY(take_number("QTY", value, 1, kQuantityMax, op.quantity));
  } else if (spec.kind == Kind::kCreate && resp::equals_ignoring_case(option, "STOCK")) {
    SLUICE_TRY(take_number("STOCK", value, 1, kQuantityMax, op.quantity));
  } else {
    return false;
  }
  return true;
}

// FIELDS takes the rest of the command; REFUND has no value.
Status take_options(const CommandSpec& spec, std::span<const std::string_view> args,
                    Operation& op) {
  for (size_t i = 0; i < args.size();) {
    const std::string_view option = args[i];
    if (spec.kind == Kind::kBuy && resp::equals_ignoring_case(option, "FIELDS")) {
      return take_fields(args.subspan(i + 1), op.fields);
    }
    if (spec.kind == Kind::kCancel && op.quantity == 0 &&
        resp::equals_ignoring_case(option, "REFUND")) {
      op.quantity = 1;
      ++i;
      continue;
    }
    if (i + 1 == args.size()) return unknown_option(option);
    const auto taken = take_option(spec, option, args[i + 1], op);
    if (!taken) return taken.error();
    if (!*taken) return unknown_option(option);
    i += 2;
  }
  if (spec.kind == Kind::kCreate && op.quantity == 0) return invalid("STOCK is missing");
  if (op.end_ms > 0 && op.end_ms <= op.start_ms) return invalid("END must be later than START");
  return {};
}

Status take_order(const CommandSpec& spec, std::span<const std::string_view> args, Operation& op) {
  SLUICE_TRY(take_name("user", args[2], op.user));
  SLUICE_TRY(take_order_id(args[3], op.order_id));
  if (spec.kind == Kind::kWaitDb) return take_number("ms", args[4], 0, kWaitMaxMs, op.wait_ms);
  return take_options(spec, args.subspan(4), op);
}

}  // namespace

std::span<const CommandSpec> command_specs() { return kSpecs; }

const CommandSpec* find_command(std::string_view name) {
  if (name == "SECKILL.BUY" || name == "seckill.buy") return &kBuySpec;  // nearly always
  constexpr std::string_view prefix = "seckill";
  if (name.size() <= prefix.size() ||
      !resp::equals_ignoring_case(name.substr(0, prefix.size()), prefix)) {
    return nullptr;
  }
  std::string_view verb = name.substr(prefix.size());
  if (verb.front() == '.') verb.remove_prefix(1);
  for (const CommandSpec& spec : kSpecs) {
    if (resp::equals_ignoring_case(spec.name.substr(prefix.size() + 1), verb)) return &spec;
  }
  return nullptr;
}

bool is_sale_command(std::string_view name) { return find_command(name) != nullptr; }

Status check_arity(const CommandSpec& spec, size_t args) {
  if (args >= static_cast<size_t>(spec.arity_min) &&
      (spec.arity_max < 0 || args <= static_cast<size_t>(spec.arity_max))) {
    return {};
  }
  return invalid("wrong number of arguments for '" + std::string(spec.name) + "' command");
}

Result<Operation> parse_operation(const CommandSpec& spec, std::span<const std::string_view> args) {
  Operation op;
  SLUICE_TRY(take_name("item", args[1], op.item));
  switch (spec.kind) {
    case Kind::kBuy:
      op.verb = Verb::kBuy;
      op.quantity = 1;
      SLUICE_TRY(take_name("user", args[2], op.user));
      SLUICE_TRY(take_options(spec, args.subspan(3), op));
      break;
    case Kind::kPay:
      op.verb = Verb::kPay;
      SLUICE_TRY(take_order(spec, args, op));
      break;
    case Kind::kCancel:
      op.verb = Verb::kCancel;
      SLUICE_TRY(take_order(spec, args, op));
      break;
    case Kind::kWaitDb:
      op.verb = Verb::kQuery;
      SLUICE_TRY(take_order(spec, args, op));
      break;
    case Kind::kOrder:
      op.verb = Verb::kQuery;
      SLUICE_TRY(take_name("user", args[2], op.user));
      if (args.size() == 5) {
        SLUICE_TRY(take_options(spec, args.subspan(3), op));
      } else {
        SLUICE_TRY(take_order_id(args[3], op.order_id));
      }
      break;
    case Kind::kRestock:
      op.verb = Verb::kRestock;
      SLUICE_TRY(take_number("delta", args[2], -kQuantityMax, kQuantityMax, op.quantity));
      if (op.quantity == 0) return invalid("delta must not be 0");
      SLUICE_TRY(take_options(spec, args.subspan(3), op));
      break;
    case Kind::kCreate:
      op.verb = Verb::kCreate;
      SLUICE_TRY(take_options(spec, args.subspan(2), op));
      break;
    case Kind::kChange:
      op.verb = Verb::kChange;
      op.limit = op.start_ms = op.end_ms = op.hold_ms = -1;
      SLUICE_TRY(take_options(spec, args.subspan(2), op));
      break;
    case Kind::kStock:
      op.verb = Verb::kStock;
      break;
    case Kind::kClose:
      op.verb = Verb::kClose;
      break;
    case Kind::kReopen:
      op.verb = Verb::kReopen;
      break;
    case Kind::kDelete:
      op.verb = Verb::kDelete;
      break;
    default:
      return invalid("not an item's command");
  }
  return op;
}

// The same rules as in take_options(); command_test.cc compares the two.
std::optional<PurchaseArgs> parse_purchase(std::span<const std::string_view> args) {
  if (args.size() < 3 || !is_name(args[1]) || !is_name(args[2])) return std::nullopt;
  PurchaseArgs purchase{args[1], args[2]};
  for (size_t i = 3; i < args.size(); i += 2) {
    const std::string_view option = args[i];
    if (resp::equals_ignoring_case(option, "FIELDS")) {
      purchase.fields = args.subspan(i + 1);
      if (!are_fields(purchase.fields)) return std::nullopt;
      break;
    }
    if (i + 1 == args.size()) return std::nullopt;
    if (purchase.request.empty() && resp::equals_ignoring_case(option, "REQ")) {
      if (!is_name(args[i + 1])) return std::nullopt;
      purchase.request = args[i + 1];
    } else if (!resp::equals_ignoring_case(option, "QTY") ||
               !is_number(args[i + 1], 1, kQuantityMax, purchase.quantity)) {
      return std::nullopt;
    }
  }
  return purchase;
}

Operation to_operation(const PurchaseArgs& purchase) {
  Operation op{.verb = Verb::kBuy,
               .item = std::string(purchase.item),
               .user = std::string(purchase.user),
               .request = std::string(purchase.request),
               .quantity = purchase.quantity};
  for (size_t i = 0; i < purchase.fields.size(); i += 2)
    journal::append_field(op.fields, purchase.fields[i], purchase.fields[i + 1]);
  return op;
}

bool is_purchase(std::string_view name) {
  return name.size() > 3 && resp::equals_ignoring_case(name.substr(name.size() - 3), "buy");
}

}  // namespace sluice::proxy::sale
