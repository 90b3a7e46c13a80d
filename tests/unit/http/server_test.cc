#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace sluice::http {
namespace {

// A client that may be as rude as it likes.
class RawClient {
 public:
  explicit RawClient(unsigned short port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { ::close(socket_); }

  bool connected() const { return connected_; }
  void send(std::string_view bytes) {
    [[maybe_unused]] const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // What arrives until `wanted` is in it, the peer closes, or the time is over.
  std::string receive_until(std::string_view wanted, int timeout_ms = 5000) {
    std::string got;
    char block[4096];
    pollfd waiter{socket_, POLLIN, 0};
    while (got.find(wanted) == std::string::npos && ::poll(&waiter, 1, timeout_ms) == 1) {
      const ssize_t n = ::recv(socket_, block, sizeof block, 0);
      if (n <= 0) break;
      got.append(block, static_cast<size_t>(n));
    }
    return got;
  }

 private:
  const int socket_;
  bool connected_ = false;
};

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto created = Server::create({"127.0.0.1:0", ""});
    ASSERT_TRUE(created.ok()) << created.error().message();
    server_ = std::move(*created);
    server_->route("GET", "/healthz", [](const Request&) {
      return Response{200, "text/plain", "ok"};
    });
    server_->route("POST", "/echo", [](const Request& request) {
      return Response{200, "text/plain", request.query + "|" + request.body};
    });
    server_->route("POST", "/block", [this](const Request&) {
      std::unique_lock lock(mutex_);
      ++blocked_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return released_; });
      return Response{};
    });
    server_->start();
  }
  void TearDown() override {
    release();
    if (server_) server_->stop();
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

  std::unique_ptr<Server> server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;
  int blocked_ = 0;
};

TEST_F(ServerTest, AnswersRoutesAndNamesWhatIsUnknown) {
  const auto healthy = fetch("GET", url(), "/healthz", "", 5000);
  ASSERT_TRUE(healthy.ok()) << healthy.error().message();
  EXPECT_EQ(healthy->status, 200);
  EXPECT_EQ(healthy->body, "ok");
  EXPECT_EQ(healthy->content_type, "text/plain");
  EXPECT_EQ(fetch("GET", url(), "/nothing", "", 5000)->status, 404);
  EXPECT_EQ(fetch("POST", url(), "/healthz", "", 5000)->status, 405);
  EXPECT_EQ(fetch("POST", url(), "/echo?wait_ms=5", "", 5000)->body, "wait_ms=5|");
}

TEST_F(ServerTest, KeepAliveServesSeveralRequestsInOrder) {
  RawClient client(server_->port());
  const std::string request =
      "POST /echo?a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nx";
  client.send(request + "1" + request + "2");
  const std::string got = client.receive_until("a|x2");
  EXPECT_LT(got.find("a|x1"), got.find("a|x2"));
  EXPECT_NE(got.find("a|x2"), std::string::npos) << got;
}

TEST_F(ServerTest, BlockedPostDoesNotBlockHealth) {
  std::vector<std::thread> blocked;
  for (int i = 0; i < 7; ++i) {
    blocked.emplace_back([this] { (void)fetch("POST", url(), "/block", "", 20'000); });
  }
  {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(10), [this] { return blocked_ == 7; }));
  }
  EXPECT_EQ(fetch("GET", url(), "/healthz", "", 5000)->status, 200);
  EXPECT_EQ(fetch("POST", url(), "/echo", "", 5000)->status, 503);
  release();
  for (std::thread& thread : blocked) thread.join();
  EXPECT_EQ(fetch("POST", url(), "/echo", "", 5000)->status, 200);
}

TEST_F(ServerTest, HeaderAndBodyAreBounded) {
  const auto answer = [this](const std::string& request) {
    RawClient client(server_->port());
    client.send(request);
    return client.receive_until("\r\n").substr(0, 12);
  };
  const std::string host = "Host: localhost\r\n";
  EXPECT_EQ(
      answer("GET /healthz HTTP/1.1\r\n" + host + "X: " + std::string(7000, 'x') + "\r\n\r\n"),
      "HTTP/1.1 200");
  EXPECT_EQ(answer("GET /healthz HTTP/1.1\r\n" + host + "X: " + std::string(9000, 'x')),
            "HTTP/1.1 431");
  EXPECT_EQ(answer("POST /echo HTTP/1.1\r\n" + host + "Content-Length: 65536\r\n\r\n" +
                   std::string(65536, 'x')),
            "HTTP/1.1 200");
  EXPECT_EQ(answer("POST /echo HTTP/1.1\r\n" + host + "Content-Length: 65537\r\n\r\n"),
            "HTTP/1.1 413");
  EXPECT_EQ(answer("\x16\x03\x01 junk\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(answer("GET /healthz HTTP/1.1\r\n\r\n"), "HTTP/1.1 403");
}

TEST_F(ServerTest, MoreConnectionsThanTheLimitWaitForTheirTurn) {
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 64; ++i) idle.push_back(std::make_unique<RawClient>(server_->port()));
  for (auto& client : idle) {
    client->send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_NE(client->receive_until("ok").find("200"), std::string::npos);
  }
  RawClient late(server_->port());
  late.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(late.receive_until("ok", 200), "");
  idle.pop_back();
  EXPECT_NE(late.receive_until("ok").find("200"), std::string::npos);
}

TEST_F(ServerTest, FetchGivesUpAtItsDeadline) {
  const auto answer = fetch("POST", url(), "/block", "", 100);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().cls(), ErrorClass::kUnavailable);
}

TEST_F(ServerTest, BusyAddressIsNamed) {
  const auto second = Server::create({"127.0.0.1:" + std::to_string(server_->port()), ""});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().cls(), ErrorClass::kUnavailable);
  EXPECT_NE(second.error().message().find("admin.address"), std::string::npos);
}

TEST(ServerSwitchedOff, HasNoPort) {
  auto server = Server::create({"", ""});
  ASSERT_TRUE(server.ok());
  (*server)->start();
  EXPECT_EQ((*server)->port(), 0);
  (*server)->stop();
}

}  // namespace
}  // namespace sluice::http
