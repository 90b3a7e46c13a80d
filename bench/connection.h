// One client connection of the load generator: a non-blocking socket, the bytes waiting to be
// sent, and the requests waiting for their replies in order.
//
// The generator's loop owns it and is its only caller. Requests are queued with push() and leave
// with flush(), so that one turn costs one write; replies come out of read_replies().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/address.h"

namespace sluice::bench {

// A request on its way. `intended_ns` is when it should have been sent: latency counts from there.
struct Sent {
  uint64_t index = 0;
  int64_t intended_ns = 0;
};

class Connection {
 public:
  enum class State { kClosed, kConnecting, kReady };

  Connection(const Address& address, size_t pipeline, bool resp3);
  ~Connection() { close(); }
  Connection(Connection&&) = delete;

  // Begins to connect; state() is kConnecting until the socket reports and finish_open() is called.
  Status open(int epoll_fd, uint32_t tag);
  Status finish_open();
  void close();

  State state() const { return state_; }
  size_t in_flight() const { return count_; }
  size_t room() const { return ring_.size() - count_; }
  bool unsent() const { return out_done_ < out_.size(); }

  // The buffer to encode a request into, right before push() of the same request.
  std::string& out() { return out_; }
  void push(Sent sent);
  // The oldest request without a reply, removed. Requires in_flight() > 0.
  Sent pop();
  // Writes what fits into the socket. An error means that the connection is lost.
  Status flush();

  // Reads once into `scratch` (shared by all connections, grown as needed) and calls
  // `on_reply(reply)` for each whole reply. An error means that the connection is lost.
  template <class OnReply>
  Status read_replies(std::vector<char>& scratch, OnReply&& on_reply);

 private:
  static constexpr size_t kReadBytes = 64 * 1024;

  // The bytes read so far that are not yet a whole reply, and the new ones; in `scratch`.
  Result<std::string_view> read_some(std::vector<char>& scratch);

  const Address& address_;
  const bool resp3_;
  State state_ = State::kClosed;
  int fd_ = -1;
  bool greeting_pending_ = false;  // the reply to HELLO 3 has not come yet
  bool more_ = false;              // the last read filled the buffer: read again
  std::string out_;
  size_t out_done_ = 0;
  std::string partial_;     // the beginning of a reply whose end has not arrived
  std::vector<Sent> ring_;  // the requests in flight, in order
  size_t head_ = 0;
  size_t count_ = 0;
};

// Length of the first reply, or an error that says that the server does not speak RESP.
Result<size_t> next_reply(std::string_view bytes);

template <class OnReply>
Status Connection::read_replies(std::vector<char>& scratch, OnReply&& on_reply) {
  do {
    auto bytes = read_some(scratch);
    if (!bytes) return bytes.error();
    std::string_view rest = *bytes;
    while (!rest.empty()) {
      const auto length = next_reply(rest);
      if (!length) return length.error();
      if (*length == 0) break;
      if (greeting_pending_) {
        greeting_pending_ = false;
      } else {
        if (count_ == 0) return Error(ErrorClass::kInvalid, "a reply that nobody asked for");
        on_reply(rest.substr(0, *length));
      }
      rest.remove_prefix(*length);
    }
    partial_.assign(rest);
  } while (more_);
  return {};
}

}  // namespace sluice::bench
