#include "base/logging.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <string>

namespace sluice::base {
namespace {

class LoggingTest : public testing::Test {
 protected:
  void TearDown() override { spdlog::set_default_logger(before_); }
  static std::string logged(const std::string& format, const auto& say) {
    testing::internal::CaptureStderr();
    begin_logging("sluice-test", format);
    say();
    return testing::internal::GetCapturedStderr();
  }
  static ptrdiff_t lines(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  }

  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(LoggingTest, TextIsForPeople) {
  const std::string text = logged("text", [] { spdlog::warn("Redis is away"); });
  EXPECT_TRUE(text.ends_with("[sluice-test] [warning] Redis is away\n")) << text;
}

TEST_F(LoggingTest, JsonIsAnObjectALine) {
  const std::string text = logged("json", [] { spdlog::error("a \"b\"\n\\c"); });
  EXPECT_TRUE(text.starts_with("{\"time\":\"2")) << text;
  EXPECT_TRUE(
      text.ends_with("Z\",\"level\":\"error\",\"program\":\"sluice-test\","
                     "\"message\":\"a \\\"b\\\"\\u000a\\\\c\"}\n"))
      << text;
}

TEST_F(LoggingTest, ACauseIsToldAFewTimesAndOthersAreNotHeldBackByIt) {
  const std::string text = logged("text", [] {
    for (int i = 0; i < 1000; ++i) spdlog::warn("client {} is cut", i);
    spdlog::warn("Redis is away");
  });
  EXPECT_EQ(lines(text), kLogBurst + 1) << text;
  EXPECT_NE(text.find("Redis is away"), std::string::npos);
}

TEST_F(LoggingTest, WhatIsNoWarningIsToldEachTime) {
  const std::string text = logged("text", [] {
    for (int i = 0; i < 20; ++i) spdlog::info("reloaded");
  });
  EXPECT_EQ(lines(text), 20);
}

TEST_F(LoggingTest, BytesThatAreNoTextDoNotBreakTheJson) {
  EXPECT_EQ(json_string("ä€😀"), "\"ä€😀\"");
  EXPECT_EQ(json_string(std::string_view("\x80|\xC3|\xF5|\0", 7)),
            "\"\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD|\\u0000\"");
  // They look like UTF-8, and a strict reader refuses the line for them.
  for (const char* wrong : {"\xED\xA0\x80", "\xE0\x80\xAF", "\xF0\x80\x80\xAF", "\xF4\x90\x80\x80"})
    EXPECT_TRUE(json_string(wrong).starts_with("\"\xEF\xBF\xBD")) << wrong;
  for (const char* right : {"\xED\x9F\xBF", "\xE0\xA0\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(json_string(right), "\"" + std::string(right) + "\"");
}

}  // namespace
}  // namespace sluice::base
