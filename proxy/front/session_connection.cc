// Commands that speak of the client's own connection to the proxy, and those that Redis answers
// with something of the proxy's in it.
#include <algorithm>
#include <utility>
#include <vector>

#include "proxy/front/reply_rewrite.h"
#include "proxy/front/server_words.h"
#include "proxy/front/session.h"
#include "resp/names.h"
#include "resp/writer.h"

namespace sluice::proxy::front {

// Puts it to the server, over a shared connection. False: the answer is still to come, and the
// command stays; true: it is in answer_, an error line if Redis cannot be reached.
bool Session::asked(const Inquiry& words) {
  if (question_ != words) forget_answer();  // what was asked before, somebody else has learned
  if (asked_ == Asked::kWaiting) return false;
  if (std::exchange(asked_, Asked::kNothing) == Asked::kAnswered) return true;
  question_ = words;
  const std::vector<std::string_view> views(words.begin(), words.end());
  upstream::Pipe& pipe = worker_.pipe(2, 0);
  const bool sent = worker_.errands().send(
      pipe, views, [weak = weak_from_this(), number = ++inquiries_](std::string_view reply) {
        const auto self = weak.lock();
        if (!self || self->inquiries_ != number || self->asked_ != Asked::kWaiting) return;
        self->answer_ = reply;
        self->asked_ = Asked::kAnswered;
        self->look_again();
      });
  if (sent) asked_ = Asked::kWaiting;
  else answer_ = pipe.down_error();
  return !sent;
}

// The command at hand is done with: no later one may take the answer for its own.
void Session::forget_answer() {
  if (question_.empty()) return;
  asked_ = Asked::kNothing;
  question_ = {};
  answer_ = {};
}

// A command that is wrong, as the server words it. False: not yet.
bool Session::refused_by_server(const Inquiry& words) {
  if (!asked(words)) return false;
  local(answer_);
  return true;
}

// False: not yet. Logging in must wait for its turn, and the server is asked what it calls itself.
bool Session::on_hello() {
  const Args args = parser_.args();
  static_cast<void>(worker_.catalog());  // whoever greets will go on
  const auto request = parse_hello(args, client_->protocol.load());
  if (!request) return refused_by_server(hello_inquiry(args));
  if (worker_.server_hello() == nullptr) {
    if (!asked({"HELLO", "2"})) return false;
    if (const Status learned = worker_.learn_hello(answer_); !learned) {
      local(error_line(learned.error().message()));
      return true;
    }
  }
  if (request->user && !login_turn_has_come()) return false;
  const int before = client_->protocol.load();
  local(say_hello(*request, *worker_.server_hello()));
  if (client_->protocol.load() != before) follow_protocol();
  identity_.login_is_over();
  return true;
}

std::string Session::say_hello(const HelloRequest& request, const ServerHello& server) {
  return hello(request, *client_, worker_.services().clients, server, identity_.login_port(),
               hello_before_login(worker_.access().server_users()));
}

// The client has changed its protocol, once or, in a transaction, several times.
void Session::follow_protocol() {
  if (pinned_ && !stateful()) untie(true);
  if (pinned_) {
    // Watching or tracking: the connection changes along.
    const std::string_view words[] = {"HELLO", client_->protocol.load() == 3 ? "3" : "2"};
    std::string command;
    resp::append_command(command, words);
    pinned_->forward_unseen(command);
    dirty_ = true;
    if (subscribed_ && client_->protocol.load() == 2) {
      // Messages are no pushes any more, and Redis takes a subscriber's commands only.
      relay_ = relay_ending_ = true;
      pinned_->start_relay();
      pinned_->ask_whether_relay_ended();
    }
  }
  use_shared_pipe();
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
    selected(database, reply);
    return std::string(reply);
  });
}

void Session::selected(int64_t database, std::string_view reply) {
  if (!reply.starts_with("+OK")) return;
  database_ = database;
  client_->database = database;
  sticky_ = sticky_ || database > Worker::kSharedDatabaseMax;
  if (database <= Worker::kSharedDatabaseMax) use_shared_pipe();
}

void Session::on_reset() {
  if (parser_.args().size() != 1) return forward_one();  // Redis says why not
  forget_state();
  if (pinned_) {
    // The connection is given up, but Redis must have forgotten its subscriptions before the client
    // goes on.
    dirty_ = settling_ = true;
    forward_one([](std::string_view) { return std::string("+RESET\r\n"); });
  } else {
    local("+RESET\r\n");
  }
  use_shared_pipe();
  show_state();
}

// What RESET takes from a client. (Not CLIENT REPLY SKIP, which swallows the answer.)
void Session::forget_state() {
  sticky_ = settling_ = blocked_ = subscribed_ = false;
  muted_ = false;
  transaction_.reset();
  client_->redirect = -1;
  client_->watched = 0;
  client_->redirects = false;
  client_->protocol = 2;
  client_->database = database_ = 0;
  worker_.services().clients.set_name(*client_, "");
  identity_.become_default();
}

void Session::on_command() { forward_one(command_change()); }

// Null: nothing is to be changed.
ReplyQueue::Rewrite Session::command_change() {
  const Args args = parser_.args();
  const CommandRewrite what = command_rewrite(args);
  if (what == CommandRewrite::kNone) return nullptr;
  std::vector<std::string> names;
  for (size_t i = 2; i < args.size(); ++i) names.emplace_back(args[i]);
  return [what, names = std::move(names), protocol = client_->protocol.load()](
             std::string_view reply) { return add_commands(what, names, reply, protocol); };
}

void Session::on_info() {
  const Args args = parser_.args();
  if (args.size() != 2 || !resp::equals_ignoring_case(args[1], "sluice"))
    return forward_one(info_change());
  std::string reply;
  resp::append_verbatim(reply, with_header(worker_.services().flow.info_section()),
                        client_->protocol.load());
  local(reply);
}

// Null: the section is not asked for.
ReplyQueue::Rewrite Session::info_change() {
  const Args args = parser_.args();
  const bool added =
      args.size() == 1 || std::any_of(args.begin() + 1, args.end(), [](std::string_view arg) {
        for (std::string_view section : {"sluice", "all", "everything", "default"}) {
          if (resp::equals_ignoring_case(arg, section)) return true;
        }
        return false;
      });
  if (!added) return nullptr;
  return [this](std::string_view reply) {
    return add_info_section(reply, with_header(worker_.services().flow.info_section()));
  };
}

void Session::on_config() {
  const LocalReply reply =
      config_command(parser_.args(), worker_.services().config, client_->protocol.load());
  if (reply.place == LocalReply::Place::kForward) return forward_one();
  local(reply.bytes);
}

}  // namespace sluice::proxy::front
