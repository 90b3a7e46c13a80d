// Configuration: every error names file, line and key; every text form reads back.
#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/unit/temp_folder.h"

namespace sluice::base {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<ConfigKey>& keys() {
  static const std::vector<ConfigKey> table{
      {"proxy.id", ConfigType::kInteger, "0", 0, 1023, {}, false, "Which proxy this is."},
      {"listen.address", ConfigType::kString, "127.0.0.1:6479"},
      {"journal.fsync", ConfigType::kString, "always", 0, 0, {"always", "everysec", "no"}},
      {"journal.segment_bytes", ConfigType::kSize, "64MiB", 1 << 20, 4ll << 30},
      {"journal.retain", ConfigType::kDuration, "24h"},
      {"trigger.load_below", ConfigType::kRate, "500/s", 0, 1000000},
      {"trigger.schedule", ConfigType::kList, ""},
      {"orders.columns", ConfigType::kMap, ""},
      {"mysql.create_schema", ConfigType::kBool, "false"},
  };
  return table;
}

class ConfigTest : public testing::Test {
 protected:
  Result<Config> load(const std::string& toml, const Config::Overrides& overrides = {}) {
    std::ofstream(path_) << toml;
    return Config::load(keys(), path_, overrides);
  }
  std::string failure(const std::string& toml, const Config::Overrides& overrides = {}) {
    auto config = load(toml, overrides);
    EXPECT_FALSE(config.ok());
    if (config) return "";
    EXPECT_EQ(config.error().cls(), ErrorClass::kInvalid);
    return config.error().message();
  }

  const test::TempFolder folder_;
  const std::string path_ = folder_ / "test.toml";
};

TEST_F(ConfigTest, EveryTypeIsReadFromItsFile) {
  auto config = load(R"(
    [proxy]
    id = 7
    [journal]
    fsync = "no"
    segment_bytes = "1GiB"
    retain = "90s"
    [trigger]
    load_below = "60/m"
    schedule = ["0,30 * * * *", "01:00-05:00"]
    [orders.columns]
    channel = "sales_channel"
    [mysql]
    create_schema = true)");
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->integer("proxy.id"), 7);
  EXPECT_EQ(config->string("journal.fsync"), "no");
  EXPECT_EQ(config->integer("journal.segment_bytes"), 1 << 30);
  EXPECT_EQ(config->integer("journal.retain"), 90'000'000);
  EXPECT_EQ(config->integer("trigger.load_below"), 1);
  EXPECT_THAT(config->list("trigger.schedule"), ElementsAre("0,30 * * * *", "01:00-05:00"));
  EXPECT_EQ(config->map("orders.columns").at("channel"), "sales_channel");
  EXPECT_TRUE(config->boolean("mysql.create_schema"));
  EXPECT_EQ(config->string("listen.address"), "127.0.0.1:6479") << "not in the file: the default";
}

TEST(OverridesTest, AreSplitAtTheFirstEqualsSignAndTheFirstWithoutOneIsNamed) {
  const auto overrides = parse_overrides({"a.b=1", "c=", "d=x=y", "=z"});
  ASSERT_TRUE(overrides.ok());
  EXPECT_EQ(*overrides, (Config::Overrides{{"a.b", "1"}, {"c", ""}, {"d", "x=y"}, {"", "z"}}));
  EXPECT_EQ(parse_overrides({})->size(), 0u);
  const auto wrong = parse_overrides({"a=1", "bad", "worse"});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().cls(), ErrorClass::kInvalid);
  EXPECT_EQ(wrong.error().message(), "--set bad");
}

TEST_F(ConfigTest, AnUnknownKeyIsNamedWithLineAndASuggestion) {
  const std::string message = failure("[proxy]\nid = 1\n[journal]\nsegment_byte = \"1MiB\"\n");
  EXPECT_THAT(message, HasSubstr(path_ + ":4: journal.segment_byte: unknown key"));
  EXPECT_THAT(message, HasSubstr("did you mean journal.segment_bytes?"));
  EXPECT_THAT(failure("[nonsense]\na = 1\n"), HasSubstr(":1: nonsense: unknown key"));
  EXPECT_THAT(failure("top = 1\n"), HasSubstr(":1: top: unknown key"));
}

TEST_F(ConfigTest, AWrongTypeIsNamedWithLineAndWhatToWrite) {
  const auto expect = [&](const std::string& toml, const std::string& text) {
    EXPECT_THAT(failure(toml), HasSubstr(path_ + ":2: " + text));
  };
  expect("[proxy]\nid = \"7\"", "proxy.id: must be a whole number");
  expect("[journal]\nsegment_bytes = 65536",
         "journal.segment_bytes: 65536 has no unit; must be a size");
  expect("[journal]\nretain = 10", "journal.retain: 10 has no unit; must be a duration");
  expect("[journal]\nretain = \"10\"", "journal.retain: \"10\" has no unit");
  expect("[journal]\nfsync = true", "journal.fsync: must be a string");
  expect("[trigger]\nschedule = \"x\"", "trigger.schedule: must be a list of strings");
  expect("[trigger]\nschedule = [1]", "trigger.schedule: must be a list of strings");
  expect("[orders]\ncolumns = \"x\"", "orders.columns: must be a table of strings");
  expect("[mysql]\ncreate_schema = 1", "mysql.create_schema: must be true or false");
}

