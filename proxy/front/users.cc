#include "proxy/front/users.h"

#include <openssl/sha.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "resp/names.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

constexpr std::string_view kAfterAll =
    "a pattern behind \"*\" (or allkeys, allchannels) has no effect; leave it out, or write "
    "resetkeys or resetchannels before it";

// What is wrong with a word, in words for a person; nothing if it was taken.
using Complaint = std::optional<std::string>;

Complaint unknown_word() {
  return "is not a rule; write on, off, nopass, >PASSWORD, #SHA256, ~PATTERN, %R~PATTERN, "
         "&CHANNEL, db=NUMBERS, +COMMAND, -COMMAND, +@CATEGORY, (RULES) or reset";
}

std::optional<Digest> parse_hex(std::string_view text) {
  Digest digest{};
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    digest[i / 2] = static_cast<uint8_t>(digest[i / 2] * 16 + (digit ? c - '0' : c - 'a' + 10));
  }
  return digest;
}

bool has_blanks(std::string_view text) {
  return text.find_first_of(kBlanks) != std::string_view::npos ||
         text.find('\0') != std::string_view::npos;
}

void set_all_commands(Selector& selector, bool allow) {
  selector.all_commands = allow;
  selector.commands.clear();
}

// A rule makes earlier ones on the same command, and on its subcommands, void.
void add_rule(Selector& selector, CommandRule rule) {
  std::erase_if(selector.commands, [&](const CommandRule& old) {
    if (old.category != rule.category) return false;
    return old.name == rule.name || old.name.starts_with(rule.name + "|");
  });
  selector.commands.push_back(std::move(rule));
}

// Of every command and category of Redis and its modules.
bool is_command_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    const char low = resp::lower(c);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

Complaint take_command(Selector& selector, bool allow, std::string_view name) {
  if (name.starts_with('@')) {
    const std::string category = resp::lower(name.substr(1));
    if (category == "all") {
      set_all_commands(selector, allow);
      return {};
    }
    if (!is_command_name(category))
      return "names no category; ACL CAT lists them, and Sluice's are @purchase and @seckill-admin";
    add_rule(selector, {allow, true, category});
    return {};
  }
  const size_t bar = name.find('|');
  const bool two_bars = bar != name.npos && name.find('|', bar + 1) != name.npos;
  if (!is_command_name(name.substr(0, bar)) || bar + 1 == name.size() || two_bars)
    return "names no command; write +COMMAND or +COMMAND|SUBCOMMAND";
  add_rule(selector, {allow, false, resp::lower(name)});
  return {};
}

Complaint take_key_pattern(Selector& selector, std::string_view word) {
  KeyPattern key;
  const size_t tilde = word.find('~');
  if (word[0] == '%') {
    const std::string rights = resp::lower(word.substr(1, tilde == word.npos ? 0 : tilde - 1));
    if (rights != "r" && rights != "w" && rights != "rw" && rights != "wr")
      return "is not a key pattern; write %R~PATTERN, %W~PATTERN or %RW~PATTERN";
    key.read = rights.find('r') != rights.npos;
    key.write = rights.find('w') != rights.npos;
  }
  key.pattern = word.substr(tilde + 1);
  if (selector.all_keys) return std::string(kAfterAll);
  if (has_blanks(key.pattern)) return "has a blank in its pattern; write ? in its place";
  const auto same = std::find_if(selector.keys.begin(), selector.keys.end(),
                                 [&](const KeyPattern& old) { return old.pattern == key.pattern; });
  if (same == selector.keys.end()) {
    selector.keys.push_back(std::move(key));
  } else {
    same->read = same->read || key.read;
    same->write = same->write || key.write;
  }
  return {};
}

Complaint take_channel(Selector& selector, std::string_view pattern) {
  if (selector.all_channels) return std::string(kAfterAll);
  if (has_blanks(pattern)) return "has a blank in its pattern; write ? in its place";
  auto& channels = selector.channels;
  if (std::find(channels.begin(), channels.end(), pattern) == channels.end())
    channels.emplace_back(pattern);
  return {};
}

// "0,1,5": what stands behind "db=". A later rule holds in place of an earlier one.
Complaint take_databases(Selector& selector, std::string_view list) {
  std::vector<int64_t> databases;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    int64_t number = 0;
    if (!resp::parse_strict_integer(list.substr(begin, end - begin), number) || number < 0 ||
        number > INT32_MAX)
      return "is not a list of databases; write db=NUMBER,NUMBER with numbers from 0";
    databases.push_back(number);
    begin = end + 1;
  }
  std::sort(databases.begin(), databases.end());
  databases.erase(std::unique(databases.begin(), databases.end()), databases.end());
  selector.all_databases = false;
  selector.databases = std::move(databases);
  return {};
}

