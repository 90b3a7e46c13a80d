// Looks in at regular times on the sessions that have a reason for it. The others, idle ones above
// all, cost nothing.
//
// A session enters itself when a reason comes up and is kept until it says that there is none any
// more, so that coming and going reasons cost nothing either. A worker has two: one for what is due
// (a login, the rest of a command, the reading of replies), one that paces who reads ahead. Its I/O
// thread only. No more than kSessionsATurn are looked at in one turn of the thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "proxy/upstream/io_thread.h"

namespace sluice::proxy::front {

class Patrolled {
 public:
  // Returns false if there is no reason left. If it ends itself, it leaves and returns true.
  virtual bool looked_at(int64_t now_us) = 0;

 protected:
  ~Patrolled() = default;

 private:
  friend class Patrol;
  static constexpr size_t kNowhere = SIZE_MAX;
  size_t place_ = kNowhere;
};

class Patrol {
 public:
  static constexpr size_t kSessionsATurn = 256;

  Patrol(upstream::IoThread& thread, std::chrono::milliseconds every)
      : every_(every), context_(thread.context()), timer_(thread.context()) {}

  void enter(Patrolled& one);
  void leave(Patrolled& one);

 private:
  void next_round();
  void look(size_t from);

  const std::chrono::milliseconds every_;
  boost::asio::io_context& context_;
  boost::asio::steady_timer timer_;
  std::vector<Patrolled*> all_;
  bool under_way_ = false;  // a round, or the wait for it
};

}  // namespace sluice::proxy::front
