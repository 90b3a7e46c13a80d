#include "flusher/options.h"

#include "source_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/unit/flusher/sql_server.h"

namespace sluice::flusher {
namespace {

std::filesystem::path source_dir() {
  return SLUICE_SOURCE_DIR;
}

Result<Options> options_of(const base::Config::Overrides& overrides) {
  const auto config = base::Config::load(config_keys(), "", overrides);
  if (!config) return config.error();
  return make_options(*config);
}

TEST(FlusherConfig, ManualNamesEveryKeyAtItsDefault) {
  const std::string manual = source_dir() / "conf/flusher.toml";
  const auto config = base::Config::load(config_keys(), manual, {});
  ASSERT_TRUE(config.ok()) << config.error().message();
  std::ifstream file(manual);
  std::string section;
  std::set<std::string> named;
  std::string before;
  for (std::string line; std::getline(file, line); before = line) {
    std::smatch match;
    if (std::regex_match(line, match, std::regex(R"(\[(\w+)\])"))) section = match[1];
    if (!std::regex_match(line, match, std::regex(R"((\w+) = .*)"))) continue;
    named.insert(section + "." + std::string(match[1]));
    EXPECT_TRUE(before.starts_with('#') || before.find(" = ") != std::string::npos)
        << match[1] << " has no explanation above it";
  }
  const base::Config defaults(config_keys());
  for (const base::ConfigKey& key : config_keys()) {
    EXPECT_TRUE(named.contains(std::string(key.name))) << key.name << " is missing in the manual";
    EXPECT_FALSE(key.doc.empty()) << key.name;
    if (key.name == "journal.dir") continue;
    EXPECT_EQ(*config->text(key.name), *defaults.text(key.name)) << key.name;
  }
  EXPECT_EQ(named.size(), config_keys().size());
}

TEST(FlusherConfig, MinimalFileIsValid) {
  const auto config =
      base::Config::load(config_keys(), source_dir() / "conf/minimal/flusher.toml", {});
  EXPECT_TRUE(config.ok()) << config.error().message();
}

TEST(FlusherConfig, WhatATypeCannotSayIsCheckedToo) {
  EXPECT_TRUE(options_of({}).ok());
  const std::pair<std::string, std::string> bad[] = {{"trigger.schedule", "25 * * *"},
                                                     {"trigger.schedule", "09:00-09:00"},
                                                     {"trigger.time_zone", "Europe/Berlim"},
                                                     {"pace.replicas", "10.0.0.2"},
                                                     {"pace.replicas", "10.0.0.2:0"},
                                                     {"mysql.password_file", "/no/such/file"},
                                                     {"mysql.database", "a`b"},
                                                     {"orders.table", "a.b.c"},
                                                     {"orders.names", "user_id="},
                                                     {"orders.statuses", "open=1"},
                                                     {"orders.time_zone", "Mars"},
                                                     {"mysql.hosts", "db1,:3306"},
                                                     {"orders.columns", "f=order_id"}};
  for (const auto& [key, value] : bad) {
    const auto options = options_of({{key, value}});
    ASSERT_FALSE(options.ok()) << key;
    EXPECT_EQ(options.error().cls(), ErrorClass::kInvalid);
    EXPECT_NE(options.error().message().find(key), std::string::npos) << options.error().message();
  }
}

TEST(FlusherConfig, PasswordIsTheFilesFirstLine) {
  const test::TempFolder dir;
  const std::string path = dir.write("password", "p' w\\ \r\nsecond line\n");
  const auto options = options_of({{"mysql.password_file", path}});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(*sql::password_of(options->mysql), "p' w\\ ") << "a blank may be its last character";
  dir.write("password", "\xef\xbb\xbfnew\n");
  EXPECT_EQ(*sql::password_of(options->mysql), "new") << "read anew, without a byte order mark";
  EXPECT_EQ(options->mysql.text().find("p' w"), std::string::npos);
}

}  // namespace
}  // namespace sluice::flusher
