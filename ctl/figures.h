// Figures as people read them, and figures out of a JSON object that may lack them.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::ctl {

std::string grouped(int64_t number);       // "1,234,567"
std::string bytes_text(int64_t bytes);     // "1.2 MiB", "512 B"
std::string seconds_text(double seconds);  // "0.4 s", "3 min 20 s", "5 h 12 min"

// For a person's terminal: others wrote it, and its control characters would move the cursor.
std::string printable(std::string text);

// 0, "" or false where there is none, or one of another kind.
double number_in(const boost::json::object& object, std::string_view name);
std::string text_in(const boost::json::object& object, std::string_view name);
bool flag_in(const boost::json::object& object, std::string_view name);

}  // namespace sluice::ctl
