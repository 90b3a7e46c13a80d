// Proxies 7, 8 and 9 on one Redis, each with a journal folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sale_fixture.h"
#include "tests/unit/temp_folder.h"

namespace sluice::proxy::sale {

class LanesTest : public testing::Test {
 protected:
  LanesTest() {
    for (const uint64_t lane : {7, 8, 9}) std::filesystem::create_directory(journal(lane));
  }

  std::string journal(uint64_t lane) const { return folder_ / std::to_string(lane); }
  std::unique_ptr<Proxy> launch(uint64_t lane, size_t io_threads = 1) {
    return std::make_unique<Proxy>(journal(lane), redis_.socket(), io_threads, lane);
  }
  std::unique_ptr<Proxy> start(uint64_t lane, size_t io_threads = 1) {
    auto proxy = launch(lane, io_threads);
    EXPECT_TRUE(proxy->wait_ready()) << "proxy " << lane;
    return proxy;
  }
  static std::string buy(Proxy& proxy, const std::string& user, const std::string& item = "phone") {
    return order_of(buy_again(proxy, user, item));
  }
  // The reply.
  static std::string buy_again(Proxy& proxy, const std::string& user,
                               const std::string& item = "phone") {
    return proxy.ask_patiently({"SECKILL.BUY", item, user, "REQ", "r"});
  }
  static std::string remaining(Proxy& proxy, const std::string& item = "phone") {
    const std::string reply = proxy.ask_patiently({"SECKILL.STOCK", item});
    const size_t at = reply.find("remaining\r\n:");
    return at == std::string::npos ? reply
                                   : reply.substr(at + 12, reply.find('\r', at + 12) - at - 12);
  }
  static void expect_known(Proxy& proxy, const std::string& lanes) {
    for (int i = 0; i < 2000 && proxy.shared().lanes->known() != lanes; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(proxy.shared().lanes->known(), lanes);
  }
  // As sluice-ctl peers forget does it.
  void give_up(const std::string& lane) {
    for (uint32_t shelf = 0; shelf < 64; ++shelf) {
      const std::string key = shelves::shelf_key(shelf);
      redis_.run({"HSET", key, "@forget:" + lane, "1"});
      redis_.run({"HDEL", key, "@member:" + lane, "@knows:" + lane});
    }
  }
  // What `proxy` says of the item once it says `wanted`; at the end what it says then.
  static std::string ask_until(Proxy& proxy, const std::vector<std::string>& words,
                               std::string_view wanted) {
    std::string reply;
    for (int i = 0; i < 2000; ++i) {
      reply = proxy.ask(words);
      if (reply.find(wanted) != std::string::npos) return reply;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return reply;
  }

  const test::TempFolder folder_;
  test::RedisServer redis_;
};

}  // namespace sluice::proxy::sale
