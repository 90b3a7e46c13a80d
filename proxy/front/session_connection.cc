// Commands that speak of the client's own connection to the proxy, and those that Redis answers with
// something of the proxy's in it.
#include <algorithm>
#include <utility>
#include <vector>

#include "proxy/front/reply_rewrite.h"
#include "proxy/front/session.h"
#include "resp/names.h"
#include "resp/writer.h"

namespace sluice::proxy::front {

void Session::on_hello() {
  const int before = client_->protocol.load();
  const std::string reply = hello(parser_.args(), *client_, worker_.services().clients,
                                  worker_.redis_version());
  local(reply);
  if (client_->protocol.load() == before) return;
  if (pinned_ && !stateful()) untie(true);
  if (pinned_) {
    // Watching or tracking: the connection changes along.
    const std::string_view args[] = {"HELLO", client_->protocol.load() == 3 ? "3" : "2"};
    std::string command;
    resp::append_command(command, args);
    pinned_->forward_unseen(command);
    dirty_ = true;
  }
  use_shared_pipe();
}

void Session::on_client() {
  LocalReply reply = client_command(parser_.args(), *client_, worker_.services().clients);
  switch (reply.place) {
    case LocalReply::Place::kHere:
      local(reply.bytes);
      if (reply.close) closing_ = true;
      return;
    case LocalReply::Place::kForward: return forward_one();
    case LocalReply::Place::kTied:
      if (!tie()) return;
      sticky_ = dirty_ = true;
      return forward_one();
    case LocalReply::Place::kReplyOn:
      muted_ = mute_next_ = false;
      return local(reply.bytes);
    case LocalReply::Place::kReplyOff: muted_ = true; return;
    case LocalReply::Place::kReplySkip: mute_next_ = !muted_; return;
  }
}

// Redis decides whether the database exists; the answer moves the client.
void Session::on_select() {
  const Args args = parser_.args();
  int64_t database = 0;
  if (args.size() != 2 || !resp::parse_strict_integer(args[1], database)) return forward_one();
  if (database == database_) return local("+OK\r\n");
  if (!tie()) return;
  dirty_ = settling_ = true;
  forward_one([this, database](std::string_view reply) {
    if (reply.starts_with("+OK")) {
      database_ = database;
      client_->database = database;
      sticky_ = sticky_ || database > Worker::kSharedDatabaseMax;
      if (database <= Worker::kSharedDatabaseMax) use_shared_pipe();
    }
    return std::string(reply);
  });
}

void Session::on_reset() {
  if (parser_.args().size() != 1) return local(wrong_arity("reset"));
  in_multi_ = watching_ = sticky_ = multi_broken_ = settling_ = blocked_ = false;
  if (pinned_) untie(false);
  muted_ = mute_next_ = false;
  client_->protocol = 2;
  client_->database = database_ = 0;
  worker_.services().clients.set_name(*client_, "");
  use_shared_pipe();
  show_state();
  local("+RESET\r\n");
}

void Session::on_command() {
  const Args args = parser_.args();
  const CommandRewrite what = command_rewrite(args);
  if (what == CommandRewrite::kNone) return forward_one();
  std::vector<std::string> names;
  for (size_t i = 2; i < args.size(); ++i) names.emplace_back(args[i]);
  const int protocol = client_->protocol.load();
  forward_one([what, names = std::move(names), protocol](std::string_view reply) {
    return add_commands(what, names, reply, protocol);
  });
}

void Session::on_info() {
  const Args args = parser_.args();
  const auto names_any = [&](std::initializer_list<std::string_view> sections) {
    return std::any_of(args.begin() + 1, args.end(), [&](std::string_view arg) {
      return std::any_of(sections.begin(), sections.end(), [&](std::string_view section) {
        return resp::equals_ignoring_case(arg, section);
      });
    });
  };
  const bool added = args.size() == 1 || names_any({"sluice", "all", "everything", "default"});
  if (!added) return forward_one();
  std::string section = with_header(worker_.services().flow.info_section());
  if (args.size() == 2 && names_any({"sluice"})) {
    std::string reply;
    resp::append_verbatim(reply, section, client_->protocol.load());
    return local(reply);
  }
  forward_one([section = std::move(section)](std::string_view reply) {
    return add_info_section(reply, section);
  });
}

void Session::on_config() {
  const LocalReply reply =
      config_command(parser_.args(), worker_.services().config, client_->protocol.load());
  if (reply.place == LocalReply::Place::kForward) return forward_one();
  local(reply.bytes);
}

}  // namespace sluice::proxy::front
