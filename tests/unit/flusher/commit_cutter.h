// Stands between a client and mariadbd and cuts the connection at a COMMIT: before the server gets
// it, or after the server has answered but before the client hears of it.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace sluice::testing_support {

class CommitCutter {
 public:
  CommitCutter(const std::string& path, const std::string& server) : server_(server) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un address = address_of(path);
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(listener_, 16);
    acceptor_ = std::thread([this] { accept(); });
  }
  ~CommitCutter() {
    stop_ = true;
    acceptor_.join();
    for (std::thread& relay : relays_) relay.join();
    ::close(listener_);
  }

  std::atomic<int> cut_before{0};  // so many of the next COMMITs never reach the server
  std::atomic<int> cut_after{0};   // so many of the next COMMITs are done, but nobody is told

 private:
  static sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return address;
  }

  void accept() {
    while (!stop_) {
      pollfd waiter{listener_, POLLIN, 0};
      if (::poll(&waiter, 1, 20) != 1) continue;
      const int client = ::accept(listener_, nullptr, nullptr);
      const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
      const sockaddr_un address = address_of(server_);
      ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address);
      relays_.emplace_back([this, client, server] {
        relay(client, server);
        ::close(client);
        ::close(server);
      });
    }
  }

  void relay(int client, int server) {
    std::vector<char> block(1 << 16);
    bool swallow_answer = false;
    while (!stop_) {
      pollfd waiters[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
      if (::poll(waiters, 2, 20) <= 0) continue;
      for (int side = 0; side < 2; ++side) {
        if (waiters[side].revents == 0) continue;
        const ssize_t n = ::recv(waiters[side].fd, block.data(), block.size(), 0);
        if (n <= 0 || (side == 1 && swallow_answer)) return;
        // A COM_QUERY of its own: 4 bytes of packet header, command 3, text.
        const std::string_view bytes(block.data(), static_cast<size_t>(n));
        const bool commit = side == 0 && bytes.size() == 11 &&
                            bytes.substr(4) ==
                                "\x03"
                                "COMMIT";
        if (commit && take(cut_before)) return;
        swallow_answer = commit && take(cut_after);
        if (::send(waiters[1 - side].fd, block.data(), static_cast<size_t>(n), MSG_NOSIGNAL) != n)
          return;
      }
    }
  }

  static bool take(std::atomic<int>& budget) {
    int left = budget.load();
    while (left > 0 && !budget.compare_exchange_weak(left, left - 1)) {
    }
    return left > 0;
  }

  const std::string server_;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::thread acceptor_;
  std::vector<std::thread> relays_;  // acceptor thread, then the destructor
};

}  // namespace sluice::testing_support
