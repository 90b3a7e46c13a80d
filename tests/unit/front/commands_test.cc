#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proxy/front/command_table.h"
#include "proxy/front/connection_commands.h"
#include "proxy/front/glob.h"
#include "proxy/front/reply_rewrite.h"
#include "proxy/front/sale_docs.h"

namespace sluice::proxy::front {
namespace {

using Words = std::vector<std::string_view>;

TEST(CommandTable, ComparesNamesInAnyCaseAndWhole) {
  EXPECT_EQ(classify("mUlTi"), CommandKind::kMulti);
  EXPECT_EQ(classify(std::string_view("multi\0x", 7)), CommandKind::kUnclear);
  EXPECT_EQ(classify(std::string_view("seckill.buy\0", 12)), CommandKind::kUnclear);
  EXPECT_EQ(classify("PUNSUBSCRIBE"), CommandKind::kUnsubscribe);
  EXPECT_EQ(classify("brpoplpush"), CommandKind::kBlocking);
  for (std::string_view other :
       {"", "get", "SET", "multix", "mult", "xevalsha", "seckill", "xreadx"})
    EXPECT_EQ(classify(other), CommandKind::kForward) << other;
}

TEST(CommandTable, NothingThatBreaksTheSharedConnectionIsForwarded) {
  for (std::string_view name :
       {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SYNC", "PSYNC", "REPLCONF", "HELLO",
        "RESET", "QUIT", "SELECT", "AUTH", "CLIENT", "MULTI", "WATCH", "BLPOP", "XREAD", "WAIT"})
    EXPECT_NE(classify(name), CommandKind::kForward) << name;
}

TEST(CommandTable, EverySaleCommandIsKnownInBothForms) {
  for (const sale::CommandSpec& doc : sale::command_specs()) {
    std::string undotted(doc.name);
    undotted.erase(7, 1);
    EXPECT_EQ(classify(doc.name), CommandKind::kSale);
    EXPECT_EQ(classify(undotted), CommandKind::kSale);
    EXPECT_EQ(sale::find_command(doc.name), &doc);
    EXPECT_EQ(sale::find_command(undotted), &doc);
  }
  EXPECT_EQ(sale::find_command("seckill.nothing"), nullptr);
}

class ConnectionCommands : public ::testing::Test {
 protected:
  ConnectionCommands() { clients_.add(client_); }
  // "" if the server is to refuse it.
  std::string say_hello(Words words) {
    const auto request = parse_hello(words, client_->protocol);
    const auto server = ServerHello::parse("*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n"
                                           "$5\r\nproto\r\n:2\r\n");
    return request ? hello(*request, *client_, clients_, *server) : "";
  }
  std::string say_client(Words words) {
    words.insert(words.begin(), "CLIENT");
    return client_command(words, "", *client_, clients_).bytes;
  }