// A rule on commands, keys, channels or databases.
Complaint take_selector_word(Selector& selector, std::string_view word) {
  const auto is = [&](std::string_view name) { return resp::equals_ignoring_case(word, name); };
  if (is("allcommands") || is("nocommands")) {
    set_all_commands(selector, is("allcommands"));
  } else if (is("allkeys") || is("~*") || is("resetkeys")) {
    selector.all_keys = !is("resetkeys");
    selector.keys.clear();
  } else if (is("allchannels") || is("&*") || is("resetchannels")) {
    selector.all_channels = !is("resetchannels");
    selector.channels.clear();
  } else if (is("alldbs") || is("resetdbs")) {
    selector.all_databases = is("alldbs");
    selector.databases.clear();
  } else if (resp::equals_ignoring_case(word.substr(0, 3), "db=")) {
    return take_databases(selector, word.substr(3));
  } else if (word[0] == '+' || word[0] == '-') {
    return take_command(selector, word[0] == '+', word.substr(1));
  } else if (word[0] == '~' || word[0] == '%') {
    return take_key_pattern(selector, word);
  } else if (word[0] == '&') {
    return take_channel(selector, word.substr(1));
  } else {
    return unknown_word();
  }
  return {};
}

template <class Take>
Complaint for_each_word(std::string_view text, Take take) {
  while (true) {
    const size_t begin = text.find_first_not_of(kBlanks);
    if (begin == text.npos) return {};
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    text.remove_prefix(word.size());
    if (Complaint complaint = take(word)) return complaint;
  }
}

Complaint take_selector(User& user, std::string_view word) {
  if (word.size() < 2 || !word.ends_with(')')) return "is not closed; write a ) behind its rules";
  // It would end the parenthesis early when it is shown and read back.
  if (word.ends_with("))")) return "has a pattern that ends with ); write ? in its place";
  Selector selector;
  Complaint complaint = for_each_word(word.substr(1, word.size() - 2), [&](std::string_view rule) {
    return take_selector_word(selector, rule);
  });
  if (complaint) return "has a rule inside that " + *complaint;
  user.selectors.push_back(std::move(selector));
  return {};
}

// '>' and '#' add a password, '<' and '!' take one away.
Complaint take_password(User& user, std::string_view word) {
  const bool hashed = word[0] == '#' || word[0] == '!';
  const auto digest = hashed ? parse_hex(word.substr(1)) : sha256(word.substr(1));
  if (!digest) return "is not a password's SHA-256; write 64 hexadecimal digits in lower case";
  const auto found = std::find(user.passwords.begin(), user.passwords.end(), *digest);
  if (word[0] == '>' || word[0] == '#') {
    if (found == user.passwords.end()) user.passwords.push_back(*digest);
    user.no_password = false;
  } else if (found == user.passwords.end()) {
    return "takes away a password that the user does not have; leave it out";
  } else {
    user.passwords.erase(found);
  }
  return {};
}

Complaint take_word(User& user, std::string_view word) {
  const auto is = [&](std::string_view name) { return resp::equals_ignoring_case(word, name); };
  if (is("on") || is("off")) {
    user.enabled = is("on");
  } else if (is("nopass") || is("resetpass")) {
    user.no_password = is("nopass");
    user.passwords.clear();
  } else if (is("sanitize-payload") || is("skip-sanitize-payload")) {
    user.sanitizes_payload = is("sanitize-payload");
    user.sanitize_written = true;
  } else if (is("reset")) {
    User fresh;
    fresh.name = user.name;
    user = std::move(fresh);
    user.sanitize_written = true;
  } else if (is("clearselectors")) {
    user.selectors.clear();
  } else if (word[0] == '(') {
    return take_selector(user, word);
  } else if (std::string_view("><#!").find(word[0]) != std::string_view::npos) {
    return take_password(user, word);
  } else {
    return take_selector_word(user.root, word);
  }
  return {};
}

// A word as a message may show it: a password that lost its '>' must not end in a log.
std::string shown(std::string_view word) {
  if (std::string_view("+-~%&").find(word[0]) != std::string_view::npos)
    return '"' + std::string(word.substr(0, 80)) + '"';
  return '"' + std::string(word.substr(0, 1)) + "...\"";
}

// One line, without its line end.
class LineParser {
 public:
  LineParser(std::string_view line, std::string place) : rest_(line), place_(std::move(place)) {}

  // nullptr: the line is empty or a comment.
  Result<UserPtr> parse() {
    const std::string_view first = next_word();
    if (first.empty() || first[0] == '#') return UserPtr();
    if (!resp::equals_ignoring_case(first, "user"))
      return error("a line begins with \"user\"; write user NAME RULES, or # before a comment");
    auto user = std::make_shared<User>();
    user->name = next_word();
    if (user->name.empty()) return error("the user has no name; write user NAME RULES");
    if (has_blanks(user->name)) return error("the user's name has a zero byte; leave it out");
    for (std::string_view word = next_rule(); !word.empty(); word = next_rule()) {
      if (const Complaint complaint = take_word(*user, word))
        return error("word " + std::to_string(words_) + ' ' + shown(word) + ' ' + *complaint);
    }
    return UserPtr(std::move(user));
  }

  Error error(const std::string& what) const {
    return Error(ErrorClass::kInvalid, place_ + ": " + what);
  }

