// A client that no server wants, on a thread and a connection of its own.
//
// It connects when it is made and misbehaves until it is destroyed; a connection that the server
// has ended is not made anew.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "base/error.h"
#include "bench/address.h"

namespace sluice::bench {

enum class Abuse {
  kNeverReads,   // pipelines 1 GB of GETs and reads no reply
  kTrickles,     // sends a command at a byte a second
  kAnnounces,    // announces a command of two thousand million arguments
};

const char* describe(Abuse abuse);

class Abuser {
 public:
  // `address` outlives the abuser.
  Abuser(Abuse abuse, const Address& address);
  ~Abuser();
  Abuser(const Abuser&) = delete;

  // Bytes that the server has taken so far.
  uint64_t sent() const { return sent_.load(std::memory_order_relaxed); }

 private:
  void run();
  // Sends as much of `bytes` as the server takes until stop_; false once nothing more can be sent.
  bool send(std::string_view bytes);
  void pipeline();
  void trickle();
  void wait_for_the_end();

  const Abuse abuse_;
  const Address& address_;
  int fd_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> sent_{0};
  std::thread thread_;
};

}  // namespace sluice::bench
