// Tells the service manager, twice a second, in which state the daemon is, and that it gets on with
// its work: only then, so that one which has come to a stop is started anew. A timer that ticks
// whatever happens would hide it.
//
// A thread of its own, and none at all if nobody listens.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/service_manager.h"

namespace sluice::base {

class ServicePulse {
 public:
  // Both are called on the pulse's thread. `progressed`: whether the work has gone on since the
  // call before; waiting for others (clients, a server that is away) is going on.
  struct Daemon {
    std::function<std::string()> state;
    std::function<bool()> progressed;
  };

  // `manager` outlives the pulse.
  ServicePulse(const ServiceManager& manager, Daemon daemon);
  ~ServicePulse() { stop(); }
  // What `daemon` calls is not called any more when it returns.
  void stop();

 private:
  void run();

  const ServiceManager& manager_;
  const Daemon daemon_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace sluice::base