 private:
  std::string_view next_word() {
    const size_t begin = rest_.find_first_not_of(kBlanks);
    rest_.remove_prefix(std::min(begin, rest_.size()));
    const std::string_view word = rest_.substr(0, rest_.find_first_of(kBlanks));
    rest_.remove_prefix(word.size());
    if (!word.empty()) ++words_;
    return word;
  }

  // A word, or all words from one that opens a parenthesis to the one that closes it.
  std::string_view next_rule() {
    const std::string_view word = next_word();
    if (!word.starts_with('(') || word.ends_with(')')) return word;
    std::string_view last = next_word();
    while (!last.empty() && !last.ends_with(')')) last = next_word();
    const char* end = last.empty() ? rest_.data() : last.data() + last.size();
    return {word.data(), static_cast<size_t>(end - word.data())};
  }

  std::string_view rest_;
  const std::string place_;
  size_t words_ = 0;
};

}  // namespace

bool User::allows_everything() const {
  return root.allows_everything() ||
         std::any_of(selectors.begin(), selectors.end(),
                     [](const Selector& selector) { return selector.allows_everything(); });
}

Result<Users> Users::parse(std::string_view text, const std::string& file) {
  text = base::without_byte_order_mark(text);
  Users users;
  std::set<std::string, std::less<>> names;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    LineParser parser(line, file + ':' + std::to_string(number));
    auto user = parser.parse();
    if (!user) return user.error();
    if (*user == nullptr) continue;
    if (!names.insert((*user)->name).second)
      return parser.error("this user is defined twice; keep one of the lines");
    users.users_.push_back(*std::move(user));
  }
  if (names.find("default") == names.end()) {
    auto nobody = std::make_shared<User>();
    nobody->name = "default";
    users.users_.push_back(std::move(nobody));
  }
  std::sort(users.users_.begin(), users.users_.end(),
            [](const UserPtr& a, const UserPtr& b) { return a->name < b->name; });
  return users;
}

UserPtr Users::find(std::string_view name) const {
  const auto found = std::lower_bound(
      users_.begin(), users_.end(), name,
      [](const UserPtr& user, std::string_view wanted) { return user->name < wanted; });
  return found != users_.end() && (*found)->name == name ? *found : nullptr;
}

std::string describe_commands(const Selector& selector) {
  std::string out = selector.all_commands ? "+@all" : "-@all";
  for (const CommandRule& rule : selector.commands)
    out += std::string(rule.allow ? " +" : " -") + (rule.category ? "@" : "") + rule.name;
  return out;
}

std::string describe_keys(const Selector& selector) {
  if (selector.all_keys) return "~*";
  std::string out;
  for (const KeyPattern& key : selector.keys) {
    if (!out.empty()) out += ' ';
    out += (key.read && key.write ? "~" : key.read ? "%R~" : "%W~") + key.pattern;
  }
  return out;
}

std::string describe_channels(const Selector& selector) {
  if (selector.all_channels) return "&*";
  std::string out;
  for (const std::string& channel : selector.channels) out += (out.empty() ? "&" : " &") + channel;
  return out;
}

std::string describe_databases(const Selector& selector) {
  if (selector.all_databases) return "alldbs";
  std::string out;
  for (const int64_t database : selector.databases)
    out += (out.empty() ? "db=" : ",") + std::to_string(database);
  return out;
}

namespace {

std::string describe_selector(const Selector& selector) {
  std::string out = describe_keys(selector);
  if (!out.empty()) out += ' ';
  if (!selector.all_channels) out += "resetchannels ";
  const std::string channels = describe_channels(selector);
  if (!channels.empty()) out += channels + ' ';
  if (!selector.all_databases)
    out += selector.databases.empty() ? "resetdbs " : describe_databases(selector) + ' ';
  return out + describe_commands(selector);
}

std::string describe_rules(const User& user) {
  std::string out = describe_selector(user.root);
  for (const Selector& selector : user.selectors) out += " (" + describe_selector(selector) + ')';
  return out;
}

}  // namespace

bool same_rules(const User& a, const User& b) { return describe_rules(a) == describe_rules(b); }

std::string_view sanitize_flag(const User& user, Sanitize shown) {
  if (shown == Sanitize::kNever) return "";
  if (shown == Sanitize::kAsWritten && !user.sanitize_written) return "";
  return user.sanitizes_payload ? "sanitize-payload" : "skip-sanitize-payload";
}

std::string describe(const User& user, Sanitize shown) {
  std::string out = "user " + user.name + (user.enabled ? " on " : " off ");
  if (user.no_password) out += "nopass ";
  if (const auto flag = sanitize_flag(user, shown); !flag.empty()) out += std::string(flag) + ' ';
  for (const Digest& password : user.passwords) out += '#' + hex(password) + ' ';
  return out + describe_rules(user);
}

std::string hex(const Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : digest) {
    out += kDigits[byte / 16];
    out += kDigits[byte % 16];
  }
  return out;
}

Digest sha256(std::string_view text) {
  Digest digest;
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

}  // namespace sluice::proxy::front
