// How the daemons log: to stderr, as lines for people or as a JSON object a line for machines; and
// a cause that comes again and again is told a few times, then counted.
//
//   text  [2026-11-30 20:26:15.118] [sluice-proxy] [warning] Redis at … is not reachable
//   json  {"time":"2026-11-30T20:26:15.118Z","level":"warning","program":"sluice-proxy",
//          "message":"Redis at … is not reachable"}
#pragma once

#include <string>
#include <string_view>

namespace sluice::base {

// Warnings and errors that differ in numbers only are one cause: of each so many in this time are
// told, and then one line says how many there were more.
inline constexpr int kLogBurst = 5;
inline constexpr int kLogWindowS = 10;

// Of the default logger, from now on. `program`: its name, for the lines; `format`: "text", "json".
// `pattern`: of a text line, in spdlog's terms; "": as above.
void begin_logging(const std::string& program, std::string_view format,
                   const std::string& pattern = "");

// As a JSON string, with its quotes; what is no UTF-8 is replaced.
std::string json_string(std::string_view text);

}  // namespace sluice::base
