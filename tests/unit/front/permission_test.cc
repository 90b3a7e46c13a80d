#include "proxy/front/permission.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sluice::proxy::front {
namespace {

using Kind = Verdict::Kind;
using Words = std::vector<std::string_view>;

// What COMMAND answers, built up piece by piece.
std::string array(std::initializer_list<std::string> elements) {
  std::string out = "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) out += element;
  return out;
}
std::string word(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}
std::string number(int64_t value) { return ":" + std::to_string(value) + "\r\n"; }

std::string spec(std::initializer_list<std::string> flags, const std::string& begin,
                 const std::string& find) {
  return array({word("flags"), array(flags), word("begin_search"), begin, word("find_keys"), find});
}
std::string index(int64_t at) {
  return array({word("type"), word("index"), word("spec"), array({word("index"), number(at)})});
}
std::string keyword(std::string_view name, int64_t from) {
  return array({word("type"), word("keyword"), word("spec"),
                array({word("keyword"), word(name), word("startfrom"), number(from)})});
}
std::string range(int64_t last, int64_t step, int64_t limit) {
  return array({word("type"), word("range"), word("spec"),
                array({word("lastkey"), number(last), word("keystep"), number(step), word("limit"),
                       number(limit)})});
}
std::string keynum(int64_t at, int64_t first, int64_t step) {
  return array({word("type"), word("keynum"), word("spec"),
                array({word("keynumidx"), number(at), word("firstkey"), number(first),
                       word("keystep"), number(step)})});
}
const std::string kUnknown = array({word("type"), word("unknown"), word("spec"), "*0\r\n"});

std::string command(std::string_view name, int64_t arity, std::string_view category,
                    const std::string& specs = "*0\r\n", const std::string& subs = "*0\r\n",
                    const std::string& flags = "*0\r\n") {
  return array({word(name), number(arity), flags, number(0), number(0), number(0),
                array({"+@" + std::string(category) + "\r\n"}), "*0\r\n", specs, subs});
}

const std::string kAccess = "+access\r\n", kUpdate = "+update\r\n", kInsert = "+insert\r\n";

upstream::CatalogPtr catalog() {
  const std::string read = array({spec({kAccess}, index(1), range(0, 1, 0))});
  const std::string reply = array({
      command("get", 2, "read", read),
      command("set", -3, "write",
              array({spec({kAccess, kUpdate, "+variable_flags\r\n"}, index(1), range(0, 1, 0))})),
      command("mset", -3, "write", array({spec({kUpdate}, index(1), range(-1, 2, 0))})),
      command("xread", -4, "read",
              array({spec({kAccess}, keyword("STREAMS", 1), range(-1, 1, 2))})),
      command("pfmerge", -2, "write",
              array({spec({kAccess, kInsert}, index(1), range(0, 1, 0)),
                     spec({kAccess}, index(2), range(-1, 1, 0))})),
      command("georadius", -6, "write",
              array({spec({kAccess}, index(1), range(0, 1, 0)),
                     spec({kUpdate}, keyword("STORE", 6), range(0, 1, 0))})),
      command("module.read", -2, "read",
              array({spec({kAccess}, index(1), range(0, 1, 0)),
                     spec({kAccess, "+incomplete\r\n"}, kUnknown, kUnknown)})),
      command("zunion", -3, "read", array({spec({kAccess}, index(1), keynum(0, 1, 1))})),
      command("sort", -2, "write",
              array({spec({kAccess}, index(1), range(0, 1, 0)),
                     spec({kUpdate, "+incomplete\r\n"}, kUnknown, kUnknown)})),
      command("eval", -3, "scripting",
              array({spec({kAccess, kUpdate}, index(2), keynum(0, 1, 1))})),
      command("subscribe", -2, "pubsub"),
      command("psubscribe", -2, "pubsub"),
      command("publish", 3, "pubsub"),
      command("ping", -1, "connection"),
      command("select", 2, "connection"),
      command("auth", -2, "connection", "*0\r\n", "*0\r\n", array({"+no_auth\r\n"})),
      command("config", -2, "slow", "*0\r\n",
              array({command("config|get", -3, "admin"), command("config|set", -4, "admin")})),
      command("flushall", -1, "dangerous"),
      command("swapdb", 3, "keyspace"),
      command("dbsize", 1, "keyspace"),
      command("move", 3, "keyspace", array({spec({kAccess, kUpdate}, index(1), range(0, 1, 0))})),
      command("copy", -3, "keyspace", array({spec({kAccess}, index(1), range(1, 1, 0))})),
  });
  auto parsed = upstream::CommandCatalog::parse(reply);
  EXPECT_TRUE(parsed);
  return std::make_shared<const upstream::CommandCatalog>(*std::move(parsed));
}

// Of a server that has told how many databases and which categories there are.
upstream::CatalogPtr catalog_of(upstream::ServerUsers users) {
  upstream::CommandCatalog known = *catalog();
  known.know_users(std::move(users));
  return std::make_shared<const upstream::CommandCatalog>(std::move(known));
}

Kind judge(const std::string& rules, const Words& words, int64_t database = 0,
           upstream::CatalogPtr known = catalog()) {
  const auto users = Users::parse("user a on nopass " + rules, "f");
  EXPECT_TRUE(users) << users.error().message();
  const Permission permission(users->find("a"), std::move(known));
  if (const auto* sale_command = sale::find_command(words[0]))
    return permission.check(*sale_command, words).kind;
  const auto* found = permission.catalog()->lookup(words);
  EXPECT_NE(found, nullptr) << words[0];
  return permission.check(*found, words, database).kind;
}

TEST(CommandCatalog, FindsCommandsAndSubcommandsInAnyCase) {
  const auto known = catalog();
  const Words get = {"GeT", "k"}, config_get = {"CONFIG", "GET", "x"}, config = {"config"},
              wrong = {"config", "nothing"}, joined = {"config|get", "x"}, none = {"nothing"};
  EXPECT_EQ(known->lookup(get)->name, "get");
  EXPECT_EQ(known->lookup(config_get)->name, "config|get");
  EXPECT_EQ(known->lookup(config)->name, "config");
  EXPECT_EQ(known->lookup(wrong), nullptr);
  EXPECT_EQ(known->lookup(joined), nullptr);
  EXPECT_EQ(known->lookup(none), nullptr);
}

TEST(CommandCatalog, ACutOrForeignReplyIsRefused) {
  const std::string reply = array({command("get", 2, "read")});
  ASSERT_TRUE(upstream::CommandCatalog::parse(reply));
  for (size_t cut = 0; cut < reply.size(); ++cut)
    EXPECT_FALSE(upstream::CommandCatalog::parse(reply.substr(0, cut))) << cut;
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "*1\r\n";
  for (const std::string& other :
       {std::string("+OK\r\n"), std::string("-NOPERM no\r\n"), std::string("*1\r\n:1\r\n"),
        std::string("*999999999999\r\n"), std::string("$-2\r\n"), std::string("*0\r\n"), deep})
    EXPECT_FALSE(upstream::CommandCatalog::parse(other));
}

TEST(Permission, CommandsAreAllowedByNameAndCategoryTheLaterRuleHolds) {
  EXPECT_EQ(judge("~* +get", {"GET", "k"}), Kind::kAllowed);
  EXPECT_EQ(judge("~* +get", {"SET", "k", "v"}), Kind::kCommand);
  EXPECT_EQ(judge("~* +@read -get", {"GET", "k"}), Kind::kCommand);
  EXPECT_EQ(judge("~* -get +@read", {"GET", "k"}), Kind::kAllowed);
  EXPECT_EQ(judge("~* +@all -@dangerous", {"FLUSHALL"}), Kind::kCommand);
  EXPECT_EQ(judge("~* +@all -@dangerous", {"SET", "k", "v"}), Kind::kAllowed);
  EXPECT_EQ(judge("", {"PING"}), Kind::kCommand);
  EXPECT_EQ(judge("", {"AUTH", "x"}), Kind::kAllowed);
}

TEST(Permission, ACommandTakesItsSubcommandsAlong) {
  EXPECT_EQ(judge("+config", {"CONFIG", "SET", "a", "b"}), Kind::kAllowed);
  EXPECT_EQ(judge("+config -config|set", {"CONFIG", "SET", "a", "b"}), Kind::kCommand);
  EXPECT_EQ(judge("+config -config|set", {"CONFIG", "GET", "a"}), Kind::kAllowed);
  EXPECT_EQ(judge("+config|get", {"CONFIG", "GET", "a"}), Kind::kAllowed);
  EXPECT_EQ(judge("+config|get", {"CONFIG", "SET", "a", "b"}), Kind::kCommand);
}

TEST(Permission, AFirstArgumentMayBeAllowed) {
  EXPECT_EQ(judge("+select|0", {"SELECT", "0"}), Kind::kAllowed);
  EXPECT_EQ(judge("+select|0", {"SELECT", "1"}), Kind::kCommand);
  EXPECT_EQ(judge("+select|0 -select", {"SELECT", "0"}), Kind::kCommand);
}

TEST(Permission, EveryKeyMustMatchAPatternWithItsRights) {
  EXPECT_EQ(judge("+@all ~a*", {"GET", "ab"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~a*", {"GET", "b"}), Kind::kKey);
  EXPECT_EQ(judge("+@all ~a*", {"MSET", "a1", "b", "a2", "b"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~a*", {"MSET", "a1", "b", "b", "b"}), Kind::kKey);
  EXPECT_EQ(judge("+@all %R~a", {"GET", "a"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all %R~a", {"MSET", "a", "b"}), Kind::kKey);
  EXPECT_EQ(judge("+@all %W~a", {"SET", "a", "b"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all %W~a", {"SET", "a", "b", "GET"}), Kind::kKey);
  EXPECT_EQ(judge("+@all ~a", {"ZUNION", "2", "a", "a"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~a", {"ZUNION", "2", "a", "b"}), Kind::kKey);
  EXPECT_EQ(judge("+@all ~a", {"ZUNION", "x", "b"}), Kind::kAllowed);  // Redis says what is wrong
  EXPECT_EQ(judge("+@all ~a ~b", {"XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0"}),
            Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~a ~0", {"XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0"}),
            Kind::kKey);
}

TEST(Permission, KeysThatRedisOverlooksAreKeysToo) {
  EXPECT_EQ(judge("+@all ~a", {"PFMERGE", "a"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~a", {"PFMERGE", "b"}), Kind::kKey);
  EXPECT_EQ(judge("+@all ~a", {"PFMERGE", "a", "b"}), Kind::kKey);
  EXPECT_EQ(judge("+@all ~a", {"GEORADIUS", "a", "0", "0", "1", "m", "STORE", "a"}),
            Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~a", {"GEORADIUS", "a", "0", "0", "1", "m", "STORE", "a", "STORE", "b"}),
            Kind::kKey);
  // A consumer, or a group, may have the name of the keyword.
  EXPECT_EQ(judge("+@all ~s*", {"XREAD", "streams", "streams", "b", "0"}), Kind::kKey);
  EXPECT_EQ(judge("+@all ~*", {"MODULE.READ", "a"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~a", {"MODULE.READ", "a"}), Kind::kKey);
}

TEST(Permission, HugeKeyCountsAreNotFollowed) {
  for (std::string_view count : {"9223372036854775807", "-1", "4294967297", "99"})
    EXPECT_EQ(judge("+@all ~a", {"ZUNION", count, "b"}), Kind::kAllowed) << count;
}

TEST(Permission, SortReadsAndWritesMoreThanItsKey) {
  EXPECT_EQ(judge("+@all ~a ~d", {"SORT", "a", "STORE", "d"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~a", {"SORT", "a", "STORE", "d"}), Kind::kKey);
  EXPECT_EQ(judge("+@all %R~a %R~d", {"SORT", "a", "STORE", "d"}), Kind::kKey);
  EXPECT_EQ(judge("+@all ~a", {"SORT", "a", "BY", "w_*"}), Kind::kSortBy);
  EXPECT_EQ(judge("+@all ~a", {"SORT", "a", "BY", "nosort"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~a", {"SORT", "a", "LIMIT", "get", "x", "GET", "#"}), Kind::kSortGet);
  EXPECT_EQ(judge("+@all ~*", {"SORT", "a", "BY", "w_*"}), Kind::kAllowed);
}

TEST(Permission, ScriptsNeedEverythingOrTheirName) {
  const Words eval = {"EVAL", "return 1", "1", "k"};
  EXPECT_EQ(judge("+@all -get ~* &*", eval), Kind::kCommand);
  EXPECT_EQ(judge("+@all ~*", eval), Kind::kCommand);
  EXPECT_EQ(judge("+@scripting ~* &*", eval), Kind::kCommand);
  EXPECT_EQ(judge("+@all +eval ~k", eval), Kind::kAllowed);
  EXPECT_EQ(judge("+eval ~x", eval), Kind::kKey);
  EXPECT_EQ(judge("+eval -@scripting ~k", eval), Kind::kCommand);
}

TEST(Permission, ChannelsMatchAndPatternsMustBeTheSame) {
  EXPECT_EQ(judge("+@all &n.*", {"SUBSCRIBE", "n.1"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all &n.*", {"SUBSCRIBE", "n.1", "m"}), Kind::kChannel);
  EXPECT_EQ(judge("+@all &n.*", {"PSUBSCRIBE", "n.*"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all &n.*", {"PSUBSCRIBE", "n.1"}), Kind::kChannel);
  EXPECT_EQ(judge("+@all &n.*", {"PUBLISH", "n.1", "x"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@all &n.*", {"PUBLISH", "x", "n.1"}), Kind::kChannel);
}

TEST(Permission, OneSelectorMustAllowTheWholeCommand) {
  EXPECT_EQ(judge("+get ~a (+set ~b)", {"GET", "a"}), Kind::kAllowed);
  EXPECT_EQ(judge("+get ~a (+set ~b)", {"SET", "b", "x"}), Kind::kAllowed);
  EXPECT_EQ(judge("+get ~a (+set ~b)", {"SET", "a", "x"}), Kind::kKey);
  EXPECT_EQ(judge("+get ~a (+set ~b)", {"PING"}), Kind::kCommand);
}

TEST(Permission, PurchasesAreACategoryAndItemsAreKeys) {
  const Words buy = {"SECKILL.BUY", "shoe", "u1"}, create = {"SECKILLCREATE", "shoe", "STOCK", "1"};
  EXPECT_EQ(judge("+@purchase ~*", buy), Kind::kAllowed);
  EXPECT_EQ(judge("+@purchase ~sh*", buy), Kind::kAllowed);
  EXPECT_EQ(judge("+@purchase ~x*", buy), Kind::kKey);
  EXPECT_EQ(judge("+@purchase %R~*", buy), Kind::kKey);
  EXPECT_EQ(judge("+@purchase %R~*", {"SECKILL.STOCK", "shoe"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@purchase ~*", create), Kind::kCommand);
  EXPECT_EQ(judge("+@write ~*", create), Kind::kCommand);
  EXPECT_EQ(judge("+@seckill-admin ~*", create), Kind::kAllowed);
  EXPECT_EQ(judge("+@all -@dangerous ~*", create), Kind::kCommand);
  EXPECT_EQ(judge("+@seckill-admin", {"SECKILL.STATUS"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@seckill-admin", {"SECKILL.SLOWLOG", "GET"}), Kind::kAllowed);
  EXPECT_EQ(judge("+@purchase -seckill.buy ~*", buy), Kind::kCommand);
  EXPECT_EQ(judge("+seckillbuy ~*", buy), Kind::kAllowed);
}

TEST(Permission, PurchasesAreJudgedBeforeRedisWasReached) {
  const auto users = Users::parse("user a on nopass +@purchase +get ~s*", "f");
  const Permission permission(users->find("a"), nullptr);
  const Words good = {"SECKILL.BUY", "shoe", "u"}, bad = {"SECKILL.BUY", "hat", "u"};
  EXPECT_TRUE(permission.check(*sale::find_command("seckill.buy"), good));
  EXPECT_FALSE(permission.check(*sale::find_command("seckill.buy"), bad));
}

TEST(Permission, CommandsStayInTheDatabasesOfTheUser) {
  EXPECT_EQ(judge("+@all ~* db=1", {"GET", "k"}, 1), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~* db=1", {"GET", "k"}, 0), Kind::kDatabase);
  EXPECT_EQ(judge("+@all ~* db=1", {"DBSIZE"}, 0), Kind::kDatabase);
  EXPECT_EQ(judge("+@all ~* db=1", {"PING"}, 0), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~* db=1", {"SELECT", "1"}, 0), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~* db=1", {"SELECT", "2"}, 1), Kind::kDatabase);
  EXPECT_EQ(judge("+@all ~* resetdbs", {"SELECT", "0"}, 0), Kind::kDatabase);
  EXPECT_EQ(judge("~* +get db=1", {"MSET", "k", "v"}, 0), Kind::kDatabase);
  EXPECT_EQ(judge("+get ~a db=0 (+get ~b db=1)", {"GET", "a"}, 1), Kind::kKey);
  EXPECT_EQ(judge("+get ~a db=0 (+get ~b db=1)", {"GET", "b"}, 1), Kind::kAllowed);
}

TEST(Permission, EveryDatabaseThatIsNamedMustBeOneOfTheUser) {
  EXPECT_EQ(judge("+@all ~* db=0,1", {"SWAPDB", "0", "1"}, 5), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~* db=0,1", {"SWAPDB", "0", "2"}, 0), Kind::kDatabase);
  EXPECT_EQ(judge("+@all ~* db=0,1", {"MOVE", "k", "1"}, 0), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~* db=0,1", {"MOVE", "k", "1"}, 2), Kind::kDatabase);
  EXPECT_EQ(judge("+@all ~* db=0,1", {"COPY", "a", "b", "REPLACE", "DB", "1"}, 0), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~* db=0,1", {"COPY", "a", "b", "DB", "1", "DB", "2"}, 0), Kind::kDatabase);
  EXPECT_EQ(judge("+@all ~* db=0,1", {"COPY", "a", "b", "DB", "2", "DB", "1"}, 0), Kind::kDatabase);
  // Redis says what is wrong.
  EXPECT_EQ(judge("+@all ~* db=0,1", {"COPY", "a", "b", "DB"}, 0), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~* db=0,1", {"SELECT", "x"}, 0), Kind::kAllowed);
}

TEST(Permission, HowManyDatabasesThereAreDecidesWhatIsOutOfRangeAndWhatIsAll) {
  upstream::ServerUsers two;
  two.databases = 2;
  EXPECT_EQ(judge("+@all ~* db=0,1", {"FLUSHALL"}, 0, catalog_of(two)), Kind::kAllowed);
  EXPECT_EQ(judge("+@all ~* db=0", {"FLUSHALL"}, 0, catalog_of(two)), Kind::kDatabase);
  EXPECT_EQ(judge("+@all ~* db=0", {"SELECT", "1"}, 0, catalog_of(two)), Kind::kDatabase);
  EXPECT_EQ(judge("+@all ~* db=0", {"SELECT", "2"}, 0, catalog_of(two)), Kind::kAllowed);
  // Not told: neither is risked.
  EXPECT_EQ(judge("+@all ~* db=0,1", {"FLUSHALL"}, 0), Kind::kDatabase);
  EXPECT_EQ(judge("+@all ~* db=0", {"SELECT", "2"}, 0), Kind::kDatabase);
}

TEST(Permission, ItemsAreInNoDatabase) {
  EXPECT_EQ(judge("+@purchase ~* db=5", {"SECKILL.BUY", "shoe", "u1"}), Kind::kAllowed);
}

TEST(Permission, RulesOnCommandsThatRedisDoesNotHaveAreFound) {
  const auto users = Users::parse(
      "user a +get +nothing -config|gte +config|get +select|0 +seckill.buy (-flushal)", "f");
  EXPECT_EQ(Permission::unknown_rules(*users->find("a"), *catalog()),
            (std::vector<std::string>{"+nothing", "-config|gte", "-flushal"}));
}

TEST(Permission, RulesOnCategoriesThatRedisDoesNotHaveAreFound) {
  upstream::ServerUsers told;
  told.categories = {"geo"};  // which no command of the catalog is in
  const auto users =
      Users::parse("user a +@read +@geo -@search +@purchase (+@seckill-admin +@json)", "f");
  EXPECT_EQ(Permission::unknown_rules(*users->find("a"), *catalog_of(told)),
            (std::vector<std::string>{"-@search", "+@json"}));
  EXPECT_EQ(judge("+@nothing -@search +@read ~*", {"GET", "k"}), Kind::kAllowed);
}

}  // namespace
}  // namespace sluice::proxy::front
