#include "ctl/figures.h"

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

namespace sluice::ctl {
namespace {

std::string one_digit(double number, const char* unit) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%.1f %s", number, unit);
  return text.data();
}

}  // namespace

std::string printable(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte < ' ' || byte == 0x7f) text[i] = '?';
    if (byte == 0xC2 && next >= 0x80 && next < 0xA0) text[i] = text[i + 1] = '?';  // U+0080 … 9F
  }
  return text;
}

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  const size_t first = digits.starts_with('-') ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string bytes_text(int64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double amount = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
  return one_digit(amount, kUnits[unit]);
}

std::string seconds_text(double seconds) {
  if (seconds < 60) return one_digit(seconds, "s");
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  const int64_t minutes = whole / 60;
  if (minutes < 60) return std::to_string(minutes) + " min " + std::to_string(whole % 60) + " s";
  return grouped(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

double number_in(const boost::json::object& object, std::string_view name) {
  const boost::json::value* found = object.if_contains(name);
  if (found == nullptr || !found->is_number()) return 0;
  const double number = found->to_number<double>();
  return std::isfinite(number) ? number : 0;
}

std::string text_in(const boost::json::object& object, std::string_view name) {
  const boost::json::value* found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

bool flag_in(const boost::json::object& object, std::string_view name) {
  const boost::json::value* found = object.if_contains(name);
  return found != nullptr && found->is_bool() && found->as_bool();
}

}  // namespace sluice::ctl
