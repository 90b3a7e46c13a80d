// Several batches of one shelf in flight: each way in which a later one can find another lane
// sequence than it foresaw, or the answer to one of them can stay away. And those of many items.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "sale_fixture.h"
#include "tests/unit/temp_folder.h"

namespace sluice::proxy::sale {
namespace {

// More than two full batches, so that one goes out behind another.
constexpr size_t kBurst = 1200;

// Stands between a proxy and Redis, and damages an answer of the purchase script when told to.
class Relay {
 public:
  explicit Relay(const std::string& redis) : path_(redis + ".relay") {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un own = address(path_);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    thread_ = std::thread([this, redis] { run(redis); });
  }
  ~Relay() {
    ended_ = true;
    thread_.join();
    for (const auto& [from, to] : ways_) ::close(from);
    ::close(listener_);
  }
  const std::string& path() const { return path_; }
  void damage_next_answer() { damages_ = true; }
  bool has_damaged() const { return has_damaged_; }

 private:
  static sockaddr_un address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }
  void run(const std::string& redis) {
    while (!ended_) {
      std::vector<pollfd> waiting{{listener_, POLLIN, 0}};
      for (const auto& [from, to] : ways_) waiting.push_back({from, POLLIN, 0});
      ::poll(waiting.data(), waiting.size(), 10);
      if (waiting[0].revents != 0) connect(redis);
      for (size_t i = 1; i < waiting.size(); ++i) {
        if (waiting[i].revents != 0 && ways_.contains(waiting[i].fd)) pass_on(waiting[i].fd);
      }
    }
  }
  void connect(const std::string& redis) {
    const int client = ::accept(listener_, nullptr, nullptr);
    const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un there = address(redis);
    EXPECT_EQ(::connect(server, reinterpret_cast<const sockaddr*>(&there), sizeof there), 0);
    ways_[client] = server;
    ways_[server] = client;
  }
  void pass_on(int from) {
    const int to = ways_.at(from);
    const ssize_t bytes = ::read(from, buffer_.data(), buffer_.size());
    if (bytes <= 0) {
      for (const int end : {from, to}) ways_.erase(end), ::close(end);
      return;
    }
    const auto end = buffer_.begin() + bytes;
    constexpr std::string_view kAnswer = "\r\nOK 3 ";  // the burst's first
    const auto answer = std::search(buffer_.begin(), end, kAnswer.begin(), kAnswer.end());
    if (answer != end && damages_.exchange(false)) {
      answer[2] = 'X';
      has_damaged_ = true;
    }
    for (auto at = buffer_.begin(); at != end;) {
      const ssize_t sent = ::send(to, &*at, static_cast<size_t>(end - at), MSG_NOSIGNAL);
      if (sent <= 0) return;
      at += sent;
    }
  }

  const std::string path_;
  int listener_ = -1;
  std::map<int, int> ways_;  // both directions of each connection
  std::vector<char> buffer_ = std::vector<char>(1 << 20);
  std::atomic<bool> damages_{false}, has_damaged_{false}, ended_{false};
  std::thread thread_;
};

class InFlightTest : public testing::Test {
 protected:
  InFlightTest() {
    proxy_ = std::make_unique<Proxy>(folder_.path(), redis_.socket(), 1);
    EXPECT_TRUE(proxy_->wait_ready());
  }

  // The item sells: the next burst goes out three batches at a time.
  void create_and_sell_one(size_t stock) {
    EXPECT_EQ(proxy_->ask({"SECKILL.CREATE", "phone", "STOCK", std::to_string(stock)}), "+OK\r\n");
    EXPECT_TRUE(proxy_->ask({"SECKILL.BUY", "phone", "first"}).starts_with("*4\r\n$2\r\nOK"));
  }
  static std::string user(size_t i) { return "u" + std::to_string(i); }
  static std::vector<std::vector<std::string>> purchases() {
    std::vector<std::vector<std::string>> commands;
    for (size_t i = 0; i < kBurst; ++i) {
      commands.push_back({"SECKILL.BUY", "phone", user(i), "REQ", "r"});
    }
    return commands;
  }
  std::vector<std::string> burst(const std::function<void()>& meanwhile = [] {}) {
    const auto client = std::make_shared<Client>();
    const auto tokens = proxy_->send_all(client, purchases());
    meanwhile();
    std::vector<std::string> replies;
    for (const uint64_t token : tokens) replies.push_back(client->wait(token));
    return replies;
  }
  // Every buyer of the burst has exactly one order, whatever the first answer was.
  void expect_one_order_each(const std::vector<std::string>& replies) {
    std::set<std::string> orders;
    for (size_t i = 0; i < kBurst; ++i) {
      const std::string now = proxy_->ask_patiently({"SECKILL.BUY", "phone", user(i), "REQ", "r"});
      ASSERT_TRUE(now.starts_with("*4\r\n$2\r\nOK")) << now;
      orders.insert(order_of(now));
      if (replies[i].starts_with("*4")) {
        EXPECT_EQ(order_of(replies[i]), order_of(now)) << user(i);
      } else {
        EXPECT_TRUE(replies[i].starts_with("-LOADING") || replies[i].starts_with("-UNKNOWNSTATE"))
            << replies[i];
      }
    }
    EXPECT_EQ(orders.size(), kBurst);
    EXPECT_EQ(item_in(redis_).sold, kBurst + 1);
    proxy_.reset();
    EXPECT_EQ(journaled(), kBurst + 1);
  }
  size_t journaled() {
    size_t orders = 0;
    auto reader = journal::Reader::open(folder_.path(), base::posix_file_system(), 1);
    EXPECT_TRUE(reader.ok());
    while (reader) {
      auto group = (*reader)->next();
      EXPECT_TRUE(group.ok());
      if (!group.ok() || !*group) break;
      for (const journal::Record& record : (*group)->records) {
        orders += record.type == journal::RecordType::kBuy;
      }
    }
    return orders;
  }

