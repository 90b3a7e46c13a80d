// SECKILL commands: names, arity, and both sides of every limit.
#include <gtest/gtest.h>

#include <random>

#include "journal/record.h"
#include "proxy/sale/command.h"
#include "proxy/sale/purchase_flow.h"

namespace sluice::proxy::sale {
namespace {

Result<Operation> parse(std::vector<std::string> words) {
  const std::vector<std::string_view> args(words.begin(), words.end());
  const CommandSpec* spec = find_command(args[0]);
  if (spec == nullptr) return Error(ErrorClass::kNotFound, "no such command");
  SLUICE_TRY(check_arity(*spec, args.size()));
  return parse_operation(*spec, args);
}

std::string error_of(std::vector<std::string> words) {
  const auto parsed = parse(std::move(words));
  return parsed ? "" : parsed.error().message();
}

TEST(Command, NamesAreKnownInAnyCaseWithAndWithoutTheDot) {
  for (const char* name : {"SECKILL.BUY", "seckill.buy", "SeckillBuy", "SECKILLBUY"}) {
    EXPECT_TRUE(is_sale_command(name)) << name;
  }
  for (const char* name : {"SECKILL", "SECKILL.", "SECKILL..BUY", "SECKILL.BUYS", "BUY", ""}) {
    EXPECT_FALSE(is_sale_command(name)) << name;
  }
}

TEST(Command, ArityIsWordedAsRedisDoes) {
  EXPECT_EQ(error_of({"SECKILL.BUY", "i"}), "wrong number of arguments for 'seckill.buy' command");
  EXPECT_EQ(error_of({"seckillstock", "i", "j"}),
            "wrong number of arguments for 'seckill.stock' command");
}

TEST(Command, IdsAreOneTo64BytesOfTheNamedCharacters) {
  EXPECT_TRUE(parse({"SECKILL.BUY", "i", std::string(64, 'u')}).ok());
  EXPECT_EQ(error_of({"SECKILL.BUY", "i", std::string(65, 'u')}),
            "user must be 1 to 64 bytes of A-Z a-z 0-9 : _ . -");
  EXPECT_NE(error_of({"SECKILL.BUY", "", "u"}), "");
  EXPECT_TRUE(parse({"SECKILL.BUY", "aZ09:_.-", "u"}).ok());
  for (const char* bad : {"a b", "a{b", "a,b", "a;b", "a/b", "\xc3\xa9", "a\n"}) {
    EXPECT_NE(error_of({"SECKILL.BUY", bad, "u"}), "") << bad;
    EXPECT_NE(error_of({"SECKILL.BUY", "i", "u", "REQ", bad}), "") << bad;
  }
}

TEST(Command, QuantitiesEndAt2To31Minus1) {
  EXPECT_EQ(parse({"SECKILL.BUY", "i", "u", "QTY", "2147483647"})->quantity, 2147483647);
  EXPECT_EQ(parse({"SECKILL.BUY", "i", "u", "qty", "1"})->quantity, 1);
  for (const char* bad :
       {"0", "-1", "2147483648", "1.5", "1e3", "", " 1", "+1", "99999999999999999999"}) {
    EXPECT_EQ(error_of({"SECKILL.BUY", "i", "u", "QTY", bad}),
              "QTY must be a whole number from 1 to 2147483647")
        << bad;
    EXPECT_NE(error_of({"SECKILL.CREATE", "i", "STOCK", bad}), "") << bad;
  }
  EXPECT_TRUE(parse({"SECKILL.RESTOCK", "i", "-2147483647"}).ok());
  EXPECT_NE(error_of({"SECKILL.RESTOCK", "i", "0"}), "");
}

TEST(Command, FieldsAreBoundedInNumberNameAndValue) {
  const auto with_fields = [](int count) {
    std::vector<std::string> words{"SECKILL.BUY", "i", "u", "FIELDS"};
    for (int i = 0; i < count; ++i) words.push_back("f" + std::to_string(i)), words.push_back("v");
    return words;
  };
  EXPECT_TRUE(parse(with_fields(32)).ok());
  EXPECT_EQ(error_of(with_fields(33)), "FIELDS takes at most 32 fields");
  EXPECT_NE(error_of({"SECKILL.BUY", "i", "u", "FIELDS"}), "");
  EXPECT_NE(error_of({"SECKILL.BUY", "i", "u", "FIELDS", "k"}), "");
  EXPECT_NE(error_of({"SECKILL.BUY", "i", "u", "FIELDS", "k", "v", "k", "w"}), "");
  EXPECT_TRUE(parse({"SECKILL.BUY", "i", "u", "FIELDS", "k", std::string(1024, '\0')}).ok());
  EXPECT_EQ(error_of({"SECKILL.BUY", "i", "u", "FIELDS", "k", std::string(1025, 'v')}),
            "the value of field 'k' must be at most 1024 bytes");
  std::string name, value;
  const auto op = parse({"SECKILL.BUY", "i", "u", "REQ", "r", "FIELDS", "REQ", "x"});
  std::string_view fields = op->fields, got_name, got_value;
  ASSERT_TRUE(journal::take_field(fields, got_name, got_value));
  EXPECT_EQ(got_name, "REQ") << "FIELDS takes the rest of the command";
  EXPECT_EQ(op->request, "r");
}

TEST(Command, OptionsOfOtherCommandsAndUnknownOnesAreRefused) {
  EXPECT_NE(error_of({"SECKILL.BUY", "i", "u", "LIMIT", "1"}), "");
  EXPECT_NE(error_of({"SECKILL.BUY", "i", "u", "QTY"}), "");
  EXPECT_NE(error_of({"SECKILL.BUY", "i", "u", "REQ", "a", "REQ", "b"}), "");
  EXPECT_NE(error_of({"SECKILL.CREATE", "i", "LIMIT", "1"}), "") << "STOCK is missing";
  EXPECT_NE(error_of({"SECKILL.CREATE", "i", "STOCK", "1", "START", "20", "END", "10"}), "");
  EXPECT_NE(error_of({"SECKILL.ORDER", "i", "u", "RIQ", "x"}), "");
  EXPECT_NE(error_of({"SECKILL.ORDER", "i", "u", "12x"}), "");
  EXPECT_TRUE(
      parse({"SECKILL.CREATE", "i", "END", "20", "LIMIT", "2", "STOCK", "1", "START", "10"}).ok());
}

// The way in place takes what the other takes, and finds the same in it.
TEST(Command, PurchaseInPlaceIsTheSameAsTheParsedOne) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 chance(seed);
  const std::vector<std::string> pool = {
      "a",  "b",   "REQ", "req", "QTY", "qty",    "1",  "2147483647", "2147483648", "0",
      "+1", "a/b", "",    "k",   "v w", "FIELDS", "fields",           std::string(64, 'x'),
      std::string(65, 'x'), std::string(1024, 'v'), std::string(1025, 'v')};
  size_t taken = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::vector<std::string> words = {"SECKILL.BUY", "item", "user"};
    for (size_t more = chance() % 8; more > 0; --more)
      words.push_back(pool[chance() % pool.size()]);
    const std::vector<std::string_view> args(words.begin(), words.end());
    const auto parsed = parse(words);
    const auto in_place = parse_purchase(args);
    ASSERT_EQ(parsed.ok(), in_place.has_value()) << testing::PrintToString(words);
    if (!in_place) continue;
    ++taken;
    const Operation op = to_operation(*in_place);
    ASSERT_EQ(parsed->verb, op.verb);
    ASSERT_EQ(parsed->item, op.item);
    ASSERT_EQ(parsed->user, op.user);
    ASSERT_EQ(parsed->request, op.request) << testing::PrintToString(words);
    ASSERT_EQ(parsed->quantity, op.quantity) << testing::PrintToString(words);
    ASSERT_EQ(parsed->fields, op.fields) << testing::PrintToString(words);
  }
  EXPECT_GT(taken, 10'000u);
}

TEST(Command, PurchaseInPlaceTakes32FieldsAndNot33) {
  std::vector<std::string> words = {"SECKILL.BUY", "item", "user", "FIELDS"};
  for (int i = 0; i < 32; ++i) words.push_back("k" + std::to_string(i)), words.push_back("v");
  EXPECT_TRUE(parse_purchase(std::vector<std::string_view>(words.begin(), words.end())));
  words.push_back("k32"), words.push_back("v");
  EXPECT_FALSE(parse_purchase(std::vector<std::string_view>(words.begin(), words.end())));
  words.resize(6);
  words.push_back("k0"), words.push_back("v");
  EXPECT_FALSE(parse_purchase(std::vector<std::string_view>(words.begin(), words.end())))
      << "twice";
}

TEST(Command, OnlyBuyIsAPurchase) {
  for (const CommandSpec& spec : command_specs()) {
    EXPECT_EQ(is_purchase(spec.name), spec.kind == CommandKind::kBuy) << spec.name;
  }
  EXPECT_TRUE(is_purchase("SeckillBuy"));
}

}  // namespace
}  // namespace sluice::proxy::sale
