#include "bench/workload.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "bench/buyers.h"
#include "bench/sale_workload.h"

namespace sluice::bench {
namespace {

std::string accepted(const std::string& order_id) {
  return "*4\r\n$2\r\nOK\r\n$" + std::to_string(order_id.size()) + "\r\n" + order_id +
         "\r\n:9\r\n$4\r\ndisk\r\n";
}

std::unique_ptr<SaleWorkload> sale(const SaleOptions& options) {
  auto workload = SaleWorkload::create(options);
  EXPECT_TRUE(workload.ok());
  return std::move(*workload);
}

TEST(RequestTemplate, FillsEachPlaceWithItsNumberInFullWidth) {
  const RequestTemplate request("a####b##c", '#');
  std::string out = "before ";
  request.append_to(out, {7, 42});
  request.append_to(out, {123'456, 1});
  EXPECT_EQ(out, "before a0007b42ca3456b01c");
}

TEST(RequestTemplate, ASingleMarkIsOrdinaryText) {
  const RequestTemplate request("#a##", '#');
  std::string out;
  request.append_to(out, {5});
  EXPECT_EQ(out, "#a05");
}

TEST(Buyers, EveryBuyerAsksRepeatTimesWithOnePurchaseEach) {
  const Buyers buyers(3, 2);
  ASSERT_EQ(buyers.requests(), 6u);
  for (uint64_t index = 0; index < 6; ++index) {
    EXPECT_EQ(buyers.ask(index).buyer, index % 3);
    EXPECT_EQ(buyers.ask(index).purchase, 0u);
  }
  EXPECT_EQ(buyers.ask(6).buyer, 0u);
  EXPECT_EQ(buyers.ask(6).purchase, 1u) << "what comes after is another purchase, another REQ";
}

TEST(Buyers, WithoutANumberEveryPurchaseHasANewBuyer) {
  const Buyers buyers(0, 2);
  EXPECT_EQ(buyers.ask(0).buyer, 0u);
  EXPECT_EQ(buyers.ask(1).buyer, 0u);
  EXPECT_EQ(buyers.ask(2).buyer, 1u);
  EXPECT_EQ(buyers.purchase_number(1), buyers.purchase_number(0));
  EXPECT_NE(buyers.purchase_number(2), buyers.purchase_number(1));
}

TEST(SaleWorkload, SendsWhatTheContractNames) {
  std::string out;
  sale({"phone", 10, 1})->append_request(3, out);
  EXPECT_EQ(out,
            "*5\r\n$11\r\nSECKILL.BUY\r\n$5\r\nphone\r\n$10\r\nu000000003\r\n"
            "$3\r\nREQ\r\n$15\r\nr000000003-0000\r\n");
  out.clear();
  sale({"phone", 10, 1, false})->append_request(3, out);
  EXPECT_EQ(out, "*3\r\n$11\r\nSECKILL.BUY\r\n$5\r\nphone\r\n$10\r\nu000000003\r\n");
}

TEST(SaleWorkload, ARepeatedReqMustGetItsFirstOrderAgain) {
  auto workload = sale({"phone", 2, 2});
  EXPECT_EQ(workload->judge(0, accepted("100")).kind, OutcomeKind::kAccepted);
  EXPECT_EQ(workload->judge(1, accepted("101")).kind, OutcomeKind::kAccepted);
  workload->judge(2, accepted("100"));
  EXPECT_EQ(workload->orders(), 2u);
  EXPECT_EQ(workload->mismatched(), 0u);
  EXPECT_EQ(workload->acknowledged()[0].orders, 2u) << "a repeat is no second order";
  Acknowledged both;
  both.add(100);
  both.add(101);
  EXPECT_EQ(workload->acknowledged()[0].ids, both.ids);
  workload->judge(3, accepted("102"));
  EXPECT_EQ(workload->orders(), 2u);
  EXPECT_EQ(workload->mismatched(), 1u);
}

TEST(SaleWorkload, TheFileHoldsEveryAcknowledgedOrderAndNothingElse) {
  const std::string path = ::testing::TempDir() + "acked-" + std::to_string(::getpid());
  auto workload = sale({"phone", 5, 1, true, path});
  workload->judge(0, accepted("9000000000000000001"));
  workload->judge(1, "*2\r\n$7\r\nSOLDOUT\r\n:0\r\n");
  workload->judge(2, "-BUSY\r\n");
  workload->judge(4, accepted("9000000000000000002"));
  ASSERT_TRUE(workload->close_acked().ok());
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(),
            "u000000000 r000000000-0000 9000000000000000001\n"
            "u000000004 r000000004-0000 9000000000000000002\n");
  ::unlink(path.c_str());
}

TEST(SaleWorkload, SeveralItemsAreSoldAndAccountedForApart) {
  SaleOptions options;
  options.item = "phone";
  options.items = 3;
  options.first_buyer = 500;
  ASSERT_EQ(sale_items(options),
            (std::vector<std::string>{"phone-0000", "phone-0001", "phone-0002"}));
  auto workload = sale(options);
  std::vector<uint64_t> asked(3);
  for (uint64_t index = 0; index < 100; ++index) {
    std::string out;
    workload->append_request(index, out);
    const size_t item = static_cast<size_t>(out[out.find("phone-000") + 9] - '0');
    ASSERT_LT(item, 3u);
    EXPECT_NE(out.find("u" + std::to_string(1'000'000'500 + index).substr(1)), std::string::npos);
    ++asked[item];
    workload->judge(index, accepted(std::to_string(1000 + index)));
  }
  for (size_t item = 0; item < 3; ++item) {
    EXPECT_GT(asked[item], 0u);
    EXPECT_EQ(workload->acknowledged()[item].orders, asked[item]);
  }
}

TEST(SaleWorkload, AFileThatCannotBeWrittenIsNamed) {
  const auto workload = SaleWorkload::create({"phone", 5, 1, true, "/no/such/folder/acked"});
  ASSERT_FALSE(workload.ok());
  EXPECT_NE(workload.error().message().find("/no/such/folder/acked"), std::string::npos);
}

}  // namespace
}  // namespace sluice::bench
