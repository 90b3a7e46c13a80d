#include "base/units.h"

#include <array>
#include <charconv>
#include <limits>

namespace sluice::base {
namespace {

struct Unit {
  std::string_view suffix;
  int64_t factor;
};

// The units that a formatter may choose come first, largest first; the rest are only read.
constexpr std::array kSizeUnits{
    Unit{"TiB", int64_t{1} << 40}, Unit{"GiB", int64_t{1} << 30}, Unit{"MiB", int64_t{1} << 20},
    Unit{"KiB", int64_t{1} << 10}, Unit{"B", 1},
    Unit{"TB", 1'000'000'000'000}, Unit{"GB", 1'000'000'000},
    Unit{"MB", 1'000'000},         Unit{"KB", 1'000},
};
constexpr size_t kSizeUnitsWritten = 5;
constexpr std::array kDurationUnits{
    Unit{"d", 86'400'000'000}, Unit{"h", 3'600'000'000}, Unit{"m", 60'000'000},
    Unit{"s", 1'000'000},      Unit{"ms", 1'000},        Unit{"us", 1},
};

template <size_t N>
Result<int64_t> parse_with_unit(std::string_view text, const std::array<Unit, N>& units,
                                std::string_view example) {
  const auto bad = [&](std::string_view why) {
    return Error(ErrorClass::kInvalid, "\"" + std::string(text) + "\" " + std::string(why) +
                                           "; write it like \"" + std::string(example) + "\"");
  };
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  if (failure == std::errc::result_out_of_range) return bad("is too large");
  if (failure != std::errc() || number < 0) return bad("is not a number with a unit");
  const std::string_view suffix(rest, static_cast<size_t>(end - rest));
  if (suffix.empty()) return bad("has no unit");
  for (const Unit& unit : units) {
    if (suffix != unit.suffix) continue;
    if (number > std::numeric_limits<int64_t>::max() / unit.factor) return bad("is too large");
    return number * unit.factor;
  }
  return bad("has an unknown unit");
}

std::string format_with_unit(int64_t value, const Unit* units, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (value != 0 && value % units[i].factor == 0) {
      return std::to_string(value / units[i].factor) + std::string(units[i].suffix);
    }
  }
  return "0" + std::string(units[count - 1].suffix);
}

}  // namespace

Result<int64_t> parse_size(std::string_view text) {
  return parse_with_unit(text, kSizeUnits, "64MiB");
}

Result<int64_t> parse_duration_us(std::string_view text) {
  return parse_with_unit(text, kDurationUnits, "250ms");
}

Result<int64_t> parse_rate_per_s(std::string_view text) {
  constexpr std::array units{Unit{"/s", 60}, Unit{"/m", 1}};
  auto per_minute = parse_with_unit(text, units, "5000/s");
  if (!per_minute) return per_minute;
  return *per_minute / 60;
}

Result<int64_t> parse_integer(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  // from_chars takes a minus only.
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  const auto [rest, failure] = std::from_chars(text.data() + (plus ? 1 : 0), end, number);
  if (failure != std::errc() || rest != end) {
    return Error(ErrorClass::kInvalid, "\"" + std::string(text) + "\" is not a whole number");
  }
  return number;
}

std::string format_size(int64_t bytes) {
  return format_with_unit(bytes, kSizeUnits.data(), kSizeUnitsWritten);
}

std::string format_duration_us(int64_t us) {
  return format_with_unit(us, kDurationUnits.data(), kDurationUnits.size());
}

std::string format_rate_per_s(int64_t per_s) { return std::to_string(per_s) + "/s"; }

}  // namespace sluice::base
