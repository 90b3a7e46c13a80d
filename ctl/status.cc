// `sluice-ctl status`: what all proxies and flushers do, once, or live with --watch.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/command_line.h"
#include "ctl/admin_target.h"
#include "ctl/commands.h"
#include "ctl/status_view.h"

namespace sluice::ctl {
namespace {

constexpr int64_t kBetweenLooksUs = 500'000;  // for the rates of a single status
constexpr int64_t kWatchUs = 1'000'000;
constexpr const char* kHomeAndClear = "\x1b[H\x1b[2J";

// Ctrl-C, or the end asked for by another: it is waited for instead of a sleep.
class EndSignals {
 public:
  EndSignals() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGINT);
    ::sigaddset(&set_, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~EndSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  // Whether one came within this time.
  bool within(int64_t us) const {
    us = std::max<int64_t>(us, 0);
    const timespec time{us / 1'000'000, us % 1'000'000 * 1000};
    return ::sigtimedwait(&set_, nullptr, &time) > 0;
  }

 private:
  sigset_t set_, before_;
};

class Panel {
 public:
  explicit Panel(const std::vector<AdminTarget>& targets) : targets_(targets) {
    for (const AdminTarget& target : targets) views_.emplace_back(target);
  }

  void look() {
    std::vector<Reading> readings = read_statuses(targets_);
    for (size_t i = 0; i < views_.size(); ++i) views_[i].take(std::move(readings[i]));
  }

  void print(bool as_json) const {
    if (as_json) {
      boost::json::array servers;
      for (const ServerView& view : views_) servers.push_back(view.json());
      const boost::json::object object{{"at_ms", base::wall_ms()}, {"servers", servers}};
      std::printf("%s\n", boost::json::serialize(object).c_str());
    } else {
      for (const ServerView& view : views_) {
        for (const std::string& line : view.lines()) std::printf("%s\n", line.c_str());
      }
    }
    std::fflush(stdout);
  }

  bool all_answer() const {
    return std::all_of(views_.begin(), views_.end(),
                       [](const ServerView& view) { return view.answered(); });
  }

 private:
  const std::vector<AdminTarget> targets_;
  std::vector<ServerView> views_;
};

int watch(Panel& panel, bool as_json, const EndSignals& end) {
  const bool terminal = !as_json && ::isatty(STDOUT_FILENO) == 1;
  int64_t next_us = base::monotonic_us();
  for (;;) {
    panel.look();
    if (terminal) std::printf("%s", kHomeAndClear);
    if (!as_json)
      std::printf("%s%s\n", base::utc_text(base::wall_ms()).c_str(),
                  terminal ? "   (Ctrl-C ends this)" : "");
    panel.print(as_json);
    next_us = std::max(next_us + kWatchUs, base::monotonic_us());
    if (end.within(next_us - base::monotonic_us())) return kDone;
  }
}

}  // namespace

int status_command(std::span<const std::string> args) {
  base::CommandLine line("What the proxies and flushers are doing, and why.", "sluice-ctl status");
  AdminOptions options;
  bool live = false, as_json = false;
  line.flag("--watch", &live, "once a second, until Ctrl-C");
  line.flag("--json", &as_json, "print one JSON object; with --watch one a line");
  add_admin_options(line, options);
  line.footer("Exit codes: 0 all answer; 1 one does not; 2 bad arguments.");
  if (const auto end = line.parse(args)) return *end;
  const auto targets = admin_targets(options);
  if (!targets) {
    std::fprintf(stderr, "status: %s\n", targets.error().message().c_str());
    return kBadArguments;
  }
  const EndSignals end;
  Panel panel(*targets);
  if (live) return watch(panel, as_json, end);
  panel.look();
  if (end.within(kBetweenLooksUs)) return kFailed;
  panel.look();
  panel.print(as_json);
  return panel.all_answer() ? kDone : kFailed;
}

}  // namespace sluice::ctl