  Clients clients_;
  ClientPtr client_ = std::make_shared<Client>();
};

TEST_F(ConnectionCommands, HelloSwitchesOnlyToAVersionThatExists) {
  EXPECT_EQ(say_hello({"HELLO", "3"}),
            "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n");
  EXPECT_EQ(client_->protocol, 3);
  for (const Words& wrong : {Words{"HELLO", "4"}, {"HELLO", "x"}, {"HELLO", "3", "FOO"},
                             {"HELLO", "3", "AUTH", "x"}, {"HELLO", "3", "SETNAME", "a b"}})
    EXPECT_EQ(say_hello(wrong), "") << wrong.back();
  EXPECT_EQ(client_->protocol, 3);
  EXPECT_TRUE(say_hello({"HELLO", "2", "SETNAME", "me"}).starts_with("*4\r\n"));
  EXPECT_EQ(clients_.name(*client_), "me");
}

TEST_F(ConnectionCommands, AHelloThatFailsChangesNothing) {
  EXPECT_TRUE(
      say_hello({"HELLO", "3", "SETNAME", "me", "AUTH", "x", "y"}).starts_with("-WRONGPASS"));
  EXPECT_EQ(client_->protocol, 2);
  EXPECT_EQ(clients_.name(*client_), "");
}

TEST_F(ConnectionCommands, ClientSpeaksOfThisConnection) {
  EXPECT_EQ(say_client({"ID"}), ":1\r\n");
  EXPECT_EQ(say_client({"GETNAME"}), "$-1\r\n");
  EXPECT_EQ(say_client({"SETNAME", "ab"}), "+OK\r\n");
  EXPECT_EQ(say_client({"GETNAME"}), "$2\r\nab\r\n");
  EXPECT_EQ(say_client({"SETINFO", "LIB-NAME", "redis-py"}), "+OK\r\n");
  EXPECT_NE(say_client({"INFO"}).find("lib-name=redis-py"), std::string::npos);
}

TEST(ClientPlace, IsRedisForWhatIsWrongOrUnknown) {
  const auto place = [](Words words) { return client_place(words); };
  EXPECT_EQ(place({"CLIENT", "id"}), ClientPlace::kHere);
  EXPECT_EQ(place({"CLIENT", "ID", "x"}), ClientPlace::kWrong);
  EXPECT_EQ(place({"CLIENT", "KILL"}), ClientPlace::kWrong);
  EXPECT_EQ(place({"CLIENT"}), ClientPlace::kWrong);
  EXPECT_EQ(place({"CLIENT", "MAINT_NOTIFICATIONS", "on"}), ClientPlace::kUnknown);
  EXPECT_EQ(place({"CLIENT", "UNBLOCK", "7"}), ClientPlace::kUnblock);
}

TEST_F(ConnectionCommands, KillEndsOthersAtOnceAndItselfAfterTheReply) {
  auto other = std::make_shared<Client>();
  bool killed = false;
  other->kill = [&] { killed = true; };
  clients_.add(other);
  const Words self = {"CLIENT", "KILL", "ID", "1", "SKIPME", "no"};
  const LocalReply reply = client_command(self, ":0\r\n", *client_, clients_);
  EXPECT_EQ(reply.bytes, ":1\r\n");
  EXPECT_TRUE(reply.close);
  EXPECT_FALSE(killed);
  EXPECT_EQ(say_client({"KILL", "ID", "2"}), ":1\r\n");
  EXPECT_TRUE(killed);
  EXPECT_EQ(say_client({"KILL", "ID", "9"}), ":0\r\n");
  const Words nobody = {"CLIENT", "KILL", "127.0.0.1:1"};
  EXPECT_EQ(client_command(nobody, "-ERR what the server says\r\n", *client_, clients_).bytes,
            "-ERR what the server says\r\n");
}

const std::vector<base::ConfigKey>& test_keys() {
  static const std::vector<base::ConfigKey> keys = {
      {"limits.clients", base::ConfigType::kInteger, "10", 1, 20, {}, true, ""},
      {"journal.dir", base::ConfigType::kString, "j", 0, 0, {}, false, ""}};
  return keys;
}

TEST(ConfigCommand, SpeaksOfOurKeysAndLeavesTheOthersToRedis) {
  int applied = 0;
  LiveConfig config(base::Config(test_keys()), [&](const base::Config&) { ++applied; });
  const auto say = [&](Words words) {
    words.insert(words.begin(), "config");
    return config_command(words, config, 2);
  };
  EXPECT_EQ(say({"GET", "sluice.limits.*"}).bytes,
            "*2\r\n$21\r\nsluice.limits.clients\r\n$2\r\n10\r\n");
  EXPECT_EQ(say({"SET", "sluice.limits.clients", "20"}).bytes, "+OK\r\n");
  EXPECT_EQ(applied, 1);
  EXPECT_TRUE(say({"SET", "sluice.limits.clients", "21"}).bytes.starts_with("-ERR CONFIG SET"));
  EXPECT_TRUE(say({"SET", "sluice.journal.dir", "k"}).bytes.starts_with("-ERR CONFIG SET failed"));
  EXPECT_TRUE(say({"SET", "sluice.nothing", "k"}).bytes.starts_with("-ERR Unknown option"));
  EXPECT_EQ(applied, 1);
  EXPECT_EQ(say({"GET", "maxmemory"}).place, LocalReply::Place::kForward);
  EXPECT_EQ(say({"GET", "*"}).place, LocalReply::Place::kForward);
  EXPECT_EQ(say({"REWRITE"}).place, LocalReply::Place::kForward);
}

TEST(ConfigCommand, GlobsMatchAsInRedis) {
  EXPECT_TRUE(glob_matches("sluice.*", "sluice.a.b"));
  EXPECT_TRUE(glob_matches_ignoring_case("SLUICE.?", "sluice.a"));
  EXPECT_TRUE(glob_matches("*a*b", "xaxbxb"));
  EXPECT_FALSE(glob_matches("*a*b", "xaxbxbc"));
  EXPECT_FALSE(glob_matches("s\\*", "sx"));
}

TEST(ReplyRewrite, InfoGetsOurSectionBehindTheOthers) {
  EXPECT_EQ(add_info_section("$4\r\n# A\n\r\n", "# Sluice\r\n"),
            "$16\r\n# A\n\r\n# Sluice\r\n\r\n");
  EXPECT_EQ(add_info_section("=7\r\ntxt:# A\r\n", "# S\r\n"), "=14\r\ntxt:# A\r\n# S\r\n\r\n");
  EXPECT_EQ(add_info_section("-LOADING x\r\n", "# S\r\n"), "-LOADING x\r\n");
}

TEST(ReplyRewrite, CommandInfoFillsTheGapsOfRedis) {
  const std::string names[] = {"get", "SECKILL.BUY", "foo"};
  const std::string reply =
      add_commands(CommandRewrite::kInfoOfNames, names, "*3\r\n*1\r\n:1\r\n$-1\r\n$-1\r\n", 2);
  EXPECT_TRUE(reply.starts_with("*3\r\n*1\r\n:1\r\n*10\r\n$11\r\nseckill.buy\r\n:-3\r\n")) << reply;
  EXPECT_TRUE(reply.ends_with("$-1\r\n"));
}

TEST(ReplyRewrite, CommandCountAndListCountBothForms) {
  const std::string ours = std::to_string(sale::command_specs().size() * 2 + 3);
  EXPECT_EQ(add_commands(CommandRewrite::kCount, {}, ":3\r\n", 2), ":" + ours + "\r\n");
  const std::string list =
      add_commands(CommandRewrite::kNames, {}, "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", 2);
  EXPECT_TRUE(list.starts_with("*" + ours + "\r\n$1\r\na\r\n"));
  EXPECT_EQ(add_commands(CommandRewrite::kNames, {}, "-NOPERM x\r\n", 2), "-NOPERM x\r\n");
}

}  // namespace
}  // namespace sluice::proxy::front
