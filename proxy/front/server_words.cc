#include "proxy/front/server_words.h"

namespace sluice::proxy::front {
namespace {

using Kind = Verdict::Kind;

std::string may_not_run(const std::string& subject, std::string_view command) {
  return subject + " has no permissions to run the '" + std::string(command) + "' command";
}

std::string may_not_access(const std::string& subject, std::string_view what) {
  return subject + " has no permissions to access " + std::string(what);
}

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

}  // namespace

std::string denial(const upstream::ServerUsers& server, std::string_view user,
                   const Verdict& verdict, std::string_view command) {
  const bool named = server.names_the_user;
  switch (verdict.kind) {
    case Kind::kAllowed:
      return "";
    case Kind::kDatabase:
      return "NOPERM No permissions to access database";
    case Kind::kCommand:
      return may_not_run(named ? "NOPERM User " + std::string(user) : "NOPERM this user", command);
    case Kind::kKey:
      return named ? "NOPERM No permissions to access a key"
                   : may_not_access("NOPERM this user", "one of the keys used as arguments");
    case Kind::kChannel:
      return named ? "NOPERM No permissions to access a channel"
                   : may_not_access("NOPERM this user", "one of the channels used as arguments");
    case Kind::kSortBy:
      return "ERR BY option of SORT denied due to insufficient ACL permissions.";
    case Kind::kSortGet:
      return "ERR GET option of SORT denied due to insufficient ACL permissions.";
  }
  return "";
}

std::string dry_run_denial(const upstream::ServerUsers& server, std::string_view user,
                           const Verdict& verdict, std::string_view command, Args args) {
  const std::string subject = server.names_the_user ? "User " + std::string(user) : "This user";
  const std::string_view argument = args[verdict.argument];
  switch (verdict.kind) {
    // The server judges these two when the command runs.
    case Kind::kSortBy:
    case Kind::kSortGet:
    case Kind::kAllowed:
      return "";
    case Kind::kDatabase:
      return may_not_access(subject, "database " + std::string(argument));
    case Kind::kCommand:
      return may_not_run(subject, command);
    case Kind::kKey:
      return may_not_access(subject, "the " + in_quotes(argument) + " key");
    case Kind::kChannel:
      return may_not_access(subject, "the " + in_quotes(argument) + " channel");
  }
  return "";
}

std::string hello_before_login(const upstream::ServerUsers& server) {
  return std::string(
             "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
             "HELLO ") +
         (server.names_the_user ? "<proto> " : "") +
         "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
         "protocol version at the same time";
}

}  // namespace sluice::proxy::front
