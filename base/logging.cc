#include "base/logging.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace sluice::base {
namespace {

using Clock = spdlog::log_clock;

// Causes that are remembered; the rest is told in full.
constexpr size_t kCausesMax = 256;

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch())
            .count();
    const std::time_t seconds = ms / 1000;
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char time[40];
    std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    char fraction[8];
    std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(ms % 1000));
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string line =
        "{\"time\":\"" + std::string(time) + fraction + "\",\"level\":\"" +
        std::string(level.data(), level.size()) +
        "\",\"program\":" + json_string({message.logger_name.data(), message.logger_name.size()}) +
        ",\"message\":" + json_string({message.payload.data(), message.payload.size()}) + "}\n";
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

// Passes on to another sink what is not one too many.
class BoundedSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit BoundedSink(std::shared_ptr<spdlog::sinks::sink> next) : next_(std::move(next)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    tell_left_out(message.time);
    if (message.level < spdlog::level::warn || !is_too_many(message)) next_->log(message);
  }
  void flush_() override { next_->flush(); }
  void set_formatter_(std::unique_ptr<spdlog::formatter> formatter) override {
    next_->set_formatter(std::move(formatter));
  }
  void set_pattern_(const std::string& pattern) override { next_->set_pattern(pattern); }

 private:
  struct Cause {
    Clock::time_point since;
    int told = 0, left_out = 0;
    spdlog::level::level_enum level = spdlog::level::warn;
    std::string last, program;
  };

  bool is_too_many(const spdlog::details::log_msg& message) {
    const std::string text(message.payload.data(), message.payload.size());
    std::string key;
    for (const char c : text) {
      const bool is_digit = c >= '0' && c <= '9';
      if (!is_digit) key += c;
      else if (!key.ends_with('#')) key += '#';
    }
    if (causes_.size() >= kCausesMax && !causes_.contains(key)) return false;
    Cause& cause = causes_[key];
    if (cause.told == 0) cause.since = message.time;
    if (cause.told < kLogBurst) {
      ++cause.told;
      return false;
    }
    ++cause.left_out;
    cause.level = message.level;
    cause.last = text;
    cause.program.assign(message.logger_name.data(), message.logger_name.size());
    return true;
  }

  // Of the causes whose time is over; they begin anew.
  void tell_left_out(Clock::time_point now) {
    for (auto it = causes_.begin(); it != causes_.end();) {
      const Cause& cause = it->second;
      if (now - cause.since < std::chrono::seconds(kLogWindowS)) {
        ++it;
        continue;
      }
      if (cause.left_out > 0) {
        const std::string text =
            "as before, " + std::to_string(cause.left_out) + " times more, last: " + cause.last;
        next_->log(spdlog::details::log_msg(cause.program, cause.level, text));
      }
      it = causes_.erase(it);
    }
  }

  const std::shared_ptr<spdlog::sinks::sink> next_;
  std::map<std::string, Cause> causes_;  // by the text, without its numbers
};

// The length of the UTF-8 character that `text` begins with; 0: it is none.
size_t character_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t bytes = first < 0x80                    ? 1
                       : first >= 0xC2 && first < 0xE0 ? 2
                       : first >= 0xE0 && first < 0xF0 ? 3
                       : first >= 0xF0 && first < 0xF5 ? 4
                                                       : 0;
  if (bytes == 0 || bytes > text.size()) return 0;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  if (!std::all_of(text.begin() + 1, text.begin() + static_cast<ptrdiff_t>(bytes), continues))
    return 0;
  // Longer than need be, a half of a UTF-16 pair, or beyond U+10FFFF: a strict reader refuses it.
  const auto second = static_cast<unsigned char>(bytes > 1 ? text[1] : 0);
  const bool is_wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0) ||
                        (first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90);
  return is_wrong ? 0 : bytes;
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t bytes = character_bytes(text);
    const char c = text[0];
    if (bytes == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += text.substr(0, bytes);
    }
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return out + "\"";
}

void begin_logging(const std::string& program, std::string_view format,
                   const std::string& pattern) {
  const auto sink =
      std::make_shared<BoundedSink>(std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  auto logger = std::make_shared<spdlog::logger>(program, sink);
  if (format == "json")
    logger->set_formatter(std::make_unique<JsonFormatter>());
  else if (!pattern.empty())
    logger->set_pattern(pattern);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace sluice::base
