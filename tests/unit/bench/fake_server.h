// A RESP server whose every answer a test decides: to stall, to fall silent, to hang up.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/reply.h"

namespace sluice::bench {

// One thread serves all connections, in turn: a stall in `answer` stalls every client, as a stall
// of a real single-threaded server does.
class FakeServer {
 public:
  static inline const std::string kHangUp = "hang up";

  // Called with each request's number (from 0) and bytes; returns the reply, "" for none, or
  // kHangUp to close the connection.
  using Answer = std::function<std::string(size_t number, const std::string& request)>;

  explicit FakeServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    ::bind(listener_, raw, length);
    ::listen(listener_, 128);
    ::getsockname(listener_, raw, &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
  }
  ~FakeServer() {
    thread_.request_stop();
    thread_.join();
    for (const Client& client : clients_) ::close(client.fd);
    ::close(listener_);
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  struct Client {
    int fd;
    std::string in;
  };

  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::vector<pollfd> fds{{listener_, POLLIN, 0}};
      for (const Client& client : clients_) fds.push_back({client.fd, POLLIN, 0});
      if (::poll(fds.data(), fds.size(), 5) <= 0) continue;
      for (size_t i = fds.size() - 1; i > 0; --i) {
        if (fds[i].revents != 0 && !read_from(clients_[i - 1])) {
          ::close(clients_[i - 1].fd);
          clients_.erase(clients_.begin() + static_cast<ptrdiff_t>(i - 1));
        }
      }
      if (fds[0].revents != 0) accept_one();
    }
  }

  void accept_one() {
    const int fd = ::accept(listener_, nullptr, nullptr);
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    clients_.push_back({fd, {}});
  }

  bool read_from(Client& client) {
    char bytes[4096];
    const ssize_t n = ::recv(client.fd, bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    client.in.append(bytes, static_cast<size_t>(n));
    for (;;) {
      // A request is an array of bulk strings: the scanner of replies finds its end, too.
      const size_t length = scan_reply(client.in);
      if (length == 0 || length == kReplyMalformed) return length == 0;
      const std::string request = client.in.substr(0, length);
      client.in.erase(0, length);
      size_t number = 0;
      {
        const std::lock_guard lock(mutex_);
        number = requests_.size();
        requests_.push_back(request);
      }
      const std::string reply = answer_(number, request);
      if (reply == kHangUp) return false;
      if (::send(client.fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) return false;
    }
  }

  const Answer answer_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;  // guarded by mutex_
  std::vector<Client> clients_;        // the server's thread only, until it has ended
  std::jthread thread_;
};

}  // namespace sluice::bench
