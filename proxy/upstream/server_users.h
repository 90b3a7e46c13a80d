// What the server at hand does about users that others do not: its categories, its databases, the
// words of its refusals. The words of NOPERM cannot be had from it without a user who is refused,
// and the proxy makes none there; so they are told from what came with them and can be asked for.
// Nothing here compares versions.
//
//   | asked                | tells                                                             |
//   |----------------------|-------------------------------------------------------------------|
//   | ACL CAT              | the categories                                                    |
//   | INFO stats           | the kinds of denial that it counts. The counters came with the    |
//   |                      | words that name the user (Redis 7.2): who has none speaks of      |
//   |                      | "this user". acl_access_denied_db: users may be kept to databases;|
//   |                      | the server that brought it (Valkey 9.1) also asks for the login   |
//   |                      | before it looks whether there is such a command                   |
//   | CONFIG GET databases | how many databases there are                                      |
//   | INFO cluster         | whether it is in a cluster: SELECT may be refused then           |
//   | ACL GETUSER default  | the fields of a user, and whether every user is shown with        |
//   |                      | "sanitize-payload", or none, or those that were given the word    |
//
// A server that refuses a question is taken for a newer one; if it does so by NOPERM, its own words
// are at hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::proxy::upstream {

struct ServerUsers {
  std::vector<std::string> categories;  // lower case, without '@'; empty: not told
  bool names_the_user = true;           // "User ann has no permissions …", not "This user has …"
  bool has_databases = false;           // rules like db=0,1
  bool login_comes_first = false;       // NOAUTH is told before an unknown command is
  std::optional<int64_t> databases;     // how many there are
  bool in_cluster = false;
  enum class Sanitize { kAsWritten, kAlways, kNever } sanitize = Sanitize::kAsWritten;
};

// The questions in their order, each a command.
std::span<const std::string_view> questions_about_users();
// Takes the whole RESP2 reply to the question of this index.
void take_answer(ServerUsers& known, size_t question, std::string_view reply);

}  // namespace sluice::proxy::upstream
