// What is learned of the server behind, and what it is asked: no sockets.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proxy/front/client_filter.h"
#include "proxy/front/client_inquiry.h"
#include "proxy/front/client_line.h"
#include "proxy/front/clients.h"
#include "proxy/front/server_hello.h"

namespace sluice::proxy::front {
namespace {

using Words = std::vector<std::string_view>;

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// ---- HELLO

const std::string kHello =
    "*10\r\n" + bulk("server") + bulk("valkey") + bulk("proto") + ":2\r\n" + bulk("id") +
    ":77\r\n" + bulk("modules") + "*1\r\n*4\r\n" + bulk("name") + bulk("lua") + bulk("args") +
    "*2\r\n" + bulk("a") + bulk("b") + bulk("availability_zone") + bulk("");

TEST(ServerHello, IsToldAgainInBothProtocolsWithTheClientsNumber) {
  const auto hello = ServerHello::parse(kHello);
  ASSERT_TRUE(hello) << hello.error().message();
  std::string two = kHello;
  two.replace(two.find(":77"), 3, ":5");
  EXPECT_EQ(hello->reply(2, 5), two);
  EXPECT_EQ(hello->reply(3, 6),
            "%5\r\n" + bulk("server") + bulk("valkey") + bulk("proto") + ":3\r\n" + bulk("id") +
                ":6\r\n" + bulk("modules") + "*1\r\n%2\r\n" + bulk("name") + bulk("lua") +
                bulk("args") + "*2\r\n" + bulk("a") + bulk("b") + bulk("availability_zone") +
                bulk(""));
}

TEST(ServerHello, OfRESP3IsReadAsWell) {
  const auto first = ServerHello::parse(kHello);
  const auto again = ServerHello::parse(first->reply(3, 1));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->reply(2, 9), first->reply(2, 9));
}

TEST(ServerHello, WhatIsCutOffOrAnErrorIsNone) {
  for (size_t cut = 0; cut < kHello.size(); ++cut)
    EXPECT_FALSE(ServerHello::parse(kHello.substr(0, cut))) << cut;
  const auto refused = ServerHello::parse("-ERR unknown command 'HELLO'\r\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "ERR unknown command 'HELLO'");
}

// ---- CLIENT LIST

ClientPtr client_with(std::string name) {
  auto client = std::make_shared<Client>();
  client->id = 7;
  client->name = std::move(name);
  return client;
}

TEST(ClientLine, HasTheFieldsOfTheServerInItsOrderAndOurValues) {
  const auto line = ClientLine::learn(
      bulk("id=3 name=other io-thread=1 new=abc tot-cmds=9 resp=3 lib-name= lib-ver=\n"));
  ASSERT_TRUE(line);
  const ClientPtr client = client_with("me");
  client->commands = 2;
  EXPECT_EQ(line->of(*client, "get", 0),
            "id=7 name=me io-thread=0 new=abc tot-cmds=2 resp=2 lib-name= lib-ver=\n");
}

TEST(ClientLine, ShowsTheLibraryAlsoWhereTheServerDoesNot) {
  const auto line = ClientLine::learn("=14\r\ntxt:id=3 db=1\n\r\n");
  ASSERT_TRUE(line);
  const ClientPtr client = client_with("");
  client->library_name = "redis-py";
  EXPECT_EQ(line->of(*client, "get", 0), "id=7 db=0 lib-name=redis-py lib-ver=\n");
}

TEST(ClientLine, IsNotLearnedFromAnythingElse) {
  for (const std::string& reply : {std::string("-NOPERM x\r\n"), bulk("hello world\n"), bulk(""),
                                   std::string("+OK\r\n"), bulk("name=x id=3\n")})
    EXPECT_FALSE(ClientLine::learn(reply)) << reply;
}

class Filters : public ::testing::Test {
 protected:
  Filters() {
    for (const char* address : {"10.0.0.1:5", "10.0.0.1:6", "[::1]:5"}) {
      auto client = std::make_shared<Client>();
      client->address = address;
      client->connected_us = 0;
      client->active_us = 9'000'000;
      clients.add(client);
    }
    clients.set_name(*clients.find(2), "two");
    clients.find(3)->flag = 'P';
    clients.find(3)->database = 4;
  }

  // The ids that match ten seconds after they came; "error" if the filter is not known.
  std::string matching(const Words& options) {
    const auto filter = ClientFilter::parse(options, false);
    if (!filter) return "error";
    std::string ids;
    for (const ClientPtr& client : clients.all()) {
      if (filter->matches(*client, clients, 10'000'000)) ids += std::to_string(client->id);
    }
    return ids;
  }

  Clients clients;
};

TEST_F(Filters, ChooseClientsByWhatEveryServerKnows) {
  EXPECT_EQ(matching({}), "123");
  EXPECT_EQ(matching({"ID", "3", "1", "9"}), "13");
  EXPECT_EQ(matching({"id", "3", "1", "NAME", "two"}), "");
  EXPECT_EQ(matching({"ADDR", "10.0.0.1:6"}), "2");
  EXPECT_EQ(matching({"IP", "10.0.0.1"}), "12");
  EXPECT_EQ(matching({"IP", "::1"}), "3");
  EXPECT_EQ(matching({"TYPE", "pubsub"}), "3");
  EXPECT_EQ(matching({"NOT-TYPE", "pubsub"}), "12");
  EXPECT_EQ(matching({"NOT-ID", "3", "1"}), "2");
  EXPECT_EQ(matching({"NAME", "two"}), "2");
  EXPECT_EQ(matching({"DB", "4"}), "3");
  EXPECT_EQ(matching({"MAXAGE", "10"}), "123");
  EXPECT_EQ(matching({"MAXAGE", "11"}), "");
  EXPECT_EQ(matching({"IDLE", "1", "USER", "default", "FLAGS", "P"}), "3");
  EXPECT_EQ(matching({"IDLE", "2"}), "");
}

TEST_F(Filters, OfALaterServerAreRefusedAndNotPassedOver) {
  EXPECT_EQ(matching({"COLOUR", "red"}), "error");
  EXPECT_EQ(matching({"NOT-COLOUR", "red"}), "error");
}

TEST_F(Filters, ThatAreNotWholeMatchNobodyOrAreRefused) {
  EXPECT_EQ(matching({"TYPE", "normal", "ID"}), "");
  EXPECT_EQ(matching({"NOT-ID", "TYPE", "pubsub"}), "3");
  EXPECT_EQ(matching({"ID", "x"}), "error");
  for (const Words& wrong : {Words{"TYPE"}, {"ID", "1", "NAME"}, {"MAXAGE", "x"}, {"IDLE", ""},
                             {"DB", "x"}, {"SKIPME", "x"}, {"NOT-DB"}})
    EXPECT_EQ(matching(wrong), "error") << wrong[0];
}

TEST_F(Filters, SkipTheClientThatAsksIfItSaysSo) {
  const Words yes = {"SKIPME", "yes"}, no = {"SKIPME", "no"};
  EXPECT_TRUE(ClientFilter::parse(yes, false)->skips_self());
  EXPECT_FALSE(ClientFilter::parse(no, true)->skips_self());
}

// ---- What the server is asked.

std::string asked(const Words& words) {
  const Clients clients;
  std::string text;
  for (const std::string& word : client_inquiry(words, clients)) text += word + '.';
  return text;
}

std::string hello_asked(const Words& words) {
  std::string text;
  for (const std::string& word : hello_inquiry(words)) text += word + '.';
  return text;
}

TEST(Inquiry, IsNotMadeOfWhatIsRight) {
  for (const Words& right :
       {Words{"CLIENT", "ID"}, {"CLIENT", "SETNAME", "me"}, {"CLIENT", "REPLY", "Off"},
        {"CLIENT", "PAUSE", "10", "write"}, {"CLIENT", "UNBLOCK", "3", "ERROR"}, {"CLIENT", "LIST"},
        {"CLIENT", "SETINFO", "LIB-NAME", "x"}, {"CLIENT", "NO-EVICT", "on"}})
    EXPECT_EQ(asked(right), "") << right[1];
}

TEST(Inquiry, HasNoEffectOnTheServer) {
  EXPECT_EQ(asked({"CLIENT", "KILL", "127.0.0.1:7"}), "CLIENT.KILL.-.");
  EXPECT_EQ(asked({"CLIENT", "KILL", "ID", "7"}), "CLIENT.KILL.LADDR.-.ID.7.");
  EXPECT_EQ(asked({"CLIENT", "KILL", "USER", "default", "TYPE"}),
            "CLIENT.KILL.LADDR.-.USER.default.TYPE.");
  EXPECT_EQ(asked({"CLIENT", "KILL", "laddr", "1.2.3.4:5", "ID", "7"}),
            "CLIENT.KILL.LADDR.-.laddr.-.ID.7.");
  EXPECT_EQ(asked({"CLIENT", "KILL", "TYPE", "x", "LADDR"}), "CLIENT.KILL.LADDR.-.TYPE.x.LADDR.");
  EXPECT_EQ(asked({"CLIENT", "SETNAME", "a b"}), "CLIENT.SETNAME.a b.");
  EXPECT_EQ(asked({"CLIENT", "SETNAME", std::string_view("a\0b", 3)}), "CLIENT.SETNAME.a b.");
  EXPECT_EQ(asked({"CLIENT", "SETINFO", "lib-name", std::string_view("a\0", 2)}),
            "CLIENT.SETINFO.lib-name.a b.");
  EXPECT_EQ(asked({"CLIENT", "REPLY", "LATER"}), "CLIENT.REPLY.-.");
  EXPECT_EQ(asked({"CLIENT", "PAUSE", "100000", "FOO"}), "CLIENT.PAUSE.0.FOO.");
  EXPECT_EQ(asked({"CLIENT", "PAUSE", "100000", "ALL", "x"}), "CLIENT.PAUSE.0.ALL.x.");
  EXPECT_EQ(asked({"CLIENT", "PAUSE", "9000000000000000000"}),
            "CLIENT.PAUSE.9223372036854775807.");
  EXPECT_EQ(asked({"CLIENT", "PAUSE", "-1"}), "CLIENT.PAUSE.-1.");
  EXPECT_EQ(asked({"CLIENT", "UNBLOCK", "12", "FOO"}), "CLIENT.UNBLOCK.0.FOO.");
  EXPECT_EQ(asked({"CLIENT", "UNBLOCK", "x"}), "CLIENT.UNBLOCK.x.");
}

TEST(Inquiry, OfHelloShowsNoPasswordAndIsRefusedWhateverTheServerKnows) {
  EXPECT_EQ(hello_asked({"HELLO", "4"}), "HELLO.4....");
  EXPECT_EQ(hello_asked({"HELLO", "3", "FOO", "secret"}), "HELLO.3.FOO....");
  EXPECT_EQ(hello_asked({"HELLO", "3", "AUTH", "ann", "secret", "SETNAME", "n", "FOO"}),
            "HELLO.3.FOO....");
  EXPECT_EQ(hello_asked({"HELLO", "3", "SETNAME", "my name", "AUTH", "ann"}),
            "HELLO.3.SETNAME.a b....");
  EXPECT_EQ(hello_asked({"HELLO", "3", "AUTH", "ann"}), "HELLO.3.AUTH.-.");
  EXPECT_EQ(hello_asked({"HELLO", "3", "SETNAME"}), "HELLO.3.SETNAME.");
}

TEST(Inquiry, IsShortHoweverLongTheCommandIs) {
  const std::string huge(100'000, 'x'), bad = huge + " ";
  EXPECT_EQ(asked({"CLIENT", "SETNAME", bad}), "CLIENT.SETNAME.a b.");
  EXPECT_EQ(asked({"CLIENT", "KILL", "TYPE", huge}), "");
  EXPECT_EQ(asked({"CLIENT", "LIST", "TYPE", huge}), "");
  EXPECT_LT(asked({"CLIENT", "SETINFO", huge, "x"}).size(), 1100u);
  EXPECT_LT(asked({"CLIENT", "PAUSE", "1", huge, huge}).size(), 1100u);
  EXPECT_LT(hello_asked({"HELLO", "3", huge}).size(), 1100u);
  EXPECT_LT(hello_asked({"HELLO", huge}).size(), 1100u);
}

TEST(Inquiry, IsNotNeededToKnowWhatIsWrongByEveryServersRules) {
  for (const Words& wrong :
       {Words{"CLIENT", "PAUSE", "x"}, {"CLIENT", "UNBLOCK", "1", "FOO"}, {"CLIENT", "REPLY", "x"},
        {"CLIENT", "SETNAME", "a b"}, {"CLIENT", "SETINFO", "x", "y"}, {"CLIENT", "NO-EVICT", "x"}})
    EXPECT_FALSE(client_is_right(wrong)) << wrong[1];
  const Words right = {"CLIENT", "ID"};
  EXPECT_TRUE(client_is_right(right));
}

TEST(Inquiry, IsNoRefusalIfTheProxyItselfMayNotAsk) {
  EXPECT_TRUE(refuses("-ERR syntax error\r\n"));
  EXPECT_FALSE(refuses("-NOPERM this user has no permissions\r\n"));
  EXPECT_FALSE(refuses(":0\r\n"));
  EXPECT_FALSE(refuses(""));
}

}  // namespace
}  // namespace sluice::proxy::front
