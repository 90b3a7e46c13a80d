#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
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
    char block[65536];
    pollfd waiter{socket_, POLLIN, 0};
    size_t from = 0;
    while (got.find(wanted, from) == std::string::npos && ::poll(&waiter, 1, timeout_ms) == 1) {
      const ssize_t n = ::recv(socket_, block, sizeof block, 0);
      if (n <= 0) break;
      from = got.size() - std::min(got.size(), wanted.size());
      got.append(block, static_cast<size_t>(n));
    }
    return got;
  }
  // The peer has closed it; waits for that.
  bool is_closed() {
    char byte;
    pollfd waiter{socket_, POLLIN, 0};
    return ::poll(&waiter, 1, 5000) == 1 && ::recv(socket_, &byte, 1, 0) <= 0;
  }

 private:
  const int socket_;
  bool connected_ = false;
};

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto created = Server::create({"127.0.0.1:0"});
    ASSERT_TRUE(created.ok()) << created.error().message();
    server_ = std::move(*created);
    server_->route("GET", "/healthz", [](const Request&) {
      return Response{200, "text/plain", "ok"};
    });
    server_->route("POST", "/echo", [](const Request& request) {
      return Response{200, "text/plain", request.query + "|" + request.body};
    });
    server_->route("GET", "/large", [this](const Request&) {
      const std::lock_guard lock(mutex_);
      ++large_;
      changed_.notify_all();
      return Response{200, "text/plain", std::string(6 << 20, 'x')};
    });
    server_->route("GET", "/wait", [this](const Request&) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return released_; });
      return Response{};
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
  int blocked_ = 0, large_ = 0;
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

TEST_F(ServerTest, AHeaderThatDecidesIsSentOnce) {
  const auto answer = [this](const std::string& method, const std::string& headers) {
    RawClient client(server_->port());
    client.send(method + " /echo HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n");
    const std::string got = client.receive_until("}", 1000);
    if (got.starts_with("HTTP/1.1 400")) {
      EXPECT_TRUE(client.is_closed());
    }
    return got;
  };
  for (const auto& [name, value] : {std::pair<std::string, std::string>{"Host", "localhost"},
                                    {"Origin", "http://localhost"},
                                    {"Authorization", "Bearer x"},
                                    {"Content-Length", "0"}}) {
    std::string once = name + ": " + value + "\r\n";
    std::string twice = once + once;
    if (name == "Host") twice = once, once.clear();
    EXPECT_TRUE(answer("POST", once).starts_with("HTTP/1.1 200")) << name;
    for (const std::string method : {"GET", "POST"}) {
      const std::string got = answer(method, twice);
      EXPECT_TRUE(got.starts_with("HTTP/1.1 400")) << got;
      EXPECT_NE(got.find(name), std::string::npos) << got;
    }
  }
  EXPECT_TRUE(answer("POST", "X: 1\r\nX: 2\r\n").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(answer("POST", "host: other\r\n").starts_with("HTTP/1.1 400"));
}

TEST_F(ServerTest, WhoHasBeenIdleForLongestGivesWayToANewcomer) {
  const std::string request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 64; ++i) idle.push_back(std::make_unique<RawClient>(server_->port()));
  for (auto& client : idle) {
    client->send(request);
    ASSERT_NE(client->receive_until("ok").find("200"), std::string::npos);
  }
  RawClient late(server_->port());
  late.send(request);
  EXPECT_NE(late.receive_until("ok").find("200"), std::string::npos);
  EXPECT_TRUE(idle[0]->is_closed());
  idle[1]->send(request);
  EXPECT_NE(idle[1]->receive_until("ok").find("200"), std::string::npos);
}

TEST_F(ServerTest, AThousandWhoSayNothingLockNobodyOut) {
  std::vector<std::unique_ptr<RawClient>> mute;
  for (int i = 0; i < 500; ++i) mute.push_back(std::make_unique<RawClient>(server_->port()));
  EXPECT_EQ(fetch("GET", url(), "/healthz", "", 5000)->status, 200);
}

