#include "orders/datetime.h"

#include <algorithm>
#include <chrono>

namespace sluice::orders {
namespace {

constexpr int64_t kTimeMin = -30'610'224'000'000;  // 1000-01-01 00:00:00.000
constexpr int64_t kTimeMax = 253'402'300'799'999;  // 9999-12-31 23:59:59.999

void append_padded(std::string& out, unsigned number, int digits) {
  char text[4];
  for (int i = digits; i-- > 0; number /= 10) text[i] = static_cast<char>('0' + number % 10);
  out.append(text, static_cast<size_t>(digits));
}

}  // namespace

sql::DateTime datetime_of(int64_t time_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time(milliseconds(std::clamp(time_ms, kTimeMin, kTimeMax)));
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const auto of_day = static_cast<unsigned>((time - day).count());
  return {static_cast<unsigned>(static_cast<int>(date.year())),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          of_day / 3'600'000,
          of_day / 60'000 % 60,
          of_day / 1000 % 60,
          of_day % 1000};
}

std::string datetime_or_null(int64_t time_ms) {
  std::string out;
  if (time_ms == 0) return "NULL";
  append_datetime(out, time_ms);
  return out;
}

void append_datetime(std::string& out, int64_t time_ms) {
  const sql::DateTime time = datetime_of(time_ms);
  out += '\'';
  append_padded(out, time.year, 4);
  out += '-';
  append_padded(out, time.month, 2);
  out += '-';
  append_padded(out, time.day, 2);
  out += ' ';
  append_padded(out, time.hour, 2);
  out += ':';
  append_padded(out, time.minute, 2);
  out += ':';
  append_padded(out, time.second, 2);
  out += '.';
  append_padded(out, time.millisecond, 3);
  out += '\'';
}

}  // namespace sluice::orders
