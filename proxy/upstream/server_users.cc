#include "proxy/upstream/server_users.h"

#include "proxy/upstream/reply_value.h"
#include "resp/info.h"
#include "resp/names.h"
#include "resp/request_parser.h"

namespace sluice::proxy::upstream {
namespace {

constexpr std::string_view kQuestions[] = {
    "*2\r\n$3\r\nACL\r\n$3\r\nCAT\r\n",
    "*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n",
    "*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$9\r\ndatabases\r\n",
    "*3\r\n$3\r\nACL\r\n$7\r\nGETUSER\r\n$7\r\ndefault\r\n",
    "*2\r\n$4\r\nINFO\r\n$7\r\ncluster\r\n",
};

void take_categories(ServerUsers& known, const ReplyValue& reply) {
  for (const ReplyValue& category : reply.elements)
    if (!category.text.empty()) known.categories.push_back(resp::lower(category.text));
}

void take_info(ServerUsers& known, const ReplyValue& reply) {
  if (reply.type != '$' || reply.integer < 0) return;
  known.names_the_user = !resp::info_value(reply.text, "acl_access_denied_cmd").empty();
  known.has_databases = !resp::info_value(reply.text, "acl_access_denied_db").empty();
  known.login_comes_first = known.has_databases;
}

void take_database_count(ServerUsers& known, const ReplyValue& reply) {
  int64_t count = 0;
  if (resp::parse_strict_integer(reply.word("databases"), count) && count > 0)
    known.databases = count;
}

// Before the words that name the user, a user was shown with "sanitize-payload" if it was given the
// word; later on from the beginning; in the end the word was without effect.
void take_user(ServerUsers& known, const ReplyValue& reply) {
  known.has_databases = reply.field("databases") != nullptr;
  const ReplyValue* flags = reply.field("flags");
  if (flags == nullptr || !known.names_the_user) return;
  const bool shown = flags->has("sanitize-payload") || flags->has("skip-sanitize-payload");
  known.sanitize = shown ? ServerUsers::Sanitize::kAlways : ServerUsers::Sanitize::kNever;
}

}  // namespace

std::span<const std::string_view> questions_about_users() { return kQuestions; }

void take_answer(ServerUsers& known, size_t question, std::string_view reply) {
  ReplyValue value;
  if (!read_value(reply, value)) return;
  if (value.type == '-') {
    if (value.text.starts_with("NOPERM "))
      known.names_the_user = !value.text.starts_with("NOPERM this user ");
    return;
  }
  switch (question) {
    case 0: return take_categories(known, value);
    case 1: return take_info(known, value);
    case 2: return take_database_count(known, value);
    case 3: return take_user(known, value);
    case 4:
      known.in_cluster = resp::info_value(value.text, "cluster_enabled") == "1";
      return;
    default: return;
  }
}

}  // namespace sluice::proxy::upstream
