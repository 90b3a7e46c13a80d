#include "proxy/front/memory_budget.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace sluice::proxy::front {
namespace {

constexpr int64_t kMiB = 1024 * 1024;

class MemoryBudgetTest : public ::testing::Test {
 protected:
  Client& connect() {
    auto client = std::make_shared<Client>();
    Client* raw = client.get();
    client->kill = [this, raw] { killed_.push_back(raw->id); };
    clients_.add(client);
    all_.push_back(client);
    return *client;
  }
  bool go(Client& client) {
    clients_.remove(client);
    return budget_.leave(client);
  }

  std::atomic<int64_t> limit_{100 * kMiB};
  Clients clients_;
  MemoryBudget budget_{limit_, clients_};
  std::vector<ClientPtr> all_;
  std::vector<int64_t> killed_;
};

TEST_F(MemoryBudgetTest, NobodyIsCutUpToTheLimit) {
  Client &a = connect(), &b = connect();
  budget_.hold(a, 60 * kMiB);
  budget_.hold(b, 40 * kMiB);
  EXPECT_EQ(budget_.held_bytes(), 100 * kMiB);
  EXPECT_TRUE(killed_.empty());
}

TEST_F(MemoryBudgetTest, OverTheLimitWhoHoldsMostIsCutUntilThreeQuartersAreEnough) {
  Client &small = connect(), &largest = connect(), &large = connect();
  budget_.hold(small, 20 * kMiB);
  budget_.hold(largest, 45 * kMiB);
  budget_.hold(large, 36 * kMiB);
  EXPECT_EQ(killed_, std::vector<int64_t>{largest.id});
  // Also if it is another one's growth that goes over, and before the first has left.
  budget_.hold(small, 70 * kMiB);
  EXPECT_EQ(killed_, (std::vector<int64_t>{largest.id, small.id}));
}

TEST_F(MemoryBudgetTest, WhoIsOnItsWayOutIsNotCutAgainAndCountsAsGone) {
  Client &a = connect(), &b = connect();
  budget_.hold(b, 30 * kMiB);
  budget_.hold(a, 80 * kMiB);
  budget_.relieve();
  budget_.hold(b, 60 * kMiB);
  EXPECT_EQ(killed_, std::vector<int64_t>{a.id});
  EXPECT_TRUE(go(a));
  EXPECT_FALSE(go(b));
  EXPECT_EQ(budget_.held_bytes(), 0);
  Client& c = connect();
  budget_.hold(c, 100 * kMiB);
  EXPECT_EQ(killed_, std::vector<int64_t>{a.id}) << "what left is still taken for leaving";
}

TEST_F(MemoryBudgetTest, ItIsTightAboveThreeQuarters) {
  Client& a = connect();
  budget_.hold(a, 75 * kMiB);
  EXPECT_FALSE(budget_.tight());
  budget_.relieve();
  EXPECT_TRUE(killed_.empty());
  budget_.hold(a, 75 * kMiB + 1);
  EXPECT_TRUE(budget_.tight());
  budget_.relieve();
  EXPECT_EQ(killed_.size(), 1u);
}

TEST_F(MemoryBudgetTest, ALowerLimitCountsAtOnce) {
  Client &a = connect(), &b = connect();
  budget_.hold(a, 50 * kMiB);
  limit_ = 40 * kMiB;
  budget_.hold(b, 1);
  EXPECT_EQ(killed_, std::vector<int64_t>{a.id});
}

}  // namespace
}  // namespace sluice::proxy::front
