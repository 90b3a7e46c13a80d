#include "proxy/sale/replies.h"

#include <algorithm>
#include <array>

#include "base/decimal.h"
#include "base/error.h"
#include "resp/writer.h"

namespace sluice::proxy::sale {
namespace {

using Kind = Verdict::Kind;

void append_error(std::string& out, std::string_view prefix, std::string_view message) {
  std::string line = std::string(prefix) + " " + std::string(message);
  for (char& c : line) {
    if (c == '\r' || c == '\n') c = ' ';
  }
  resp::append_error(out, line);
}

void outcome(std::string& out, std::string_view word) {
  resp::append_array_header(out, 1);
  resp::append_bulk(out, word);
}

void outcome(std::string& out, std::string_view word, int64_t number) {
  resp::append_array_header(out, 2);
  resp::append_bulk(out, word);
  resp::append_integer(out, number);
}

void append_order_id(std::string& out, uint64_t order_id) {
  char text[24];
  const char* end = base::put_decimal(text, order_id);
  resp::append_bulk(out, std::string_view(text, static_cast<size_t>(end - text)));
}

char* put(char* at, std::string_view text) { return std::copy(text.begin(), text.end(), at); }

// The reply of every purchase that is accepted, so in one piece.
void bought(std::string& out, uint64_t order_id, int64_t remaining, std::string_view durability) {
  constexpr size_t kDurabilityMax = 8;
  SLUICE_ASSERT(durability.size() <= kDurabilityMax, "a word for durability that is not known");
  std::array<char, base::kDecimalMax> digits;
  const char* id_end = base::put_decimal(digits.data(), order_id);
  const auto id_bytes = static_cast<size_t>(id_end - digits.data());
  std::array<char, 96 + kDurabilityMax> reply;
  char* at = put(reply.data(), "*4\r\n$2\r\nOK\r\n$");
  at = base::put_decimal(at, id_bytes);
  at = put(at, "\r\n");
  at = put(at, {digits.data(), id_bytes});
  at = put(at, "\r\n:");
  at = base::put_decimal(at, remaining);
  at = put(at, "\r\n$");
  at = base::put_decimal(at, durability.size());
  at = put(at, "\r\n");
  at = put(at, durability);
  at = put(at, "\r\n");
  out.append(reply.data(), static_cast<size_t>(at - reply.data()));
}

void buy_reply(std::string& out, const Operation& op, const Verdict& verdict,
               std::string_view durability) {
  const auto& n = verdict.numbers;
  switch (verdict.kind) {
    case Kind::kAccepted:
      return bought(out, op.order_id, verdict.remaining, durability);
    case Kind::kRepeated:
      return bought(out, static_cast<uint64_t>(n[0]), verdict.remaining, durability);
    case Kind::kCancelled:
      resp::append_array_header(out, 2);
      resp::append_bulk(out, "CANCELLED");
      return append_order_id(out, static_cast<uint64_t>(n[0]));
    case Kind::kSoldOut:
      return outcome(out, "SOLDOUT", verdict.remaining);
    case Kind::kNotStarted:
      return outcome(out, "NOTSTARTED", n[0]);
    case Kind::kEnded:
      return outcome(out, "ENDED", n[0]);
    case Kind::kClosed:
      return outcome(out, "CLOSED");
    case Kind::kLimit:
      resp::append_array_header(out, 3);
      resp::append_bulk(out, "LIMIT");
      resp::append_integer(out, n[0]);
      return append_order_id(out, static_cast<uint64_t>(n[1]));
    default:
      return outcome(out, "NOITEM");
  }
}

void cancel_reply(std::string& out, const Verdict& verdict) {
  switch (verdict.kind) {
    case Kind::kAccepted:
    case Kind::kRepeated:
      return outcome(out, "OK", verdict.remaining);
    case Kind::kAlready:
      return outcome(out, "ALREADY");
    case Kind::kPaid:
      return outcome(out, "PAID");
    default:
      return outcome(out, "NOORDER");
  }
}

void pay_reply(std::string& out, const Verdict& verdict) {
  switch (verdict.kind) {
    case Kind::kAccepted:
    case Kind::kRepeated:
      return outcome(out, "OK");
    case Kind::kAlready:
      return outcome(out, "ALREADY");
    case Kind::kExpired:
      return outcome(out, "EXPIRED");
    case Kind::kCancelled:
      return outcome(out, "CANCELLED");
    default:
      return outcome(out, "NOORDER");
  }
}

void order_reply(std::string& out, const Operation& op, const Verdict& verdict,
                 std::string_view durability) {
  if (verdict.kind != Kind::kFound) return outcome(out, "NOORDER");
  resp::append_array_header(out, 6);
  resp::append_bulk(out, "FOUND");
  append_order_id(out, static_cast<uint64_t>(verdict.numbers[0]));
  resp::append_bulk(out, op.user);
  resp::append_integer(out, verdict.numbers[1]);
  const bool is_live = verdict.status == "placed" || verdict.status == "paid";
  resp::append_bulk(out, is_live && verdict.is_dead ? "deadletter" : verdict.status);
  resp::append_bulk(out, durability);
}

void stock_reply(std::string& out, const Operation& op, const Verdict& verdict) {
  if (verdict.kind != Kind::kDescribed) return outcome(out, "NOITEM");
  const auto& n = verdict.numbers;
  const auto number = [&out](std::string_view name, int64_t value) {
    resp::append_bulk(out, name);
    resp::append_integer(out, value);
  };
  const bool holds = n[5] != 0;
  resp::append_array_header(out, holds ? 18 : 16);
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
  if (holds) number("hold", n[5]);
}

void restock_reply(std::string& out, const Verdict& verdict) {
  switch (verdict.kind) {
    case Kind::kAccepted:
    case Kind::kRepeated:
      return outcome(out, "OK", verdict.remaining);
    case Kind::kRefused:
      return append_error(
          out, "ERR",
          "delta would leave less than 0 remaining or a stock over 2147483647; remaining is " +
              std::to_string(verdict.remaining));
    default:
      return outcome(out, "NOITEM");
  }
}

void change_reply(std::string& out, const Verdict& verdict) {
  if (verdict.kind == Kind::kNotFound) return outcome(out, "NOITEM");
  if (verdict.kind != Kind::kRefused) return resp::append_simple(out, "OK");
  append_error(out, "ERR", "END must be later than START; see SECKILL.STOCK");
}

// Of one that waits: numbers[0] are the records that MySQL lacks.
void delete_reply(std::string& out, const Verdict& verdict) {
  switch (verdict.kind) {
    case Kind::kAccepted:
      return verdict.numbers[0] == 1 ? resp::append_simple(out, "OK") : outcome(out, "PENDING", 1);
    case Kind::kToConfirm:
      return outcome(out, "PENDING", verdict.numbers[0]);
    case Kind::kOnSale:
      return outcome(out, "OPEN");
    default:
      return outcome(out, "NOITEM");
  }
}

}  // namespace

std::string sold_out_reply(int64_t remaining) {
  std::string out;
  outcome(out, "SOLDOUT", remaining);
  return out;
}

std::string wait_row_reply() {
  std::string out;
  outcome(out, "OK");
  return out;
}

std::string wait_timeout_reply() {
  std::string out;
  outcome(out, "TIMEOUT");
  return out;
}

std::string wait_dead_letter_reply(uint32_t code, std::string_view text) {
  std::string out;
  resp::append_array_header(out, 3);
  resp::append_bulk(out, "DEADLETTER");
  resp::append_integer(out, code);
  resp::append_bulk(out, text);
  return out;
}

std::string error_reply(std::string_view prefix, std::string_view message) {
  std::string out;
  append_error(out, prefix, message);
  return out;
}

void append_reply(std::string& out, const Operation& op, const Verdict& verdict,
                  std::string_view durability) {
  if (verdict.kind == Kind::kUnknown)
    return append_error(out, "ERR", "Redis answered with a verdict that is not known");
  switch (op.verb) {
    case Verb::kBuy:
      return buy_reply(out, op, verdict, durability);
    case Verb::kPay:
      return pay_reply(out, verdict);
    case Verb::kCancel:
    case Verb::kExpire:
      return cancel_reply(out, verdict);
    case Verb::kQuery:
      return order_reply(out, op, verdict, durability);
    case Verb::kStock:
      return stock_reply(out, op, verdict);
    case Verb::kRestock:
      return restock_reply(out, verdict);
    case Verb::kCreate:
      if (verdict.kind == Kind::kAlready)
        return append_error(out, "EXISTS", "item " + op.item + " is being deleted; retry later");
      if (verdict.kind != Kind::kRefused) return resp::append_simple(out, "OK");
      return append_error(out, "EXISTS",
                          "item " + op.item + " exists with other settings; see SECKILL.STOCK");
    case Verb::kChange:
      return change_reply(out, verdict);
    case Verb::kDelete:
      return delete_reply(out, verdict);
    case Verb::kClose:
    case Verb::kReopen:
      if (verdict.kind == Kind::kNotFound) return outcome(out, "NOITEM");
      if (verdict.kind != Kind::kRefused) return resp::append_simple(out, "OK");
      return append_error(out, "ERR",
                          "item " + op.item +
                              " was closed longer ago than journal.retain; what is known of it may "
                              "be gone: sell the rest as another item");
  }
}

}  // namespace sluice::proxy::sale
