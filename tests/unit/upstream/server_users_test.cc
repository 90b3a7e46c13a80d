#include "proxy/upstream/server_users.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace sluice::proxy::upstream {
namespace {

enum Question : size_t { kCategories, kInfo, kDatabases, kUser };

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
std::string array(std::initializer_list<std::string> elements) {
  std::string out = "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) out += element;
  return out;
}

const std::string kInfo70 = "# Stats\r\ntotal_connections_received:2\r\n";
const std::string kInfo72 = kInfo70 + "acl_access_denied_auth:0\r\nacl_access_denied_cmd:0\r\n";
const std::string kInfo91 = kInfo72 + "acl_access_denied_db:0\r\n";

ServerUsers answered(const std::string& info, const std::string& user) {
  ServerUsers known;
  take_answer(known, kInfo, bulk(info));
  take_answer(known, kUser, user);
  return known;
}

TEST(ServerUsers, QuestionsAreWholeCommands) {
  ASSERT_EQ(questions_about_users().size(), 5u);
  for (const std::string_view question : questions_about_users())
    EXPECT_TRUE(question.starts_with('*') && question.ends_with("\r\n")) << question;
}

TEST(ServerUsers, ServersThatCountDenialsNameTheUser) {
  EXPECT_FALSE(answered(kInfo70, "").names_the_user);
  EXPECT_TRUE(answered(kInfo72, "").names_the_user);
  EXPECT_FALSE(answered(kInfo72, "").has_databases || answered(kInfo72, "").login_comes_first);
  EXPECT_TRUE(answered(kInfo91, "").has_databases && answered(kInfo91, "").login_comes_first);
}

TEST(ServerUsers, FlagsAndFieldsOfTheDefaultUserTellThoseOfAll) {
  const std::string plain = array({bulk("flags"), array({bulk("on")})});
  const std::string sanitizes = array({bulk("flags"), array({bulk("sanitize-payload")})});
  const std::string skips =
      array({bulk("flags"), array({bulk("skip-sanitize-payload")}), bulk("databases"), bulk("")});
  using Sanitize = ServerUsers::Sanitize;
  EXPECT_EQ(answered(kInfo70, plain).sanitize, Sanitize::kAsWritten);
  EXPECT_EQ(answered(kInfo70, sanitizes).sanitize, Sanitize::kAsWritten);
  EXPECT_EQ(answered(kInfo72, sanitizes).sanitize, Sanitize::kAlways);
  EXPECT_EQ(answered(kInfo72, skips).sanitize, Sanitize::kAlways);
  EXPECT_EQ(answered(kInfo91, plain).sanitize, Sanitize::kNever);
  EXPECT_TRUE(answered(kInfo72, skips).has_databases);
  EXPECT_FALSE(answered(kInfo91, plain).has_databases);
}

TEST(ServerUsers, CategoriesAndDatabasesAreTold) {
  ServerUsers known;
  take_answer(known, kCategories, array({bulk("read"), bulk("Search")}));
  take_answer(known, kDatabases, array({bulk("databases"), bulk("16")}));
  EXPECT_EQ(known.categories, (std::vector<std::string>{"read", "search"}));
  EXPECT_EQ(known.databases, 16);
}

TEST(ServerUsers, ARefusalByNopermShowsTheWords) {
  ServerUsers known;
  take_answer(known, kInfo, "-NOPERM this user has no permissions to run the 'info' command\r\n");
  EXPECT_FALSE(known.names_the_user);
  take_answer(known, kUser, "-NOPERM User p has no permissions to run the 'acl' command\r\n");
  EXPECT_TRUE(known.names_the_user);
}

TEST(ServerUsers, WhatIsNoAnswerChangesNothing) {
  const ServerUsers fresh;
  for (size_t question = 0; question < 5; ++question) {
    for (const char* reply : {"", "+OK\r\n", "-ERR unknown command\r\n", "$-1\r\n", "*1\r\n$3\r\nx",
                              ":1\r\n", "*2\r\n$9\r\ndatabases\r\n$1\r\nx\r\n", "*-1\r\n"}) {
      ServerUsers known;
      take_answer(known, question, reply);
      EXPECT_EQ(known.names_the_user, fresh.names_the_user) << reply;
      EXPECT_EQ(known.databases, fresh.databases) << reply;
      EXPECT_EQ(known.sanitize, fresh.sanitize) << reply;
    }
  }
}

}  // namespace
}  // namespace sluice::proxy::upstream
