#include "flusher/schedule.h"

#include <algorithm>
#include <chrono>

namespace sluice::flusher {
namespace {

constexpr int kMinutesPerDay = 24 * 60;
constexpr int kDaysPerWeek = 7;
constexpr int64_t kMinuteS = 60;
constexpr int64_t kLookAheadS = kDaysPerWeek * kMinutesPerDay * kMinuteS;

using Instant = cctz::time_point<cctz::seconds>;

Instant instant_of(int64_t unix_s) { return Instant(cctz::seconds(unix_s)); }

Error invalid(std::string_view entry, const std::string& why) {
  return Error(ErrorClass::kInvalid, "\"" + std::string(entry) + "\" " + why +
                                         "; write a cron line like \"30 3 * * *\" or a window like "
                                         "\"23:00-06:30\"");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (const std::string_view word : split(text, ' ')) {
    if (!word.empty()) found.push_back(word);
  }
  return found;
}

// One to `digits` decimal digits.
std::optional<int> small_number(std::string_view text, size_t digits) {
  const bool numeric =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || text.size() > digits || !numeric) return std::nullopt;
  int number = 0;
  for (const char c : text) number = number * 10 + (c - '0');
  return number;
}

// "06:30" → minute of the day.
std::optional<int> time_of_day(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 2 || parts[1].size() != 2) return std::nullopt;
  const auto hour = small_number(parts[0], 2);
  const auto minute = small_number(parts[1], 2);
  if (!hour || !minute || *minute > 59) return std::nullopt;
  const int total = *hour * 60 + *minute;
  return total <= kMinutesPerDay ? std::optional(total) : std::nullopt;
}

// What one of the five cron fields allows.
struct Field {
  std::string_view name;
  int min;
  int max;
  std::string_view words;  // three letters each, the first for `first_word`
  int first_word;
};
constexpr std::array<Field, 5> kFields{
    Field{"minute", 0, 59, "", 0}, Field{"hour", 0, 23, "", 0}, Field{"day of month", 1, 31, "", 0},
    Field{"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", 1},
    Field{"day of week", 0, 7, "SUNMONTUEWEDTHUFRISAT", 0}};

std::optional<int> field_value(const Field& field, std::string_view text) {
  if (const auto number = small_number(text, 2)) {
    return *number >= field.min && *number <= field.max ? number : std::nullopt;
  }
  if (text.size() != 3) return std::nullopt;
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  for (size_t at = 0; at < field.words.size(); at += 3) {
    if (field.words.substr(at, 3) == upper) return field.first_word + static_cast<int>(at / 3);
  }
  return std::nullopt;
}

// "*", "5", "1-5", "*/10", "1-31/2", and lists of them.
template <size_t N>
bool parse_field(const Field& field, std::string_view text, std::bitset<N>& bits) {
  for (const std::string_view part : split(text, ',')) {
    const auto step_parts = split(part, '/');
    const auto range = split(step_parts[0], '-');
    if (step_parts.size() > 2 || range.size() > 2) return false;
    int low = field.min;
    int high = field.max;
    if (step_parts[0] != "*") {
      const auto first = field_value(field, range[0]);
      const auto last = field_value(field, range.back());
      if (!first || !last || *last < *first) return false;
      low = *first;
      // As in cron, "5/15" begins at 5 and goes on to the end.
      high = range.size() == 1 && step_parts.size() == 2 ? field.max : *last;
    }
    const auto step = step_parts.size() == 2 ? small_number(step_parts[1], 2) : std::optional(1);
    if (!step || *step == 0) return false;
    for (int value = low; value <= high; value += *step) bits.set(static_cast<size_t>(value));
  }
  return true;
}

}  // namespace

Result<cctz::time_zone> find_time_zone(const std::string& name) {
  if (name.empty()) return cctz::local_time_zone();
  cctz::time_zone zone;
  // Paths, and what follows "libc:", the library would take as well.
  const bool is_name = name.find(':') == std::string::npos && name[0] != '/';
  if (is_name && cctz::load_time_zone(name, &zone)) return zone;
  return Error(ErrorClass::kInvalid,
               "there is no time zone \"" + name +
                   "\" in /usr/share/zoneinfo (package tzdata); write a name of the IANA list like "
                   "\"Europe/Berlin\", or \"\" for the machine's own");
}

Result<Schedule> Schedule::parse(const std::vector<std::string>& entries,
                                 const cctz::time_zone& zone) {
  Schedule schedule;
  schedule.zone_ = zone;
  for (const std::string& entry : entries) {
    if (words(entry).size() == 1) {
      auto window = parse_window(words(entry)[0]);
      if (!window) return window.error();
      schedule.windows_.push_back(*window);
    } else {
      auto cron = parse_cron(entry);
      if (!cron) return cron.error();
      schedule.crons_.push_back(*cron);
    }
  }
  return schedule;
}

