#include "proxy/sale/verdict.h"

#include "base/decimal.h"
#include "proxy/sale/operation_text.h"

namespace sluice::proxy::sale {
namespace {

using Kind = Verdict::Kind;

// How many numbers such a verdict on such an operation has.
size_t numbers_due(Verb verb, Kind kind) {
  switch (kind) {
    case Kind::kAccepted:
      return verb == Verb::kCancel || verb == Verb::kClose || verb == Verb::kReopen ||
                     verb == Verb::kDelete
                 ? 1
                 : 0;
    case Kind::kRepeated:
      return verb == Verb::kBuy ? 1 : 0;
    case Kind::kCancelled:
    case Kind::kNotStarted:
    case Kind::kEnded:
    case Kind::kToConfirm:
      return 1;
    case Kind::kLimit:
    case Kind::kFound:
      return 2;
    case Kind::kDescribed:
      return 5;
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
    if (token == "placed" || token == "open") {
      verdict.flag = true;
    } else if (token != "cancelled" && token != "closed") {
      // An item that was oversold has less than 0 remaining.
      const bool fits = numbers < verdict.numbers.size();
      if (!fits || !base::parse_decimal(token, verdict.numbers[numbers])) return {};
      ++numbers;
    }
  }
  if (numbers != numbers_due(verb, verdict.kind)) return {};
  return verdict;
}

}  // namespace

std::optional<Verdict::Kind> Verdict::kind_of(std::string_view letter) {
  constexpr std::string_view kLetters = "?ARKLSBECNDXFTVW";
  if (letter.size() != 1 || kLetters.find(letter.front()) == std::string_view::npos) return {};
  return static_cast<Kind>(letter.front());
}

int64_t remaining_change(const Operation& op, const Verdict& verdict) {
  if (!verdict.accepted()) return 0;
  switch (op.verb) {
    case Verb::kBuy:
      return -op.quantity;
    case Verb::kCancel:
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
