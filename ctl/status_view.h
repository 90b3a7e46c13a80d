// What proxies and flushers say of themselves, read once a second, as lines for people.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ctl/admin_target.h"

namespace sluice::ctl {

// One look at one server.
struct Reading {
  int64_t at_us = 0;           // monotonic
  std::string trouble;         // why it did not answer; "": it did
  boost::json::object status;  // its /status
  std::string not_ready;       // of a proxy that is not: the reason

  bool answered() const { return trouble.empty(); }
};

Reading read_status(const AdminTarget& target);
// All at once, so that one that does not answer keeps nobody waiting.
std::vector<Reading> read_statuses(const std::vector<AdminTarget>& targets);

// What is known of one server over time.
class ServerView {
 public:
  explicit ServerView(AdminTarget target) : target_(std::move(target)) {}

  void take(Reading reading);
  bool answered() const { return now_.answered(); }

  // The server, its state and why, and its figures; a progress bar while it drains. No line end.
  std::vector<std::string> lines() const;
  boost::json::object json() const;

 private:
  // How much a counter grew a second between the last two looks; nullopt: there was one only, or
  // it was started again.
  std::optional<double> rate(std::string_view counter) const;
  std::string state() const;
  std::string reason() const;
  bool drains() const;
  std::string progress() const;
  std::vector<std::string> proxy_lines() const;
  std::vector<std::string> flusher_lines() const;

  AdminTarget target_;
  Reading before_, now_;
  bool has_before_ = false;
  double most_left_ = 0;  // records, since the drain that is going on was seen first
};

}  // namespace sluice::ctl
