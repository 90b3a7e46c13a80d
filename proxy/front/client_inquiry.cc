#include "proxy/front/client_inquiry.h"

#include <algorithm>

#include "resp/names.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {
namespace {

constexpr std::string_view kNobody = "-";  // no client's address, no user's password

bool is(std::string_view arg, std::string_view word) {
  return resp::equals_ignoring_case(arg, word);
}

Inquiry as_it_is(Args args) { return {args.begin(), args.end()}; }

// A wrong PAUSE or UNBLOCK, of no time or of nobody. What is no number stays, and is refused; a
// time that is too long is so long that every server refuses it.
Inquiry without_effect(Args args) {
  Inquiry words = as_it_is(args);
  int64_t number = 0, ms = 0;
  const bool pause = is(args[1], "pause");
  if (!resp::parse_strict_integer(args[2], number) || number <= 0) return words;
  words[2] = pause && !parse_pause_ms(args[2], ms) ? std::to_string(INT64_MAX) : "0";
  return words;
}

// The users are the proxy's; "default" is one of every server's.
Inquiry about_clients(Args args, const Clients& clients) {
  Inquiry words = as_it_is(args);
  for (size_t i = 2; i + 1 < words.size(); ++i) {
    const bool user = is(words[i], "user") || is(words[i], "not-user");
    if (user && clients.user_exists(words[i + 1])) words[i + 1] = "default";
  }
  return words;
}

Inquiry about_kill(Args args, const Clients& clients) {
  if (args.size() == 3) return {"CLIENT", "KILL", std::string(kNobody)};
  Inquiry words = about_clients(args, clients);
  words.emplace_back("LADDR");
  words.emplace_back(kNobody);
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

}  // namespace

bool refuses(std::string_view reply) {
  return reply.starts_with('-') && !reply.starts_with("-NOPERM ") &&
         !reply.starts_with("-ERR unknown command ");
}

bool is_plain_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

bool parse_pause_ms(std::string_view text, int64_t& ms) {
  return resp::parse_strict_integer(text, ms) && ms >= 0 && ms <= INT64_MAX / 2000;
}

Inquiry client_inquiry(Args args, const Clients& clients) {
  const std::string_view name = args[1];
  bool right = true;
  if (is(name, "kill")) return about_kill(args, clients);
  if (is(name, "list") && args.size() > 2) return about_clients(args, clients);
  if (is(name, "pause")) return pause_is_right(args) ? Inquiry{} : without_effect(args);
  if (is(name, "unblock")) return unblock_is_right(args) ? Inquiry{} : without_effect(args);
  if (is(name, "setname")) right = is_plain_name(args[2]);
  if (is(name, "setinfo"))
    right = is_one_of(args[2], {"lib-name", "lib-ver"}) && is_plain_name(args[3]);
  if (is(name, "no-evict")) right = is_one_of(args[2], {"on", "off"});
  if (is(name, "reply")) right = is_one_of(args[2], {"on", "off", "skip"});
  return right ? Inquiry{} : as_it_is(args);
}

// Up to the first option that is not right. Of one that a later server knows, the words without a
// meaning behind it make sure that it is refused all the same: were it carried out, the shared
// connection would change its protocol.
Inquiry hello_inquiry(Args args) {
  Inquiry words(args.begin(), args.begin() + std::min<ptrdiff_t>(2, args.size()));
  for (size_t i = 2; i < args.size(); ++i) {
    const size_t more = args.size() - i - 1;
    words.emplace_back(args[i]);
    const bool auth = is(args[i], "auth"), name = is(args[i], "setname");
    if ((auth && more < 2) || (name && more < 1)) {
      words.resize(words.size() + more, std::string(kNobody));
      return words;
    }
    if (auth) {
      words.insert(words.end(), {std::string(kNobody), std::string(kNobody)});
      i += 2;
    } else if (name) {
      words.emplace_back(args[++i]);
    } else {
      break;
    }
  }
  words.resize(words.size() + 3);
  return words;
}

Inquiry auth_inquiry(Args args) {
  Inquiry words(args.size(), std::string(kNobody));
  words[0] = "AUTH";
  return words;
}

}  // namespace sluice::proxy::front
