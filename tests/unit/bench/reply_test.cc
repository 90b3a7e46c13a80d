#include "bench/reply.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::bench {
namespace {

const std::string kReplies[] = {
    "+OK\r\n",
    "-ERR no\r\n",
    ":42\r\n",
    "$5\r\nhello\r\n",
    "$7\r\na\r\nb\r\nc\r\n",
    "$0\r\n\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*4\r\n$2\r\nOK\r\n$3\r\n123\r\n:9\r\n$4\r\ndisk\r\n",
    "*2\r\n*1\r\n:1\r\n*2\r\n$1\r\na\r\n_\r\n",
    "_\r\n",
    "#t\r\n",
    ",3.14\r\n",
    "(12345678901234567890\r\n",
    "=7\r\ntxt:abc\r\n",
    "!7\r\nERR bad\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
    "~2\r\n:1\r\n:2\r\n",
    ">2\r\n+push\r\n+x\r\n",
    "|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n",
};

TEST(ScanReply, FindsTheEndAndAsksForMoreAtEveryByteBefore) {
  for (const std::string& reply : kReplies) {
    for (size_t length = 0; length < reply.size(); ++length) {
      EXPECT_EQ(scan_reply(reply.substr(0, length)), 0u) << reply << " cut to " << length;
    }
    EXPECT_EQ(scan_reply(reply), reply.size()) << reply;
    EXPECT_EQ(scan_reply(reply + "+next\r\n"), reply.size()) << reply;
  }
}

TEST(ScanReply, WhatIsNotRespIsMalformed) {
  for (const std::string text : {"HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "$-2\r\n", "*\r\n",
                                 "*1x\r\n", "\r\n", "*1\r\nx\r\n"}) {
    EXPECT_EQ(scan_reply(text), kReplyMalformed) << text;
  }
}

TEST(OutcomeOf, SeparatesSalesFromRefusalsAndErrors) {
  const auto check = [](const std::string& reply, OutcomeKind kind, const std::string& name) {
    const Outcome outcome = outcome_of(reply);
    EXPECT_EQ(outcome.kind, kind) << reply;
    EXPECT_EQ(outcome.name, name) << reply;
  };
  check("*4\r\n$2\r\nOK\r\n$1\r\n1\r\n:9\r\n$4\r\ndisk\r\n", OutcomeKind::kAccepted, "OK");
  check("*2\r\n$7\r\nSOLDOUT\r\n:0\r\n", OutcomeKind::kRefused, "SOLDOUT");
  check("*1\r\n$6\r\nNOITEM\r\n", OutcomeKind::kRefused, "NOITEM");
  check("-BUSY intake is paused\r\n", OutcomeKind::kError, "BUSY");
  check("-ERR\r\n", OutcomeKind::kError, "ERR");
  check("!8\r\nBUSY now\r\n", OutcomeKind::kError, "BUSY");
  check("+OK\r\n", OutcomeKind::kAccepted, "OK");
  check("*0\r\n", OutcomeKind::kRefused, "");
}

TEST(ArrayElement, ReadsStringsAndIntegersAndNothingBeyondTheEnd) {
  const std::string reply = "*4\r\n$2\r\nOK\r\n$3\r\n123\r\n:9\r\n$-1\r\n";
  EXPECT_EQ(array_element(reply, 0), "OK");
  EXPECT_EQ(array_element(reply, 1), "123");
  EXPECT_EQ(array_element(reply, 2), "9");
  EXPECT_EQ(array_element(reply, 3), "");
  EXPECT_EQ(array_element(reply, 4), "");
  EXPECT_EQ(array_element("+OK\r\n", 0), "");
}

}  // namespace
}  // namespace sluice::bench