TEST_F(ServerTest, ThoseWhoTakeNoResponseLockNobodyOut) {
  std::vector<std::unique_ptr<RawClient>> stalled;
  for (int i = 0; i < 65; ++i) {
    stalled.push_back(std::make_unique<RawClient>(server_->port()));
    stalled.back()->send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  std::unique_lock lock(mutex_);
  ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10), [this] { return large_ == 65; }));
  lock.unlock();
  const auto healthy = fetch("GET", url(), "/healthz", "", 5000);
  ASSERT_TRUE(healthy.ok()) << healthy.error().message();
  EXPECT_EQ(healthy->status, 200);
}

TEST_F(ServerTest, WithAllConnectionsBeingWorkedOnItGoesOnListening) {
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (int i = 0; i < 65; ++i) {
    waiting.push_back(std::make_unique<RawClient>(server_->port()));
    waiting.back()->send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  EXPECT_FALSE(fetch("GET", url(), "/healthz", "", 300).ok());
  release();
  const auto healthy = fetch("GET", url(), "/healthz", "", 5000);
  ASSERT_TRUE(healthy.ok()) << healthy.error().message();
  // Room is made by those that are answered.
  int closed = 0;
  for (const auto& client : waiting) {
    closed += client->receive_until("\r\n\r\n").find("Connection: close") != std::string::npos;
  }
  EXPECT_GE(closed, 1);
}

TEST_F(ServerTest, ARefusalIsJsonWhateverWasAskedFor) {
  RawClient client(server_->port());
  client.send("GET /\xff\" HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_NE(client.receive_until("}").find("{\"error\":\"no such path: /\xEF\xBF\xBD\\\"\"}"),
            std::string::npos);
}

TEST_F(ServerTest, AConnectionThatAsksWithoutEndIsMadeToWait) {
  constexpr int kRequests = 70;
  std::string flood;
  for (int i = 0; i < kRequests; ++i) {
    flood += "POST /echo?" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n";
    flood += i + 1 < kRequests ? "Content-Length: 0\r\n\r\n" : "Content-Length: 4\r\n\r\nlast";
  }
  RawClient client(server_->port());
  const auto began = std::chrono::steady_clock::now();
  client.send(flood);
  EXPECT_NE(client.receive_until("|last").find("69|last"), std::string::npos);
  // 50 at once, then 20 a second.
  EXPECT_GT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(800));
}

// Each connects anew, so no connection asks too often; all of them together do.
TEST(ServerTurns, RequestsOfAllConnectionsTogetherAreBoundedAndNoneIsRefused) {
  auto created = Server::create({.address = "127.0.0.1:0", .requests_per_second = 40});
  ASSERT_TRUE(created.ok()) << created.error().message();
  (*created)->route("GET", "/healthz", [](const Request&) { return Response{.body = "ok"}; });
  (*created)->start();
  const std::string url = "http://127.0.0.1:" + std::to_string((*created)->port());
  const auto ask = [&url](int times) {
    for (int i = 0; i < times; ++i) {
      const auto answer = fetch("GET", url, "/healthz", "", 5000);
      ASSERT_TRUE(answer.ok()) << answer.error().message();
      EXPECT_EQ(answer->status, 200);
    }
  };
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) clients.emplace_back(ask, 20);
  for (std::thread& client : clients) client.join();
  // 40 at once, the other 40 in a second; never later than that many after the others.
  EXPECT_GT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(800));
  (*created)->stop();
}

