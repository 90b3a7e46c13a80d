#include "ctl/sale_item.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <optional>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/units.h"

namespace sluice::ctl {
namespace {

using base::invalid;

constexpr int64_t kSaleQuantityMax = 2'147'483'647;
constexpr int64_t kSaleHoldMaxMs = 31'536'000'000;  // a year
// Milliseconds below this are of 1973; as seconds they are any time that is meant today.
constexpr int64_t kSecondsMax = 100'000'000'000;
constexpr int64_t kFarMs = 2 * 366 * int64_t{86'400'000};

// Takes digits from the front, no more and no fewer than these.
std::optional<int64_t> take_digits(std::string_view& text, size_t count) {
  int64_t number = 0;
  if (text.size() < count || !base::parse_decimal(text.substr(0, count), number) || number < 0 ||
      text.front() == '+')
    return std::nullopt;
  text.remove_prefix(count);
  return number;
}

bool take_char(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// ".5", ".123456": to the millisecond; nothing is 0.
std::optional<int64_t> take_fraction_ms(std::string_view& text) {
  if (!take_char(text, ".")) return 0;
  int64_t ms = 0, unit = 100;
  bool any = false;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
    ms += (text.front() - '0') * unit;
    unit /= 10;
    any = true;
  }
  return any ? std::optional(ms) : std::nullopt;
}

// "Z", "+08:00", "-0330": ms east of UTC.
std::optional<int64_t> take_zone_ms(std::string_view& text) {
  if (take_char(text, "Zz")) return 0;
  const bool west = !text.empty() && text.front() == '-';
  if (!take_char(text, "+-")) return std::nullopt;
  const auto hours = take_digits(text, 2);
  take_char(text, ":");
  const auto minutes = take_digits(text, 2);
  if (!hours || !minutes || *hours > 14 || *minutes > 59) return std::nullopt;
  return (west ? -1 : 1) * (*hours * 60 + *minutes) * 60'000;
}

std::optional<int64_t> take_date_ms(std::string_view& text) {
  using namespace std::chrono;
  const auto years = take_digits(text, 4);
  if (!years || !take_char(text, "-")) return std::nullopt;
  const auto months = take_digits(text, 2);
  if (!months || !take_char(text, "-")) return std::nullopt;
  const auto days_of = take_digits(text, 2);
  if (!days_of) return std::nullopt;
  const year_month_day date{year(static_cast<int>(*years)), month(static_cast<unsigned>(*months)),
                            day(static_cast<unsigned>(*days_of))};
  if (!date.ok()) return std::nullopt;
  return duration_cast<milliseconds>(sys_days(date).time_since_epoch()).count();
}

std::optional<int64_t> take_time_of_day_ms(std::string_view& text) {
  if (!take_char(text, "Tt ")) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take_char(text, ":")) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  int64_t seconds = 0;
  if (take_char(text, ":")) {
    const auto taken = take_digits(text, 2);
    if (!taken || *taken > 59) return std::nullopt;
    seconds = *taken;
  }
  const auto fraction_ms = take_fraction_ms(text);
  if (!fraction_ms) return std::nullopt;
  return (*hours * 3600 + *minutes * 60 + seconds) * 1000 + *fraction_ms;
}

constexpr const char* kTimeForm =
    "is not a time: write one with its zone, such as 2026-12-01T10:00:00+08:00, or milliseconds "
    "since 1970";

Result<int64_t> iso_time(std::string_view text) {
  const std::string whole(text);
  const auto date_ms = take_date_ms(text);
  const auto day_ms = date_ms ? take_time_of_day_ms(text) : std::nullopt;
  if (!day_ms) return invalid("\"" + whole + "\" " + kTimeForm);
  if (text.empty()) {
    return invalid("\"" + whole + "\" has no zone: append Z for UTC, or an offset such as +08:00");
  }
  const auto zone_ms = take_zone_ms(text);
  if (!zone_ms || !text.empty()) return invalid("\"" + whole + "\" " + kTimeForm);
  return *date_ms + *day_ms - *zone_ms;
}

Result<int64_t> sale_number(const std::string& text, int64_t min, int64_t max) {
  const auto number = base::parse_integer(text);
  if (number && *number >= min && *number <= max) return *number;
  return invalid("\"" + text + "\" is not a whole number from " + std::to_string(min) + " to " +
                 std::to_string(max));
}

Result<int64_t> hold_of(const std::string& text) {
  const auto us = base::parse_duration_us(text);
  if (!us) return us.error();
  if (*us < 1000 || *us / 1000 > kSaleHoldMaxMs) return invalid("is from 1ms to 365d");
  return *us / 1000;
}

bool is_item_name(std::string_view text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return c < 128 &&
                  (std::isalnum(c) != 0 ||
                   std::string_view(":_.-").find(static_cast<char>(c)) != std::string_view::npos);
         });
}

Status set(int64_t& into, const Result<int64_t>& value) {
  if (!value) return value.error();
  into = *value;
  return {};
}

}  // namespace

Result<int64_t> parse_sale_time(std::string_view text) {
  // UNIX_TIMESTAMP(x) * 1000 of MySQL has decimals.
  const size_t dot = text.find('.');
  const bool zeros = dot != std::string_view::npos && dot + 1 < text.size() &&
                     text.find_first_not_of('0', dot + 1) == std::string_view::npos;
  const std::string_view whole = zeros ? text.substr(0, dot) : text;
  int64_t number = 0;
  if (!base::parse_decimal(whole, number)) return iso_time(text);
  if (number > 0 && number < kSecondsMax) {
    return invalid("\"" + std::string(whole) +
                   "\" looks like seconds since 1970: milliseconds are wanted (" +
                   std::to_string(number) + "000)");
  }
  if (number <= 0) return invalid("\"" + std::string(whole) + "\" " + kTimeForm);
  return number;
}

Status set_column(SaleItem& item, std::string_view column, const std::string& text) {
  if (text.empty()) return {};
  if (column == "item") {
    if (!is_item_name(text)) {
      return invalid("\"" + text + "\" is no name: 1 to 64 of A-Z a-z 0-9 : _ . -");
    }
    item.name = text;
    return {};
  }
  if (column == "stock") return set(item.stock, sale_number(text, 1, kSaleQuantityMax));
  if (column == "limit") return set(item.limit, sale_number(text, 0, kSaleQuantityMax));
  if (column == "start") return set(item.start_ms, parse_sale_time(text));
  if (column == "end") return set(item.end_ms, parse_sale_time(text));
  SLUICE_ASSERT(column == "hold", "a column that is none");
  return set(item.hold_ms, hold_of(text));
}

Status check_whole(const SaleItem& item) {
  if (item.name.empty()) return invalid("item: is missing");
  if (item.stock == 0) return invalid("stock: is missing");
  if (item.end_ms != 0 && item.end_ms <= item.start_ms) {
    return invalid("end: is not later than the start");
  }
  return {};
}

Status check_times(const SaleItem& item, int64_t now_ms) {
  for (const auto& [column, time_ms] :
       {std::pair{"start: ", item.start_ms}, std::pair{"end: ", item.end_ms}}) {
    if (time_ms == 0) continue;
    if (time_ms < now_ms) {
      return invalid(column + base::utc_text(time_ms) + " is past (it is " +
                     base::utc_text(now_ms) + " now)" +
                     (time_ms == item.start_ms ? "; leave it out to start at once" : ""));
    }
    if (time_ms > now_ms + kFarMs) {
      return invalid(column + std::to_string(time_ms) +
                     " lies more than two years ahead; milliseconds since 1970 are wanted");
    }
  }
  return {};
}

}  // namespace sluice::ctl