  const test::TempFolder folder_;  // the journal's
  test::RedisServer redis_;
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(InFlightTest, BothAreAppliedInOrder) {
  create_and_sell_one(5000);
  const auto replies = burst();
  for (size_t i = 0; i < kBurst; ++i) {
    ASSERT_TRUE(replies[i].starts_with("*4\r\n$2\r\nOK")) << replies[i];
    EXPECT_NE(replies[i].find("\r\n:" + std::to_string(5000 - 2 - i) + "\r\n"), std::string::npos)
        << replies[i];
  }
  expect_one_order_each(replies);
}

TEST_F(InFlightTest, TheSecondIsSentAgainIfTheFirstAcceptedNothing) {
  create_and_sell_one(1);
  for (const std::string& reply : burst()) EXPECT_EQ(reply, array({"SOLDOUT", ":0"}));
  proxy_->ask({"SECKILL.RESTOCK", "phone", std::to_string(kBurst)});
  expect_one_order_each(std::vector<std::string>(kBurst, "-LOADING"));
}

TEST_F(InFlightTest, BothAreSentAgainIfRedisForgotTheScript) {
  create_and_sell_one(5000);
  redis_.run({"SCRIPT", "FLUSH"});
  expect_one_order_each(burst());
}

TEST_F(InFlightTest, BothPassTheGateIfTheItemIsNotWhatTheyExpect) {
  create_and_sell_one(5000);
  std::string packed = shelves::pack(item_in(redis_));
  packed.front() ^= 1;
  redis_.run({"HSET", kShelfKey, "phone", packed});
  expect_one_order_each(burst());
}

TEST_F(InFlightTest, BothPassTheGateIfItsEpochIsRaised) {
  create_and_sell_one(5000);
  redis_.run({"HINCRBY", kShelfKey, "@epoch", "1"});
  expect_one_order_each(burst());
}

TEST_F(InFlightTest, BothAreSettledAfterACutWhetherTheyWereAppliedOrNot) {
  create_and_sell_one(5000);
  expect_one_order_each(burst([this] {
    for (int i = 0; i < 5; ++i) {
      redis_.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }));
}

// The journal would have the second without the first, which it could never make good again.
TEST_F(InFlightTest, TheSecondIsNotJournaledBeforeAFirstWhoseAnswerWasLost) {
  proxy_.reset();
  Relay relay(redis_.socket());
  proxy_ = std::make_unique<Proxy>(folder_.path(), relay.path(), 1);
  ASSERT_TRUE(proxy_->wait_ready());
  create_and_sell_one(5000);
  relay.damage_next_answer();
  burst();
  ASSERT_TRUE(relay.has_damaged());
  expect_one_order_each(std::vector<std::string>(kBurst, "-LOADING"));
}

// More than may be in flight together: the others follow when answers come.
TEST_F(InFlightTest, ManyItemsAtOnceAreAllSentInTheEnd) {
  constexpr size_t kItems = 300;
  std::vector<std::vector<std::string>> creations, buys;
  for (size_t i = 0; i < kItems; ++i) {
    const std::string item = "item-" + std::to_string(i);
    creations.push_back({"SECKILL.CREATE", item, "STOCK", "1"});
    buys.push_back({"SECKILL.BUY", item, "u"});
    buys.push_back({"SECKILL.BUY", item, "late"});
  }
  const auto client = std::make_shared<Client>();
  for (const uint64_t token : proxy_->send_all(client, creations)) {
    ASSERT_EQ(client->wait(token), "+OK\r\n");
  }
  const auto tokens = proxy_->send_all(client, buys);
  for (size_t i = 0; i < tokens.size(); i += 2) {
    EXPECT_TRUE(client->wait(tokens[i]).starts_with("*4\r\n$2\r\nOK")) << i;
    EXPECT_EQ(client->wait(tokens[i + 1]), array({"SOLDOUT", ":0"})) << i;
  }
}

}  // namespace
}  // namespace sluice::proxy::sale
