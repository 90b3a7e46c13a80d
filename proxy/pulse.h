// What the service manager is told of the proxy: its state in a line, and whether every thread that
// clients depend on gets on with its work.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "journal/group_commit.h"
#include "proxy/monitor/health.h"
#include "proxy/sale/flusher_port.h"
#include "proxy/upstream/io_thread.h"

namespace sluice::proxy {

// "selling; 120 records not in MySQL yet (DRAINING)". Any thread.
std::string state_text(const monitor::Health& health, const sale::FlusherPort& flusher);

// Asks each I/O thread to answer, which it does at the end of a turn, and looks how long the
// journal has been at one commit. Redis, MySQL and clients may take their time: a new start cures
// none of them.
class Progress {
 public:
  // `commit_us_max`: a commit that takes longer is no progress. All outlive it.
  Progress(std::vector<std::unique_ptr<upstream::IoThread>>& threads,
           const journal::GroupCommit& journal, int64_t commit_us_max);

  // Whether all threads have answered since the call before. One thread.
  bool made();

 private:
  std::vector<std::unique_ptr<upstream::IoThread>>& threads_;
  const journal::GroupCommit& journal_;
  const int64_t commit_us_max_;
  // Of the question asked last, still to come. Shared with what waits on threads that have ended.
  std::shared_ptr<std::atomic<size_t>> missing_ = std::make_shared<std::atomic<size_t>>(0);
};

}  // namespace sluice::proxy
