#include "proxy/sale/replies.h"

#include "resp/writer.h"

namespace sluice::proxy::sale {
namespace {

std::string outcome(std::string_view word) {
  std::string out;
  resp::append_array_header(out, 1);
  resp::append_bulk(out, word);
  return out;
}

std::string outcome(std::string_view word, int64_t number) {
  std::string out;
  resp::append_array_header(out, 2);
  resp::append_bulk(out, word);
  resp::append_integer(out, number);
  return out;
}

std::string bought(uint64_t order_id, int64_t remaining, std::string_view durability) {
  std::string out;
  resp::append_array_header(out, 4);
  resp::append_bulk(out, "OK");
  resp::append_bulk(out, std::to_string(order_id));
  resp::append_integer(out, remaining);
  resp::append_bulk(out, durability);
  return out;
}

std::string buy_reply(const Operation& op, const Verdict& verdict, std::string_view durability) {
  const auto& n = verdict.numbers;
  switch (verdict.kind) {
    case 'A':
      return bought(op.order_id, n[0], durability);
    case 'R':
      return bought(static_cast<uint64_t>(n[0]), n[1], durability);
    case 'S':
      return sold_out_reply(n[0]);
    case 'B':
      return outcome("NOTSTARTED", n[0]);
    case 'E':
      return outcome("ENDED", n[0]);
    case 'C':
      return outcome("CLOSED");
    case 'L': {
      std::string out;
      resp::append_array_header(out, 3);
      resp::append_bulk(out, "LIMIT");
      resp::append_integer(out, n[0]);
      resp::append_bulk(out, std::to_string(n[1]));
      return out;
    }
    default:
      return outcome("NOITEM");
  }
}

std::string cancel_reply(const Verdict& verdict) {
  switch (verdict.kind) {
    case 'A':
    case 'R':
      return outcome("OK", verdict.numbers[0]);
    case 'D':
      return outcome("ALREADY");
    default:
      return outcome("NOORDER");
  }
}

std::string order_reply(const Operation& op, const Verdict& verdict, std::string_view durability) {
  if (verdict.kind != 'F') return outcome("NOORDER");
  std::string out;
  resp::append_array_header(out, 6);
  resp::append_bulk(out, "FOUND");
  resp::append_bulk(out, std::to_string(verdict.numbers[0]));
  resp::append_bulk(out, op.user);
  resp::append_integer(out, verdict.numbers[1]);
  resp::append_bulk(out, verdict.flag ? "placed" : "cancelled");
  resp::append_bulk(out, durability);
  return out;
}

std::string stock_reply(const Operation& op, const Verdict& verdict) {
  if (verdict.kind != 'T') return outcome("NOITEM");
  const auto& n = verdict.numbers;
  std::string out;
  const auto number = [&out](std::string_view name, int64_t value) {
    resp::append_bulk(out, name);
    resp::append_integer(out, value);
  };
  resp::append_array_header(out, 16);
  resp::append_bulk(out, "item");
  resp::append_bulk(out, op.item);
  number("stock", n[0]);
  number("sold", n[1]);
  number("remaining", n[0] - n[1]);
  number("limit", n[2]);
  number("start", n[3]);
  number("end", n[4]);
  resp::append_bulk(out, "state");
  resp::append_bulk(out, verdict.flag ? "open" : "closed");
  return out;
}

std::string restock_reply(const Verdict& verdict) {
  switch (verdict.kind) {
    case 'A':
    case 'R':
      return outcome("OK", verdict.numbers[0]);
    case 'X':
      return error_reply(
          "ERR",
          "delta would leave less than 0 remaining or a stock over 2147483647; remaining is " +
              std::to_string(verdict.numbers[0]));
    default:
      return outcome("NOITEM");
  }
}

std::string simple_ok() {
  std::string out;
  resp::append_simple(out, "OK");
  return out;
}

}  // namespace

std::string sold_out_reply(int64_t remaining) { return outcome("SOLDOUT", remaining); }

std::string error_reply(std::string_view prefix, std::string_view message) {
  std::string line = std::string(prefix) + " " + std::string(message);
  for (char& c : line) {
    if (c == '\r' || c == '\n') c = ' ';
  }
  std::string out;
  resp::append_error(out, line);
  return out;
}

std::string encode_reply(const Operation& op, const Verdict& verdict, std::string_view durability) {
  if (verdict.kind == '?')
    return error_reply("ERR", "Redis answered with a verdict that is not known");
  switch (op.verb) {
    case Verb::kBuy:
      return buy_reply(op, verdict, durability);
    case Verb::kCancel:
      return cancel_reply(verdict);
    case Verb::kQuery:
      return order_reply(op, verdict, durability);
    case Verb::kStock:
      return stock_reply(op, verdict);
    case Verb::kRestock:
      return restock_reply(verdict);
    case Verb::kCreate:
      return verdict.kind == 'X'
                 ? error_reply("EXISTS",
                               "item " + op.item + " exists with other settings; see SECKILL.STOCK")
                 : simple_ok();
    case Verb::kClose:
    case Verb::kReopen:
      if (verdict.kind == 'X') {
        return error_reply("ERR", "item " + op.item +
                                      " was closed longer ago than journal.retain; what is known of "
                                      "it may be gone: sell the rest as another item");
      }
      return verdict.kind == 'N' ? outcome("NOITEM") : simple_ok();
  }
  return {};
}

std::string_view result_label(const Verdict& verdict) {
  switch (verdict.kind) {
    case 'A':
      return "accepted";
    case 'R':
      return "repeated";
    case 'S':
      return "soldout";
    case 'L':
      return "limit";
    case 'B':
      return "notstarted";
    case 'E':
      return "ended";
    case 'C':
      return "closed";
    case 'N':
      return "noitem";
    default:
      return "error";
  }
}

}  // namespace sluice::proxy::sale