TEST_F(ConfigTest, BothSidesOfEveryLimit) {
  EXPECT_TRUE(load("[proxy]\nid = 0").ok());
  EXPECT_TRUE(load("[proxy]\nid = 1023").ok());
  EXPECT_THAT(failure("[proxy]\nid = -1"), HasSubstr("must be 0 to 1023"));
  EXPECT_THAT(failure("[proxy]\nid = 1024"), HasSubstr("must be 0 to 1023"));
  EXPECT_TRUE(load("[journal]\nsegment_bytes = \"1MiB\"").ok());
  EXPECT_TRUE(load("[journal]\nsegment_bytes = \"4GiB\"").ok());
  EXPECT_THAT(failure("[journal]\nsegment_bytes = \"1023KiB\""), HasSubstr("1MiB to 4GiB"));
  EXPECT_THAT(failure("[journal]\nsegment_bytes = \"5GiB\""), HasSubstr("1MiB to 4GiB"));
  EXPECT_THAT(failure("[journal]\nfsync = \"never\""),
              HasSubstr("must be one of \"always\", \"everysec\", \"no\""));
}

TEST_F(ConfigTest, OverridesWinAndAreNamedInErrors) {
  auto config = load("[proxy]\nid = 7", {{"proxy.id", "8"}, {"trigger.schedule", "a, b"}});
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->integer("proxy.id"), 8);
  EXPECT_THAT(config->list("trigger.schedule"), ElementsAre("a", "b"));
  EXPECT_THAT(failure("", {{"proxy.id", "x"}}), HasSubstr("--set proxy.id: "));
  EXPECT_THAT(failure("", {{"proxy.ip", "1"}}),
              HasSubstr("--set proxy.ip: unknown key; did you mean proxy.id?"));
}

TEST_F(ConfigTest, AFileThatIsNotThereOrNotTomlIsNamed) {
  auto missing = Config::load(keys(), folder_ / "none.toml", {});
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().message(), HasSubstr(folder_ / "none.toml"));
  EXPECT_THAT(failure("[proxy]\nid = = 3"), HasSubstr(path_ + ":2"));
}

TEST_F(ConfigTest, TheTextFormOfEveryValueReadsBack) {
  Config config(keys());
  const auto round_trip = [&](std::string_view name, std::string_view text) {
    ASSERT_TRUE(config.set_text(name, text).ok()) << name;
    const std::string written = *config.text(name);
    EXPECT_EQ(written, text);
    Config other(keys());
    ASSERT_TRUE(other.set_text(name, written).ok());
    EXPECT_EQ(*other.text(name), written);
  };
  round_trip("proxy.id", "12");
  round_trip("journal.segment_bytes", "32MiB");
  round_trip("journal.retain", "36h");
  round_trip("trigger.load_below", "250/s");
  round_trip("mysql.create_schema", "true");
  round_trip("orders.columns", "a=b,c=d=e");
  round_trip("trigger.schedule", R"(0\,30 * * * *,back\\slash)");
  EXPECT_THAT(config.list("trigger.schedule"), ElementsAre("0,30 * * * *", "back\\slash"));
  round_trip("trigger.schedule", "");
  EXPECT_TRUE(config.list("trigger.schedule").empty());
}

TEST_F(ConfigTest, ARefusedValueLeavesTheOldOne) {
  Config config(keys());
  ASSERT_TRUE(config.set_text("proxy.id", "5").ok());
  EXPECT_FALSE(config.set_text("proxy.id", "5000").ok());
  EXPECT_EQ(config.integer("proxy.id"), 5);
  EXPECT_FALSE(config.set_text("mysql.create_schema", "yes").ok());
  EXPECT_FALSE(config.set_text("orders.columns", "no-equals").ok());
  EXPECT_FALSE(config.set_text("no.such", "1").ok());
  EXPECT_FALSE(config.text("no.such").ok());
}

TEST_F(ConfigTest, HelpShowsEveryKey) {
  const std::string help = describe_keys(keys());
  for (const ConfigKey& key : keys()) EXPECT_THAT(help, HasSubstr(std::string(key.name)));
  EXPECT_THAT(help, HasSubstr("0 to 1023"));
  EXPECT_THAT(help, HasSubstr("always | everysec | no"));
}

}  // namespace
}  // namespace sluice::base
