// What a daemon tells whoever supervises it, by the protocol of sd_notify(3): one datagram of lines
// to the unix socket in NOTIFY_SOCKET. systemd understands it, and so do some others; without that
// variable nothing is told, and nothing costs anything.
//
//   READY=1, RELOADING=1, STOPPING=1   what it does
//   STATUS=text                        in which state it is, for `systemctl status`
//   WATCHDOG=1                         that it gets on with its work (service_pulse.h)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::base {

// Of the gauge sluice_reload_failed, which both daemons have.
inline constexpr std::string_view kReloadFailedHelp =
    "1 if what the last SIGHUP asked for could not be done in full; the log says why.";

class ServiceManager {
 public:
  // Takes the variables out of the environment, so that no child speaks for this process. Once,
  // before threads are started.
  static ServiceManager from_environment();
  explicit ServiceManager(std::string socket_path = "", int64_t watchdog_us = 0)
      : path_(std::move(socket_path)), watchdog_us_(watchdog_us) {}

  bool listens() const { return !path_.empty(); }
  // In which time the next WATCHDOG=1 is wanted; 0: it is not asked for.
  int64_t watchdog_us() const { return watchdog_us_; }

  void ready() const { tell("READY=1"); }
  void stopping() const { tell("STOPPING=1"); }
  // Around a reload; ready() ends it.
  void reloading() const;
  // Line breaks become spaces.
  void status(std::string text) const;
  void alive() const { tell("WATCHDOG=1"); }

 private:
  // Best effort: who does not listen misses it. Any thread.
  void tell(std::string_view lines) const;

  std::string path_;  // "@name": of the abstract namespace
  int64_t watchdog_us_ = 0;
};

}  // namespace sluice::base
