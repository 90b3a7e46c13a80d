#include "ctl/status_view.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <future>

#include "base/clock.h"
#include "ctl/figures.h"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

constexpr int64_t kStatusTimeoutMs = 2000;
constexpr size_t kBarCells = 30;
constexpr const char* kIndent = "    ";

std::string in_capitals(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return text;
}

int64_t whole(const json::object& status, std::string_view name) {
  return std::llround(number_in(status, name));
}

std::string per_second(std::optional<double> rate) {
  return rate ? grouped(std::llround(*rate)) + "/s" : "-/s";
}

std::string backlog(const json::object& status, double oldest_s) {
  return "backlog " + grouped(whole(status, "backlog_records")) + " records, " +
         bytes_text(whole(status, "backlog_bytes")) + ", oldest " + seconds_text(oldest_s);
}

// "deadlock 3 times, last: MySQL error 1213 …"; "": none.
std::vector<std::string> failures(const json::object& status) {
  std::vector<std::string> lines;
  const json::value* errors = status.if_contains("errors");
  if (errors == nullptr || !errors->is_object()) return lines;
  for (const auto& [kind, value] : errors->as_object()) {
    if (!value.is_object()) continue;
    const json::object& failure = value.as_object();
    const int64_t at_ms = whole(failure, "at_ms");
    lines.push_back("error " + std::string(kind) + ": " + grouped(whole(failure, "count")) +
                    " since its start, last at " + base::utc_text(at_ms) + ": " +
                    text_in(failure, "text"));
  }
  return lines;
}

}  // namespace

Reading read_status(const AdminTarget& target) {
  Reading reading;
  const auto response = ask(target, "GET", "/status", kStatusTimeoutMs);
  reading.at_us = base::monotonic_us();
  if (!response) {
    reading.trouble = response.error().message();
    return reading;
  }
  boost::system::error_code failure;
  json::value body = json::parse(response->body, failure);
  if (response->status != 200 || failure || !body.is_object()) {
    reading.trouble = "answers, but not as Sluice does: " + words_of(*response);
    return reading;
  }
  reading.status = std::move(body.as_object());
  if (target.kind == ConfigKind::kFlusher) return reading;
  const auto ready = ask(target, "GET", "/readyz", kStatusTimeoutMs);
  if (ready && ready->status != 200) {
    const json::value why = json::parse(ready->body, failure);
    reading.not_ready = !failure && why.is_object() ? text_in(why.as_object(), "reason") : "";
  }
  return reading;
}

std::vector<Reading> read_statuses(const std::vector<AdminTarget>& targets) {
  std::vector<std::future<Reading>> asked;
  for (const AdminTarget& target : targets)
    asked.push_back(std::async(std::launch::async, [&target] { return read_status(target); }));
  std::vector<Reading> readings;
  for (auto& reading : asked) readings.push_back(reading.get());
  return readings;
}

void ServerView::take(Reading reading) {
  has_before_ = now_.at_us != 0 && now_.answered();
  before_ = std::move(now_);
  now_ = std::move(reading);
  const double left = number_in(now_.status, "backlog_records");
  most_left_ = drains() ? std::max(most_left_, left) : 0;
}

std::optional<double> ServerView::rate(std::string_view counter) const {
  if (!has_before_ || !now_.answered()) return std::nullopt;
  const double grown = number_in(now_.status, counter) - number_in(before_.status, counter);
  const double seconds = static_cast<double>(now_.at_us - before_.at_us) / 1e6;
  if (grown < 0 || seconds <= 0) return std::nullopt;
  return grown / seconds;
}

std::string ServerView::state() const {
  const std::string state = text_in(now_.status, "state");
  return in_capitals(state.empty() ? text_in(now_.status, "intake") : state);
}

std::string ServerView::reason() const {
  const std::string reason = text_in(now_.status, "reason");
  return reason.empty() ? now_.not_ready : reason;
}

bool ServerView::drains() const {
  const bool flusher = target_.kind == ConfigKind::kFlusher;
  const std::string drain =
      flusher ? text_in(now_.status, "state") : text_in(now_.status, "flusher");
  return drain == "DRAINING" || drain == "PACED";
}