Result<Schedule::Window> Schedule::parse_window(std::string_view entry) {
  const auto parts = split(entry, '-');
  if (parts.size() != 2) return invalid(entry, "is neither a cron line nor a window");
  const auto begin = time_of_day(parts[0]);
  const auto end = time_of_day(parts[1]);
  if (!begin || !end || *begin == kMinutesPerDay) {
    return invalid(entry, "has a time that is not between 00:00 and 24:00");
  }
  if (*begin == *end) return invalid(entry, "is an empty window (all day is 00:00-24:00)");
  return Window{*begin, *end};
}

Result<Schedule::Cron> Schedule::parse_cron(std::string_view entry) {
  const auto fields = words(entry);
  if (fields.size() != kFields.size()) return invalid(entry, "must have five fields");
  Cron cron;
  const bool parsed[] = {parse_field(kFields[0], fields[0], cron.minutes),
                         parse_field(kFields[1], fields[1], cron.hours),
                         parse_field(kFields[2], fields[2], cron.days),
                         parse_field(kFields[3], fields[3], cron.months),
                         parse_field(kFields[4], fields[4], cron.weekdays)};
  for (size_t i = 0; i < kFields.size(); ++i) {
    if (parsed[i]) continue;
    return invalid(entry, "has a bad " + std::string(kFields[i].name) + " field \"" +
                              std::string(fields[i]) + "\"");
  }
  if (cron.weekdays[7]) cron.weekdays.set(0);
  cron.any_day = fields[2].starts_with('*');
  cron.any_weekday = fields[4].starts_with('*');
  return cron;
}

bool Schedule::matches(const Cron& cron, const cctz::civil_minute& minute) {
  const auto at = [](int value) { return static_cast<size_t>(value); };
  const bool day = cron.days[at(minute.day())];
  // Monday is the library's first day, and cron's second.
  const int days_from_monday = static_cast<int>(cctz::get_weekday(cctz::civil_day(minute)));
  const bool weekday = cron.weekdays[at((days_from_monday + 1) % kDaysPerWeek)];
  const bool either = !cron.any_day && !cron.any_weekday;
  return cron.minutes[at(minute.minute())] && cron.hours[at(minute.hour())] &&
         cron.months[at(minute.month())] && (either ? day || weekday : day && weekday);
}

// Whether it fires in the minute that begins at `minute_s`.
bool Schedule::is_due(const Cron& cron, int64_t minute_s) const {
  const Instant instant = instant_of(minute_s);
  const cctz::civil_minute now(cctz::convert(instant, zone_));
  if (cron.hours.all()) return matches(cron, now);
  const auto found = zone_.lookup(cctz::civil_second(now));
  const bool is_second_time =
      found.kind == cctz::time_zone::civil_lookup::REPEATED && instant >= found.trans;
  if (is_second_time) return false;
  const cctz::civil_minute before(cctz::convert(instant_of(minute_s - kMinuteS), zone_));
  for (auto left_out = before + 1; left_out < now; ++left_out) {
    if (matches(cron, left_out)) return true;
  }
  return matches(cron, now);
}

bool Schedule::due(int64_t after_s, int64_t upto_s) const {
  if (crons_.empty()) return false;
  for (int64_t at_s = (after_s / kMinuteS + 1) * kMinuteS; at_s <= upto_s; at_s += kMinuteS) {
    const auto fires = [&](const Cron& cron) { return is_due(cron, at_s); };
    if (std::any_of(crons_.begin(), crons_.end(), fires)) return true;
  }
  return false;
}

// When the clocks show it for the first time; if they leave it out, when they do so.
int64_t Schedule::begin_of(const cctz::civil_minute& minute) const {
  const auto found = zone_.lookup(cctz::civil_second(minute));
  const bool is_left_out = found.kind == cctz::time_zone::civil_lookup::SKIPPED;
  return (is_left_out ? found.trans : found.pre).time_since_epoch().count();
}

bool Schedule::is_inside(const Window& window, int64_t unix_s) const {
  const bool crosses_midnight = window.end_minute < window.begin_minute;
  const int end = window.end_minute + (crosses_midnight ? kMinutesPerDay : 0);
  const cctz::civil_day today(cctz::convert(instant_of(unix_s), zone_));
  const auto began_on = [&](const cctz::civil_day& day) {
    const cctz::civil_minute midnight(day);
    return unix_s >= begin_of(midnight + window.begin_minute) && unix_s < begin_of(midnight + end);
  };
  return began_on(today) || began_on(today - 1);
}

bool Schedule::in_window(int64_t unix_s) const {
  return std::any_of(windows_.begin(), windows_.end(),
                     [&](const Window& window) { return is_inside(window, unix_s); });
}

std::optional<int64_t> Schedule::next(int64_t unix_s) const {
  if (empty()) return std::nullopt;
  const int64_t first_s = (unix_s / kMinuteS + 1) * kMinuteS;
  for (int64_t at_s = first_s; at_s < first_s + kLookAheadS; at_s += kMinuteS) {
    if (in_window(at_s) || due(at_s - 1, at_s)) return at_s;
  }
  return std::nullopt;
}

std::string Schedule::time_text(int64_t unix_s) const {
  return cctz::format("%H:%M", instant_of(unix_s), zone_);
}

}  // namespace sluice::flusher
