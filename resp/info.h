// Reads the text of Redis's INFO.
#pragma once

#include <string>
#include <string_view>

namespace sluice::resp {

// The value of the line "name:value"; empty if there is none.
inline std::string info_value(std::string_view info, std::string_view name) {
  const std::string line_start = "\n" + std::string(name) + ":";
  const size_t at = info.find(line_start);
  if (at == std::string_view::npos) return {};
  info.remove_prefix(at + line_start.size());
  return std::string(info.substr(0, info.find_first_of("\r\n")));
}

}  // namespace sluice::resp
