#include "proxy/front/client_inquiry.h"

#include <algorithm>

#include "proxy/front/args.h"
#include "resp/names.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {
namespace {

constexpr std::string_view kNobody = "-";    // no client's address, no user's password
constexpr std::string_view kBadName = "a b";  // refused by every server
constexpr size_t kWordMax = 1024;  // of a word that is shown in an error
constexpr size_t kBytesMax = 64 * 1024;

std::string shortened(std::string_view word) { return std::string(word.substr(0, kWordMax)); }

// The users are the proxy's; "default" is one of every server's.
Inquiry about_clients(Args args, const Clients& clients) {
  size_t bytes = 0;
  for (const std::string_view arg : args) bytes += arg.size();
  if (bytes > kBytesMax) return {};
  Inquiry words(args.begin(), args.end());
  for (size_t i = 2; i + 1 < words.size(); ++i) {
    const bool user = is(words[i], "user") || is(words[i], "not-user");
    if (user && clients.user_exists(words[i + 1])) words[i + 1] = "default";
  }
  return words;
}

Inquiry about_kill(Args args, const Clients& clients) {
  if (args.size() == 3) return {"CLIENT", "KILL", std::string(kNobody)};
  Inquiry words = about_clients(args, clients);
  if (words.empty()) return words;
  // Of several the last one holds; any address is right.
  for (size_t i = 2; i + 1 < words.size(); ++i) {
    if (is(words[i], "laddr")) words[++i] = kNobody;
  }
  // In front, since the last word may lack its value.
  words.insert(words.begin() + 2, {"LADDR", std::string(kNobody)});
  return words;
}

bool is_one_of(std::string_view arg, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return is(arg, word); });
}

bool pause_is_right(Args args) {
  int64_t ms = 0;
  return args.size() <= 4 && parse_pause_ms(args[2], ms) &&
         (args.size() == 3 || is_one_of(args[3], {"write", "all"}));
}

bool unblock_is_right(Args args) {
  int64_t id = 0;
  return args.size() <= 4 && resp::parse_strict_integer(args[2], id) &&
         (args.size() == 3 || is_one_of(args[3], {"timeout", "error"}));
}

// A wrong PAUSE or UNBLOCK, of no time or of nobody. What is no number is refused; a time that is
// too long is so long that every server refuses it.
Inquiry without_effect(Args args) {
  Inquiry words{"CLIENT", std::string(args[1])};
  int64_t number = 0, ms = 0;
  if (!resp::parse_strict_integer(args[2], number)) words.emplace_back("x");
  else if (number < 0) words.emplace_back("-1");
  else if (is(args[1], "pause") && !parse_pause_ms(args[2], ms))
    words.push_back(std::to_string(INT64_MAX));
  else words.emplace_back("0");
  if (args.size() > 3) words.push_back(shortened(args[3]));
  if (args.size() > 4) words.emplace_back("x");
  return words;
}

}  // namespace

bool refuses(std::string_view reply) {
  return reply.starts_with('-') && !reply.starts_with("-NOPERM ") &&
         !reply.starts_with("-ERR unknown command ");
}

bool is_plain_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

bool parse_pause_ms(std::string_view text, int64_t& ms) {
  return resp::parse_strict_integer(text, ms) && ms >= 0 && ms <= kPauseMsMax;
}

bool client_is_right(Args args) {
  const std::string_view name = args[1];
  if (is(name, "pause")) return pause_is_right(args);
  if (is(name, "unblock")) return unblock_is_right(args);
  if (is(name, "setname")) return is_plain_name(args[2]);
  if (is(name, "setinfo"))
    return is_one_of(args[2], {"lib-name", "lib-ver"}) && is_plain_name(args[3]);
  if (is(name, "no-evict")) return is_one_of(args[2], {"on", "off"});
  if (is(name, "reply")) return is_one_of(args[2], {"on", "off", "skip"});
  return true;
}

Inquiry client_inquiry(Args args, const Clients& clients) {
  const std::string_view name = args[1];
  if (is(name, "kill")) return about_kill(args, clients);
  if (is(name, "list") && args.size() > 2) return about_clients(args, clients);
  if (client_is_right(args)) return {};
  if (is(name, "pause") || is(name, "unblock")) return without_effect(args);
  if (is(name, "setname")) return {"CLIENT", "SETNAME", std::string(kBadName)};
  if (is(name, "setinfo"))
    return {"CLIENT", "SETINFO", shortened(args[2]), std::string(kBadName)};
  return {"CLIENT", std::string(name), std::string(kNobody)};
}

// The first option that is not right, alone: a server may carry out what is before it. Of one that
// a later server knows, the words without a meaning behind it make sure that it is refused all the
// same: were it carried out, the shared connection would change its protocol.
Inquiry hello_inquiry(Args args) {
  Inquiry words{"HELLO"};
  if (args.size() > 1) words.push_back(shortened(args[1]));
  for (size_t i = 2; i < args.size(); ++i) {
    const size_t more = args.size() - i - 1;
    const bool auth = is(args[i], "auth"), name = is(args[i], "setname");
    if (name && more >= 1 && !is_plain_name(args[i + 1])) {
      words.insert(words.end(), {"SETNAME", std::string(kBadName)});
      break;
    }
    if ((auth && more >= 2) || (name && more >= 1)) {
      i += auth ? 2 : 1;
      continue;
    }
    words.push_back(shortened(args[i]));
    if (!auth && !name) break;
    words.resize(words.size() + more, std::string(kNobody));
    return words;
  }
  words.resize(words.size() + 3);
  return words;
}

Inquiry auth_inquiry() {
  const std::string nobody(kNobody);
  return {"AUTH", nobody, nobody, nobody};
}

}  // namespace sluice::proxy::front
