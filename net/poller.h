// Tells which of a thread's sockets are ready: one edge-triggered epoll set inside Asio's.
//
//   io_context ──one wait a turn──► Poller ──► every socket that is ready, one after the other
//                                        └──► the end of the turn, once
//
// Asio's own operations cost a proxy of short commands too much: each read is tried once in vain
// after the one that emptied the socket, and each operation takes locks and memory. Here a socket
// enters the set once, no system call begins or ends a wait, and one epoll_wait brings all that is
// ready, so that what they cause leaves in one write for each connection when the turn ends.
//
// One for each I/O thread; used by that thread only, and outlived by its io_context alone.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace sluice::net {

// One socket in the set, and what is known of it.
class Pollable {
 public:
  static constexpr uint8_t kRead = 1;
  static constexpr uint8_t kWrite = 2;

 protected:
  ~Pollable() = default;

  // A bit is set by the kernel's edge; whoever finds that the socket has no more to give, or takes
  // no more, clears it. A new edge comes only after that, so it must not be cleared otherwise.
  uint8_t ready_ = 0;
  // The peer has ended or urgent bytes came: a short read does not tell that the socket is empty.
  bool short_reads_lie_ = false;

 private:
  friend class Poller;
  // From the event loop: ready_ has changed, or call_soon() was called. May end the socket.
  virtual void socket_ready() = 0;
  bool called_soon_ = false;
};

class Poller {
 public:
  // At each turn's end, of which there is one for each batch of sockets, `turn_ended` is called.
  Poller(boost::asio::io_context& context, std::function<void()> turn_ended);
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // `fd` is not known to Asio. False: the system has no room for it (errno).
  bool add(int fd, Pollable& socket);
  // Before or after its descriptor is closed; socket_ready() is not called again.
  void remove(Pollable& socket);
  // socket_ready() is called in the next turn, whatever the kernel says.
  void call_soon(Pollable& socket);

  // A batch of sockets is being called: the end of the turn is still to come.
  bool in_turn() const { return in_turn_; }
  // Monotonic: when the last turn began. To the sockets called in it this is now, about.
  int64_t turn_us() const { return turn_us_; }

 private:
  static constexpr size_t kBatch = 128;

  void wait();
  void turn();

  boost::asio::io_context& context_;
  const std::function<void()> turn_ended_;
  boost::asio::posix::stream_descriptor epoll_;
  std::array<epoll_event, kBatch> events_{};
  size_t batch_ = 0;                       // of events_, while they are worked off
  std::vector<Pollable*> soon_, running_;  // null: removed
  bool waiting_ = false;
  bool posted_ = false;
  bool in_turn_ = false;
  int64_t turn_us_ = 0;
};

}  // namespace sluice::net
