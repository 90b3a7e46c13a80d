#include "proxy/sale/verdict.h"

#include "base/decimal.h"
#include "proxy/sale/operation_text.h"

namespace sluice::proxy::sale {
namespace {

using Kind = Verdict::Kind;

size_t numbers_of_accepted(Verb verb) {
  switch (verb) {
    case Verb::kCancel:
      return 2;
    case Verb::kPay:
    case Verb::kExpire:
    case Verb::kClose:
    case Verb::kReopen:
    case Verb::kDelete:
      return 1;
    case Verb::kChange:
      return 5;
    default:
      return 0;
  }
}

// Takes in a word of a verdict that is no number. False: it is none of any verdict.
bool take_word(std::string_view word, Verdict& verdict) {
  static constexpr std::string_view kStatuses[] = {"placed", "paid", "cancelled", "expired"};
  for (const std::string_view status : kStatuses) {
    if (word == status) verdict.status = status;
  }
  if (word == "open") verdict.flag = true;
  return word == verdict.status || word == "open" || word == "closed";
}

// How many numbers such a verdict on such an operation has.
size_t numbers_due(Verb verb, Kind kind) {
  switch (kind) {
    case Kind::kAccepted:
      return numbers_of_accepted(verb);
    case Kind::kRepeated:
      return verb == Verb::kBuy ? 1 : 0;
    case Kind::kCancelled:
      return verb == Verb::kBuy ? 1 : 0;
    case Kind::kHeld:
    case Kind::kNotStarted:
    case Kind::kEnded:
    case Kind::kToConfirm:
      return 1;
    case Kind::kLimit:
    case Kind::kFound:
      return 2;
    case Kind::kDescribed:
      return 6;
    default:
      return 0;
  }
}

// nullopt: no verdict on such an operation.
std::optional<Verdict> parse_verdict(Verb verb, std::string_view line) {
  const auto kind = Verdict::kind_of(take_until(line, ' '));
  if (!kind) return {};
  Verdict verdict;
  verdict.kind = *kind;
  size_t numbers = 0;
  while (!line.empty()) {
    const std::string_view token = take_until(line, ' ');
    if (!take_word(token, verdict)) {
      // An item that was oversold has less than 0 remaining.
      const bool fits = numbers < verdict.numbers.size();
      if (!fits || !base::parse_decimal(token, verdict.numbers[numbers])) return {};
      ++numbers;
    }
  }
  if (numbers != numbers_due(verb, verdict.kind)) return {};
  if ((verdict.kind == Kind::kFound) == verdict.status.empty()) return {};
  return verdict;
}

}  // namespace

std::optional<Verdict::Kind> Verdict::kind_of(std::string_view letter) {
  constexpr std::string_view kLetters = "?ARKPGHLSBECNDXFTVW";
  if (letter.size() != 1 || kLetters.find(letter.front()) == std::string_view::npos) return {};
  return static_cast<Kind>(letter.front());
}

int64_t remaining_change(const Operation& op, const Verdict& verdict) {
  if (!verdict.accepted()) return 0;
  switch (op.verb) {
    case Verb::kBuy:
      return -op.quantity;
    case Verb::kCancel:
    case Verb::kExpire:
      return verdict.numbers[0];
    case Verb::kRestock:
    case Verb::kCreate:
      return op.quantity;
    default:
      return 0;
  }
}

std::optional<std::vector<Verdict>> parse_verdicts(std::string_view text,
                                                   std::span<const Operation> operations,
                                                   int64_t remaining) {
  std::vector<Verdict> verdicts;
  verdicts.reserve(operations.size());
  for (const Operation& op : operations) {
    if (text.empty()) return {};
    std::optional<Verdict> verdict = parse_verdict(op.verb, take_until(text, '\n'));
    if (!verdict) return {};
    remaining += remaining_change(op, *verdict);
    verdict->remaining = remaining;
    verdicts.push_back(*verdict);
  }
  if (!text.empty()) return {};
  return verdicts;
}

}  // namespace sluice::proxy::sale