std::string ServerView::progress() const {
  const double left = number_in(now_.status, "backlog_records");
  // What answers may not be a flusher.
  const double done = most_left_ <= 0 ? 1 : std::clamp(1 - left / most_left_, 0.0, 1.0);
  const auto cells = static_cast<size_t>(done * kBarCells);
  const double eta_s = number_in(now_.status, "eta_seconds");
  return "[" + std::string(cells, '#') + std::string(kBarCells - cells, '.') + "] " +
         std::to_string(std::llround(done * 100)) + " %, " + grouped(std::llround(left)) +
         " records left, ETA " + (eta_s > 0 || left == 0 ? seconds_text(eta_s) : "unknown");
}

std::vector<std::string> ServerView::proxy_lines() const {
  const json::object& status = now_.status;
  std::vector<std::string> lines;
  lines.push_back("accepted " + per_second(rate("purchases_accepted")) + ", " +
                  grouped(whole(status, "purchases_accepted")) + " in all; sold out " +
                  per_second(rate("purchases_soldout")) + "; busy " +
                  per_second(rate("purchases_busy")) + "; " + grouped(whole(status, "items")) +
                  " items");
  lines.push_back(backlog(status, number_in(status, "backlog_oldest_age_seconds")) + "; flusher " +
                  text_in(status, "flusher") + ", " +
                  grouped(whole(status, "drain_rows_per_second")) + " rows/s; dead letters " +
                  grouped(whole(status, "dead_letters")));
  const int64_t unknown = whole(status, "purchases_unknown");
  if (unknown > 0)
    lines.push_back("error: the outcome of " + grouped(unknown) + " purchases is unknown");
  const std::string trouble = text_in(status, "flusher_error");
  if (!trouble.empty()) lines.push_back("error of the flusher: " + trouble);
  return lines;
}

std::vector<std::string> ServerView::flusher_lines() const {
  const json::object& status = now_.status;
  std::vector<std::string> lines;
  const json::value* eta = status.if_contains("eta_seconds");
  const bool has_eta = eta != nullptr && eta->is_number();
  lines.push_back(backlog(status, number_in(status, "oldest_age_seconds")) + "; " +
                  grouped(whole(status, "rows_per_second")) + " rows/s, " +
                  grouped(whole(status, "rows_total")) + " in all; ETA " +
                  (has_eta ? seconds_text(number_in(status, "eta_seconds")) : "-") +
                  "; dead letters " + grouped(whole(status, "dead_letter_rows")));
  if (drains()) lines.push_back(progress());
  const json::value* mysql = status.if_contains("mysql");
  if (mysql != nullptr && mysql->is_object()) {
    const std::string error = text_in(mysql->as_object(), "error");
    if (!error.empty()) lines.push_back("error of MySQL: " + error);
  }
  for (std::string& failure : failures(status)) lines.push_back(std::move(failure));
  return lines;
}

std::vector<std::string> ServerView::lines() const {
  const bool proxy = target_.kind == ConfigKind::kProxy;
  std::string first(word_of(target_.kind));
  if (proxy && answered()) {
    const json::value* id = now_.status.if_contains("proxy_id");
    if (id != nullptr)
      first += " " + (id->is_string() ? std::string(id->as_string()) : json::serialize(*id));
  }
  first += "  " + target_.url + "  ";
  if (!answered()) return {printable(first + "DOES NOT ANSWER: " + now_.trouble)};
  first += state();
  if (!reason().empty()) first += ": " + reason();
  std::vector<std::string> all{first};
  for (const std::string& line : proxy ? proxy_lines() : flusher_lines())
    all.push_back(kIndent + line);
  for (std::string& line : all) line = printable(std::move(line));
  return all;
}

json::object ServerView::json() const {
  json::object object{
      {"kind", word_of(target_.kind)}, {"url", target_.url}, {"answers", answered()}};
  if (!answered()) {
    object["error"] = now_.trouble;
    return object;
  }
  object["state"] = state();
  object["reason"] = reason();
  const bool proxy = target_.kind == ConfigKind::kProxy;
  const auto figure = rate(proxy ? "purchases_accepted" : "rows_total");
  object[proxy ? "accepted_per_second" : "drained_per_second"] =
      figure ? json::value(*figure) : json::value(nullptr);
  object["status"] = now_.status;
  return object;
}

}  // namespace sluice::ctl