class StreamTest : public ServerTest {
 protected:
  static constexpr size_t kViewersMax = 3;
  void SetUp() override {
    auto created = Server::create({"127.0.0.1:0"});
    ASSERT_TRUE(created.ok()) << created.error().message();
    server_ = std::move(*created);
    server_->route("GET", "/healthz", [](const Request&) { return Response{.body = "ok"}; });
    stream_ = &server_->stream("/events", kViewersMax, [] { return std::string("first"); });
    server_->start();
  }
  std::unique_ptr<RawClient> follow() {
    auto client = std::make_unique<RawClient>(server_->port());
    client->send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return client;
  }
  // Publishes until somebody has been dropped, or not within five seconds.
  bool wait_viewers(size_t wanted, const std::string& text) {
    for (int i = 0; i < 500 && stream_->viewers() != wanted; ++i) {
      stream_->publish(text);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return stream_->viewers() == wanted;
  }
  EventStream* stream_ = nullptr;
};

TEST_F(StreamTest, EachViewerGetsTheFirstEventAtOnceAndThenAllThatIsPublished) {
  const auto one = follow(), two = follow();
  for (const auto& client : {one.get(), two.get()}) {
    const std::string head = client->receive_until("data: first\n\n");
    EXPECT_NE(head.find("text/event-stream"), std::string::npos) << head;
    EXPECT_NE(head.find("data: first\n\n"), std::string::npos) << head;
  }
  EXPECT_EQ(stream_->viewers(), 2U);
  stream_->publish("{\"n\":1}");
  for (const auto& client : {one.get(), two.get()}) {
    EXPECT_EQ(client->receive_until("\n\n"), "data: {\"n\":1}\n\n");
  }
  EXPECT_EQ(fetch("POST", url(), "/events", "", 5000)->status, 405);
}

TEST_F(StreamTest, ViewersAreBoundedAndApartFromThe64OtherConnections) {
  std::vector<std::unique_ptr<RawClient>> viewers;
  for (size_t i = 0; i < kViewersMax; ++i) {
    viewers.push_back(follow());
    ASSERT_NE(viewers.back()->receive_until("first").find("200"), std::string::npos);
  }
  EXPECT_NE(follow()->receive_until("error").find("503"), std::string::npos);
  viewers.pop_back();
  ASSERT_TRUE(wait_viewers(kViewersMax - 1, "x"));
  EXPECT_NE(follow()->receive_until("first").find("200"), std::string::npos);
  std::vector<std::unique_ptr<RawClient>> mute;
  for (int i = 0; i < 100; ++i) mute.push_back(std::make_unique<RawClient>(server_->port()));
  EXPECT_EQ(fetch("GET", url(), "/healthz", "", 5000)->status, 200);
  stream_->publish("still here");
  EXPECT_NE(viewers[0]->receive_until("still here").find("still here"), std::string::npos);
}

TEST_F(StreamTest, WhoDoesNotReadMissesEventsAndKeepsNobodyWaiting) {
  const auto mute = follow(), good = follow();
  ASSERT_NE(good->receive_until("first").find("200"), std::string::npos);
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) {
    stream_->publish(large + std::to_string(i));
    ASSERT_NE(good->receive_until("x" + std::to_string(i) + "\n\n").find("\n\n"),
              std::string::npos);
  }
  EXPECT_EQ(fetch("GET", url(), "/healthz", "", 5000)->status, 200);
  EXPECT_TRUE(wait_viewers(2, "x"));
}

TEST_F(ServerTest, FetchGivesUpAtItsDeadline) {
  const auto answer = fetch("POST", url(), "/block", "", 100);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().cls(), ErrorClass::kUnavailable);
}

TEST_F(ServerTest, BusyAddressIsNamed) {
  const auto second = Server::create({"127.0.0.1:" + std::to_string(server_->port())});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().cls(), ErrorClass::kUnavailable);
  EXPECT_NE(second.error().message().find("admin.address"), std::string::npos);
}

TEST(ServerSwitchedOff, HasNoPort) {
  auto server = Server::create({""});
  ASSERT_TRUE(server.ok());
  (*server)->start();
  EXPECT_EQ((*server)->port(), 0);
  (*server)->stop();
}

}  // namespace
}  // namespace sluice::http
