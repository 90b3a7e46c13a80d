// The server with a sale of its own making, in front of a real redis-server.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <random>
#include <string>
#include <thread>

#include "base/clock.h"
#include "proxy/front/server.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

using namespace std::chrono_literals;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_to(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

class RedisServer {
 public:
  RedisServer() : port_(free_port()), pid_(::fork()) {
    if (pid_ == 0) {
      const std::string port = std::to_string(port_);
      ::execlp("redis-server", "redis-server", "--port", port.c_str(), "--save", "", "--logfile",
               "/dev/null", "--dir", "/tmp", nullptr);
      ::_exit(127);
    }
    const int64_t end_us = base::monotonic_us() + 10'000'000;
    int fd = -1;
    while ((fd = connect_to(port_)) < 0 && base::monotonic_us() < end_us)
      std::this_thread::sleep_for(10ms);
    EXPECT_GE(fd, 0) << "redis-server does not answer";
    ::close(fd);
  }
  ~RedisServer() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  uint16_t port() const { return port_; }

 private:
  const uint16_t port_;
  const pid_t pid_;
};

// Answers "SECKILL.BUY item user" with the user's name, at once or after a random delay.
class SlowSale final : public sale::PurchaseFlow {
 public:
  explicit SlowSale(uint64_t seed) : random_(seed) {}

  void execute(std::span<const std::string_view> args, size_t,
               std::shared_ptr<sale::ReplySink> sink, uint64_t token) override {
    std::string reply;
    resp::append_bulk(reply, args.back());
    if (random_() % 4 == 0) return sink->deliver(token, reply);
    auto timer = std::make_shared<boost::asio::steady_timer>(thread->context());
    timer->expires_after(std::chrono::microseconds(random_() % 5000));
    timer->async_wait([this, timer, sink, token, reply](const auto&) {
      sink->deliver(token, reply);
      ++delivered;
    });
  }
  std::string info_section() const override { return "sale:slow\r\n"; }

  upstream::IoThread* thread = nullptr;  // the only one
  std::atomic<int> delivered{0};

 private:
  std::mt19937_64 random_;  // the I/O thread only
};

const std::vector<base::ConfigKey>& no_keys() {
  static const std::vector<base::ConfigKey> keys;
  return keys;
}

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    endpoint_.host = "127.0.0.1";
    endpoint_.port = redis_.port();
    threads_.push_back(std::make_unique<upstream::IoThread>(0));
    sale_.thread = threads_[0].get();
    auto server = Server::create({"127.0.0.1:0"}, threads_, services_);
    EXPECT_TRUE(server) << server.error().message();
    server_ = std::move(*server);
    server_->start();
    threads_[0]->start();
  }
  ~SessionTest() override {
    server_->stop();
    threads_[0]->stop();
    threads_[0]->join();
  }

  static void send_all(int fd, const std::string& bytes) {
    ASSERT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string read(int fd, size_t size) {
    timeval limit{10, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    std::string bytes(size, '\0');
    const ssize_t got = ::recv(fd, bytes.data(), size, MSG_WAITALL);
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }

  const uint64_t seed_ = std::random_device{}();
  RedisServer redis_;
  upstream::Endpoint endpoint_;
  Limits limits_;
  Clients clients_;
  LiveConfig config_{base::Config(no_keys()), [](const base::Config&) {}};
  SlowSale sale_{seed_};
  Services services_{endpoint_, limits_, clients_, config_, sale_};
  std::vector<std::unique_ptr<upstream::IoThread>> threads_;
  std::unique_ptr<Server> server_;
};

TEST_F(SessionTest, MixedCommandsAreAnsweredInTheirOrder) {
  std::mt19937_64 random(seed_);
  const int fd = connect_to(server_->port());
  for (int round = 0; round < 20; ++round) {
    std::string requests, expected;
    for (int i = 0; i < 300; ++i) {
      const std::string text = std::to_string(round) + "-" + std::to_string(i);
      const bool sale = random() % 2 == 0;
      const std::vector<std::string_view> words =
          sale ? std::vector<std::string_view>{"seckillbuy", "item", text}
               : std::vector<std::string_view>{"ECHO", text};
      resp::append_command(requests, words);
      resp::append_bulk(expected, text);
      if (random() % 50 == 0) {
        requests += "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nECHO\r\n$1\r\nm\r\n*1\r\n$4\r\nEXEC\r\n";
        expected += "+OK\r\n+QUEUED\r\n*1\r\n$1\r\nm\r\n";
      }
    }
    send_all(fd, requests);
    ASSERT_EQ(read(fd, expected.size()), expected) << "seed " << seed_;
  }
  ::close(fd);
}

TEST_F(SessionTest, ASaleReplyForAClientThatHasGoneIsDropped) {
  std::string requests;
  for (int i = 0; i < 100; ++i)
    resp::append_command(requests, std::vector<std::string_view>{"SECKILL.BUY", "i", "u"});
  for (int i = 0; i < 20; ++i) {
    const int fd = connect_to(server_->port());
    send_all(fd, requests);
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    ::close(fd);
  }
  const int64_t end_us = base::monotonic_us() + 10'000'000;
  while (clients_.count() > 0 && base::monotonic_us() < end_us) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(clients_.count(), 0);
  const int fd = connect_to(server_->port());
  send_all(fd, "PING\r\n");
  EXPECT_EQ(read(fd, 7), "+PONG\r\n");
  ::close(fd);
}

TEST_F(SessionTest, InfoHasTheSectionOfTheSale) {
  const int fd = connect_to(server_->port());
  send_all(fd, "INFO sluice\r\n");
  EXPECT_EQ(read(fd, 28), "$21\r\n# Sluice\r\nsale:slow\r\n\r\n");
  ::close(fd);
}

TEST_F(SessionTest, ACommandsReplyIsWantedAlsoAfterTheEndOfInput) {
  const int fd = connect_to(server_->port());
  send_all(fd, "SECKILL.BUY i u\r\nPING\r\n");
  ::shutdown(fd, SHUT_WR);
  EXPECT_EQ(read(fd, 100), "$1\r\nu\r\n+PONG\r\n");
  ::close(fd);
}

}  // namespace
}  // namespace sluice::proxy::front
