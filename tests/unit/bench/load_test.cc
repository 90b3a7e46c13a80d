#include "bench/load.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "bench/sale_workload.h"
#include "tests/unit/bench/fake_server.h"

namespace sluice::bench {
namespace {

using namespace std::chrono_literals;

constexpr int64_t kMs = 1'000'000;  // in nanoseconds
const std::string kSold = "*4\r\n$2\r\nOK\r\n$1\r\n1\r\n:9\r\n$4\r\ndisk\r\n";
const std::string kSoldOut = "*2\r\n$7\r\nSOLDOUT\r\n:0\r\n";

LoadOptions options_for(const FakeServer& server) {
  LoadOptions options;
  options.address = server.address();
  options.connections = 4;
  options.duration_us = 10'000'000;
  options.patience_us = 5'000'000;
  options.progress = false;
  return options;
}

LoadResult load(const LoadOptions& options) {
  auto workload = SaleWorkload::create({"phone"});
  auto result = run_load(options, **workload);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message());
  return result.ok() ? std::move(*result) : LoadResult();
}

TEST(Load, EveryRequestIsSentOnceAndCountedByItsOutcome) {
  FakeServer server([](size_t number, const std::string&) -> std::string {
    if (number % 10 == 9) return "-BUSY later\r\n";
    return number % 2 == 0 ? kSold : kSoldOut;
  });
  for (const int pipeline : {1, 7}) {
    const size_t before = server.requests().size();
    LoadOptions options = options_for(server);
    options.pipeline = pipeline;
    options.requests = 1000;
    const LoadResult result = load(options);
    EXPECT_EQ(server.requests().size() - before, 1000u);
    EXPECT_EQ(result.sent, 1000u);
    EXPECT_EQ(result.accepted, 500u);
    EXPECT_EQ(result.refused.count("SOLDOUT"), 400u);
    EXPECT_EQ(result.errors.count("BUSY"), 100u);
    EXPECT_EQ(result.unanswered + result.lost + result.disconnects + result.resent, 0u);
    EXPECT_EQ(result.accepted_ns.count(), 500u);
    EXPECT_EQ(result.refused_ns.count(), 400u);
  }
}

TEST(Load, RepliesCutAnywhereAreStillReplies) {
  // Two requests in flight: the first reply's end comes with the second answer.
  FakeServer server([](size_t number, const std::string&) {
    return number % 2 == 0 ? kSold.substr(0, 9) : kSold.substr(9) + kSold;
  });
  LoadOptions options = options_for(server);
  options.connections = 1;
  options.pipeline = 2;
  options.requests = 100;
  EXPECT_EQ(load(options).accepted, 100u);
}

TEST(Load, AStallOfTheServerShowsInEveryRequestThatItDelayed) {
  // 200 requests a second for 1 s; after 100 of them the server stands still for 400 ms. A fifth
  // of the requests or more is late, though only four connections ever waited for a reply.
  FakeServer server([](size_t number, const std::string&) {
    if (number == 100) std::this_thread::sleep_for(400ms);
    return kSold;
  });
  LoadOptions options = options_for(server);
  options.rate_per_s = 200;
  options.requests = 200;
  const LoadResult result = load(options);
  EXPECT_EQ(result.accepted, 200u);
  EXPECT_GE(result.accepted_ns.max(), 395 * kMs);
  EXPECT_GE(result.accepted_ns.quantile(0.9), 150 * kMs) << "the stall was hidden";
  EXPECT_LT(result.accepted_ns.quantile(0.3), 100 * kMs);
  EXPECT_EQ(result.sent_late_ns.count(), 200u);
  EXPECT_GE(result.sent_late_ns.max(), 300 * kMs) << "it was due, but all four connections waited";
  EXPECT_LE(result.sent_late_ns.max(), result.accepted_ns.max());
}

TEST(Load, WhileNoConnectionHasRoomAnOpenLoopSleeps) {
  FakeServer server([](size_t, const std::string&) { return ""; });
  LoadOptions options = options_for(server);
  options.rate_per_s = 100'000;
  options.patience_us = 500'000;
  const LoadResult result = load(options);
  EXPECT_EQ(result.unanswered, 4u);
  EXPECT_LT(result.own_cpu_s, 0.03) << "it takes the processor from the server that it waits for";
}

TEST(Load, AClosedLoopIsNeverLate) {
  FakeServer server([](size_t, const std::string&) { return kSold; });
  LoadOptions options = options_for(server);
  options.requests = 100;
  EXPECT_EQ(load(options).sent_late_ns.count(), 0u);
}

TEST(Load, AnOpenLoopKeepsItsRate) {
  FakeServer server([](size_t, const std::string&) { return kSold; });
  LoadOptions options = options_for(server);
  options.rate_per_s = 2000;
  options.duration_us = 500'000;
  const LoadResult result = load(options);
  EXPECT_GE(result.sent, 990u);
  EXPECT_LE(result.sent, 1001u);
  EXPECT_EQ(result.accepted, result.sent);
}

TEST(Load, ASilentServerIsReportedNotWaitedForForever) {
  FakeServer server([](size_t number, const std::string&) { return number < 10 ? kSold : ""; });
  LoadOptions options = options_for(server);
  options.duration_us = 100'000;
  options.patience_us = 200'000;
  const auto start = std::chrono::steady_clock::now();
  const LoadResult result = load(options);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
  EXPECT_EQ(result.accepted, 10u);
  EXPECT_EQ(result.unanswered, 4u);
  EXPECT_EQ(result.sent, 14u);
}

TEST(Load, ASilentServerEndsAnOpenLoopThatHasMoreToSend) {
  FakeServer server([](size_t, const std::string&) { return ""; });
  LoadOptions options = options_for(server);
  options.rate_per_s = 1000;
  options.requests = 1'000'000;
  options.duration_us = 600'000'000;
  options.patience_us = 200'000;
  const LoadResult result = load(options);
  EXPECT_EQ(result.unanswered, 4u);
  EXPECT_GT(result.not_sent, 0u);
}

TEST(Load, ALostConnectionIsLostRequestsWithoutRetry) {
  FakeServer server(
      [](size_t number, const std::string&) { return number == 50 ? FakeServer::kHangUp : kSold; });
  LoadOptions options = options_for(server);
  options.requests = 100;
  const LoadResult result = load(options);
  EXPECT_EQ(result.lost, 1u);
  EXPECT_EQ(result.disconnects, 1u);
  EXPECT_EQ(result.accepted, 99u) << "the connection comes back";
}

TEST(Load, ARetrySendsTheSameBytesUntilThereIsAnAnswer) {
  FakeServer server([](size_t number, const std::string&) -> std::string {
    if (number == 20) return FakeServer::kHangUp;
    return number == 30 ? "-LOADING recovery\r\n" : kSold;
  });
  LoadOptions options = options_for(server);
  options.requests = 100;
  options.retry = true;
  const LoadResult result = load(options);
  EXPECT_EQ(result.accepted, 100u);
  EXPECT_EQ(result.lost, 0u);
  EXPECT_EQ(result.resent, 2u);
  EXPECT_EQ(result.errors.count("LOADING"), 1u);
  const std::vector<std::string> requests = server.requests();
  EXPECT_EQ(std::count(requests.begin(), requests.end(), requests[20]), 2);
  EXPECT_EQ(std::count(requests.begin(), requests.end(), requests[30]), 2);
}

TEST(Load, AServerThatAlwaysSaysLaterEndsTheRunToo) {
  FakeServer server([](size_t, const std::string&) { return "-BUSY paused\r\n"; });
  LoadOptions options = options_for(server);
  options.requests = 8;
  options.retry = true;
  options.patience_us = 500'000;
  const LoadResult result = load(options);
  EXPECT_EQ(result.accepted, 0u);
  EXPECT_GE(result.errors.count("BUSY"), 8u);
}

TEST(Load, WhatIsNotRespEndsAsLostConnections) {
  FakeServer server([](size_t, const std::string&) { return "HTTP/1.1 400 Bad Request\r\n\r\n"; });
  LoadOptions options = options_for(server);
  options.requests = 20;
  const LoadResult result = load(options);
  EXPECT_EQ(result.lost, 20u);
}

TEST(Load, NobodyListeningFailsAtOnceAndNamesTheAddress) {
  LoadOptions options;
  {
    FakeServer server([](size_t, const std::string&) { return kSold; });
    options.address = server.address();
  }
  auto workload = SaleWorkload::create({"phone"});
  const auto result = run_load(options, **workload);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message().find(options.address), std::string::npos);
}

TEST(Load, Resp3GreetsOnEveryConnectionAndCountsNoGreeting) {
  FakeServer server([](size_t, const std::string& request) -> std::string {
    return request.find("HELLO") != std::string::npos ? "%1\r\n+proto\r\n:3\r\n" : kSold;
  });
  LoadOptions options = options_for(server);
  options.requests = 40;
  options.resp3 = true;
  EXPECT_EQ(load(options).accepted, 40u);
  EXPECT_EQ(server.requests().size(), 44u);
}

}  // namespace
}  // namespace sluice::bench
