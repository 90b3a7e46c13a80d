// Input: a users file in the syntax of Redis's ACL files.
//
// What is accepted is shown by ACL LIST as a file that is accepted again and says the same. What is
// refused is refused in one line, with its place and without a word that may be a password.
#include <algorithm>
#include <string>

#include "base/error.h"
#include "fuzz/input.h"
#include "fuzz/targets.h"
#include "proxy/front/users.h"

namespace sluice::fuzz {

using proxy::front::Selector;
using proxy::front::Users;

namespace {

std::string listed(const Users& users) {
  std::string text;
  for (const auto& user : users.all()) text += proxy::front::describe(*user) + "\n";
  return text;
}

// Every word " >…" of the input that is long enough not to stand in a message by chance, and that
// stands nowhere else, where it is no password: nor with a quote of the message's own behind it.
void check_keeps_passwords(std::string_view input, const std::string& message) {
  for (size_t at = 0; (at = input.find(" >", at)) != std::string_view::npos;) {
    const std::string_view rest = input.substr(at += 2);
    const std::string_view word = rest.substr(0, rest.find_first_of(" \t\r\n"));
    if (input.find(word) != at || rest.find(word, 1) != std::string_view::npos) continue;
    if (word.find('"') != word.npos) continue;
    SLUICE_ASSERT(word.size() < 16 || message.find(word) == std::string::npos,
                  "an error tells a password");
  }
}

// "%RW~*", which Redis and we list as "~*"; behind that no further pattern is accepted, so such a
// list may not read back.
bool has_every_key_as_pattern(const Selector& selector) {
  return std::any_of(selector.keys.begin(), selector.keys.end(), [](const auto& key) {
    return key.read && key.write && key.pattern == "*";
  });
}
bool has_every_key_as_pattern(const Users& users) {
  for (const auto& user : users.all()) {
    if (has_every_key_as_pattern(user->root)) return true;
    for (const Selector& selector : user->selectors)
      if (has_every_key_as_pattern(selector)) return true;
  }
  return false;
}

}  // namespace

void users_file(std::string_view input) {
  const ExactCopy copy(input);
  const auto users = Users::parse(copy.view(), "users.acl");
  if (!users) {
    const std::string& message = users.error().message();
    SLUICE_ASSERT(message.starts_with("users.acl"), "an error without its place");
    SLUICE_ASSERT(message.find('\n') == std::string::npos, "an error of several lines");
    check_keeps_passwords(input, message);
    return;
  }
  if (has_every_key_as_pattern(*users)) return;
  const std::string text = listed(*users);
  const auto again = Users::parse(text, "again.acl");
  SLUICE_ASSERT(again.ok(), "ACL LIST is not accepted again: " + again.error().message());
  SLUICE_ASSERT(listed(*again) == text, "ACL LIST reads back as other users");
  for (const auto& user : users->all()) {
    const auto found = again->find(user->name);
    SLUICE_ASSERT(found && proxy::front::same_rules(*found, *user), "a user with other rules");
  }
}

}  // namespace sluice::fuzz
