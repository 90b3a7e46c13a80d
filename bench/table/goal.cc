#include "bench/table/goal.h"

#include <cstdio>

#include "bench/text.h"

namespace sluice::bench::table {
namespace {

std::string decimals(double value, const char* unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%.2f %s", value, unit);
  return text;
}

}  // namespace

std::string figure_text(double value, Unit unit) {
  switch (unit) {
    case Unit::kPerSecond:
      return with_commas(value) + " /s";
    case Unit::kMicroseconds:
      return value < 100 ? decimals(value, "us") : with_commas(value) + " us";
    case Unit::kMilliseconds:
      return decimals(value, "ms");
  }
  return {};
}

double Goal::ratio() const {
  const double base = reference.empty() ? wanted : reference_value;
  return base > 0 ? figure / base : 0;
}

bool Goal::reached() const {
  if (!missing.empty()) return false;
  if (!reference.empty() && reference_value <= 0) return false;  // compared with nothing
  const double value = reference.empty() ? figure : ratio();
  return at_most ? value <= wanted : value >= wanted;
}

std::string Goal::wanted_text() const {
  const std::string sign = at_most ? "<= " : ">= ";
  if (reference.empty()) return sign + figure_text(wanted, unit);
  char text[32];
  std::snprintf(text, sizeof text, "%.2f x ", wanted);
  return sign + text + reference;
}

std::string Goal::verdict() const {
  if (!missing.empty()) return "not measured";
  return reached() ? "reached" : "MISSED";
}

}  // namespace sluice::bench::table
