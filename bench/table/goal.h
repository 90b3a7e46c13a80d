// One line of the table: what was to be reached, what was measured, beside what.
#pragma once

#include <string>

namespace sluice::bench::table {

enum class Unit { kPerSecond, kMicroseconds, kMilliseconds };

// "72,128 /s", "1.24 us", "3.10 ms".
std::string figure_text(double value, Unit unit);

struct Goal {
  std::string measure;
  Unit unit = Unit::kPerSecond;
  double figure = 0;
  std::string reference;  // what the figure is compared with; empty: the goal is absolute
  double reference_value = 0;
  double wanted = 0;  // of the ratio; of the figure itself if the goal is absolute
  bool at_most = false;
  std::string missing = {};  // why there is no figure

  double ratio() const;
  bool reached() const;
  std::string wanted_text() const;  // ">= 2.00 x do it yourself"
  std::string verdict() const;      // "reached", "MISSED", "not measured"
};

}  // namespace sluice::bench::table
