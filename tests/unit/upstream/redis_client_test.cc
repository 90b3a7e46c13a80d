// The sale's connection to Redis, against a server that this test plays itself.
#include "proxy/upstream/redis_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "resp/writer.h"

namespace sluice::proxy::upstream {
namespace {

using namespace std::chrono_literals;

// Listens on a unix socket, for one connection.
class Server {
 public:
  Server() : path("/tmp/sluice_redis_client_test." + std::to_string(::getpid())) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    ::unlink(path.c_str());
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
  }
  ~Server() {
    if (fd >= 0) ::close(fd);
    ::close(listener_);
    ::unlink(path.c_str());
  }
  void accept() { fd = ::accept(listener_, nullptr, nullptr); }

  const std::string path;
  int fd = -1;

 private:
  const int listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

// While the server is slower than its clients something waits to be sent at any time.
TEST(RedisClient, RequestsThatHaveGoneOutAreNotKeptUntilAllHave) {
  constexpr size_t kUnderWay = 256, kRequests = 4096;
  const std::string value(16 * 1024, 'x');
  const std::vector<std::string_view> request{"SET", "key", value};
  std::string encoded;
  resp::append_command(encoded, request);

  Server server;
  IoThread thread(0);
  Endpoint endpoint;
  endpoint.host = server.path;
  RedisClient client(thread, endpoint);
  bool connected = false;
  client.start({[&] { connected = true; }, [](const Error&) {}});
  for (int i = 0; i < 1000 && !connected; ++i) thread.context().run_for(1ms);
  ASSERT_TRUE(connected);
  server.accept();
  ASSERT_GE(server.fd, 0);

  size_t answered = 0;
  const std::function<void()> ask = [&] {
    client.call(request, [&](const Result<Reply>& reply) {
      if (!reply) return;
      ++answered;
      ask();
    });
  };
  for (size_t i = 0; i < kUnderWay; ++i) ask();
  std::vector<char> buffer(64 * 1024);
  size_t received = 0, replies = 0;
  for (int i = 0; i < 1'000'000 && answered < kRequests; ++i) {
    thread.context().poll();
    const ssize_t got = ::recv(server.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) continue;
    received += static_cast<size_t>(got);
    for (; replies < received / encoded.size(); ++replies) {
      ASSERT_EQ(::send(server.fd, "+OK\r\n", 5, MSG_NOSIGNAL), 5);
    }
  }
  EXPECT_GE(answered, kRequests);
  // What is under way, twice, in a buffer that doubles: a quarter of all that has gone out.
  EXPECT_LE(client.buffered_bytes(), 4 * kUnderWay * encoded.size());
}

}  // namespace
}  // namespace sluice::proxy::upstream
