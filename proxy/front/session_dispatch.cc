// Session: the commands that are more than bytes for the shared connection.
#include <algorithm>
#include <utility>
#include <vector>

#include "proxy/front/reply_rewrite.h"
#include "proxy/front/session.h"
#include "resp/names.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

std::string error_line(std::string_view text) {
  std::string line;
  resp::append_error(line, text);
  return line;
}

std::string quoted_lower(std::string_view name) {
  std::string out = "'";
  return out + resp::lower(name.substr(0, 128)) + "'";
}

}  // namespace

bool Session::dispatch(CommandKind kind) {
  if (relay_) {
    dispatch_relayed();
    return true;
  }
  if (barrier(kind) && !queue_.empty()) return false;
  if (in_multi_) return dispatch_in_multi(kind);
  const Args args = parser_.args();
  switch (kind) {
    case CommandKind::kSale: on_sale(); return true;
    case CommandKind::kHello: on_hello(); return true;
    case CommandKind::kClient: on_client(); return true;
    case CommandKind::kSelect: on_select(); return true;
    case CommandKind::kAuth: local(auth(args)); return true;
    case CommandKind::kReset: on_reset(); return true;
    case CommandKind::kQuit:
      local("+OK\r\n");
      closing_ = true;
      return true;
    case CommandKind::kCommand: on_command(); return true;
    case CommandKind::kInfo: on_info(); return true;
    case CommandKind::kConfig: on_config(); return true;
    case CommandKind::kRefused:
      local(error_line("ERR Sluice: " + quoted_lower(args[0]) +
                       " is not possible through the proxy; connect to Redis itself"));
      return true;
    case CommandKind::kHttp: cut(CutReason::kHttp); return true;
    default: return dispatch_tied(kind);
  }
}

// Commands that go to another connection than those before them must not overtake these.
bool Session::barrier(CommandKind kind) const {
  switch (kind) {
    case CommandKind::kHello: case CommandKind::kClient: case CommandKind::kSelect:
    case CommandKind::kReset: case CommandKind::kAlone: case CommandKind::kWait:
    case CommandKind::kBlocking: case CommandKind::kSubscribe: case CommandKind::kUnsubscribe:
    case CommandKind::kMonitor:
      return !in_multi_ || kind == CommandKind::kReset;
    case CommandKind::kBlockingIfArg: return !in_multi_ && blocks(kind);
    case CommandKind::kScript: return !in_multi_ && subcommand_is("kill");
    case CommandKind::kMulti: case CommandKind::kWatch: return pinned_ == nullptr;
    default: return false;
  }
}

bool Session::blocks(CommandKind kind) const {
  if (kind != CommandKind::kBlockingIfArg) return true;
  const Args args = parser_.args();
  // Values are passed over: a group may be called "streams", a consumer "block".
  for (size_t i = 1; i < args.size(); ++i) {
    if (resp::equals_ignoring_case(args[i], "streams")) return false;  // keys follow
    if (resp::equals_ignoring_case(args[i], "block")) return true;
    if (resp::equals_ignoring_case(args[i], "count")) i += 1;
    if (resp::equals_ignoring_case(args[i], "group")) i += 2;
  }
  return false;
}

bool Session::subcommand_is(std::string_view name) const {
  return parser_.args().size() > 1 && resp::equals_ignoring_case(parser_.args()[1], name);
}

bool Session::dispatch_in_multi(CommandKind kind) {
  const bool alone = parser_.args().size() == 1;
  switch (kind) {
    case CommandKind::kExec:
      if (alone) on_exec(); else forward_one();
      return true;
    case CommandKind::kDiscard:
      forward_one();
      if (alone) {
        in_multi_ = watching_ = multi_broken_ = false;
        settling_ = true;
        show_state();
      }
      return true;
    case CommandKind::kReset: on_reset(); return true;
    case CommandKind::kQuit:
      local("+OK\r\n");
      closing_ = true;
      return true;
    case CommandKind::kHttp: cut(CutReason::kHttp); return true;
    case CommandKind::kSale: case CommandKind::kHello: case CommandKind::kClient:
    case CommandKind::kSelect: case CommandKind::kAuth: case CommandKind::kSubscribe:
    case CommandKind::kUnsubscribe: case CommandKind::kMonitor: case CommandKind::kRefused:
    case CommandKind::kAlone:
      refuse_in_multi();
      return true;
    case CommandKind::kScript:
      if (subcommand_is("debug")) refuse_in_multi(); else forward_one();
      return true;
    default: forward_one(); return true;
  }
}

void Session::refuse_in_multi() {
  multi_broken_ = true;
  local(error_line("ERR Sluice: " + quoted_lower(parser_.args()[0]) +
                   " cannot be part of a MULTI transaction; send it outside"));
}

void Session::on_exec() {
  if (std::exchange(multi_broken_, false)) {
    // Redis knows nothing of the command that was refused, so the transaction must not run.
    queue_.add_rewritten(
        [](std::string_view) {
          return std::string(
              "-EXECABORT Transaction discarded because of previous errors.\r\n");
        },
        take_muted());
    send("*1\r\n$7\r\nDISCARD\r\n", 1, false);
  } else {
    forward_one();
  }
  in_multi_ = watching_ = false;
  settling_ = true;
  show_state();
}

bool Session::dispatch_tied(CommandKind kind) {
  const Args args = parser_.args();
  switch (kind) {
    case CommandKind::kMulti:
      if (args.size() != 1) break;  // Redis says why not
      if (!tie()) return true;
      in_multi_ = true;
      break;
    case CommandKind::kWatch:
      if (args.size() < 2) break;
      if (!tie()) return true;
      watching_ = true;
      break;
    case CommandKind::kUnwatch:
      if (std::exchange(watching_, false)) settling_ = true;
      break;
    case CommandKind::kBlockingIfArg:
      if (!blocks(kind)) break;
      [[fallthrough]];
    case CommandKind::kBlocking: case CommandKind::kAlone: case CommandKind::kWait: {
      const bool fresh = pinned_ == nullptr;
      if (!tie()) return true;
      // WAIT counts from the last command of its own connection: give it one after the writes.
      if (fresh && kind == CommandKind::kWait) pinned_->forward_unseen("*1\r\n$4\r\nPING\r\n");
      settling_ = blocked_ = true;
      break;
    }
    case CommandKind::kScript:
      if (subcommand_is("debug")) {
        local(error_line("ERR Sluice: SCRIPT DEBUG is not possible through the proxy; connect to "
                         "Redis itself"));
        return true;
      }
      if (!subcommand_is("kill")) break;
      // The shared connection may well be the one that waits for the script.
      if (!tie()) return true;
      settling_ = true;
      break;
    case CommandKind::kSubscribe: case CommandKind::kUnsubscribe: case CommandKind::kMonitor:
      on_subscribe(kind);
      return true;
    default: break;
  }
  forward_one();
  show_state();
  return true;
}

void Session::on_subscribe(CommandKind kind) {
  const size_t count = parser_.args().size();
  const bool wrong = kind == CommandKind::kMonitor ? count != 1
                                                   : kind == CommandKind::kSubscribe && count < 2;
  if (wrong) return forward_one();
  if (!tie()) return;
  dirty_ = true;
  if (kind != CommandKind::kMonitor && client_->protocol.load() == 3) {
    // RESP3 answers with pushes only, and every other command may still be sent.
    sticky_ = true;
    pinned_->forward(command_bytes(), 0, false);
    return show_state();
  }
  relay_ = true;
  monitor_ = kind == CommandKind::kMonitor;
  pinned_->start_relay();
  dispatch_relayed();
  show_state();
}

// The client is a subscriber or a monitor: Redis judges what it may send. Whether it ceases to be
// one, only Redis can tell, so it is asked after each command that could end it.
void Session::dispatch_relayed() {
  pinned_->forward(command_bytes(), 0, false);
  const CommandKind kind = classify(parser_.args()[0]);
  const bool may_end =
      kind == CommandKind::kReset || (kind == CommandKind::kUnsubscribe && !monitor_);
  if (!may_end) return;
  relay_ending_ = true;
  pinned_->ask_whether_relay_ended();
}

void Session::relay_ended() {
  relay_ending_ = false;
  if (pinned_->still_relaying()) return reply_later();
  relay_ = monitor_ = false;
  if (pinned_->was_reset()) {
    muted_ = mute_next_ = false;
    client_->protocol = 2;
    client_->database = database_ = 0;
    worker_.services().clients.set_name(*client_, "");
  }
  untie(false);
  use_shared_pipe();
  reply_later();
}

void Session::on_sale() {
  const uint64_t token = queue_.add_ticket(take_muted());
  worker_.services().flow.execute(parser_.args(), worker_.thread().index(), shared_from_this(),
                                  token);
}

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

// ---- Ways out.

void Session::local(std::string_view reply) {
  queue_.add_local(reply, take_muted());
  reply_later();
}

bool Session::take_muted() {
  const bool next = std::exchange(mute_next_, false);
  return muted_ || next;
}

// What Redis gets: the bytes as they came, or an inline command as an array.
std::string_view Session::command_bytes() {
  if (!parser_.is_inline()) return parser_.raw();
  encoded_.clear();
  resp::append_command(encoded_, parser_.args());
  return encoded_;
}

void Session::forward_one(ReplyQueue::Rewrite rewrite) {
  bool same_run = false;
  if (rewrite)
    queue_.add_rewritten(std::move(rewrite), take_muted());
  else
    same_run = queue_.add_forwarded(1, take_muted());
  send(command_bytes(), 1, same_run);
}

void Session::send(std::string_view bytes, size_t commands, bool same_run) {
  if (pinned_) return pinned_->forward(bytes, commands, same_run);
  if (pipe_->forward(bytes, commands, *this, same_run)) return;
  queue_.fail_forwarded(commands, pipe_->down_error());
  reply_later();
}

// ---- The client's own connection to Redis.

bool Session::tie() {
  if (pinned_) return true;
  auto pinned = worker_.pinned_pool().acquire(client_->protocol.load(), database_, *this);
  if (pinned) {
    pinned_ = std::move(*pinned);
    return true;
  }
  // What follows was meant for the state that this command would have begun: it must not run.
  local(error_line(pinned.error().message()));
  closing_ = true;
  return false;
}

void Session::untie(bool clean) {
  worker_.pinned_pool().give_back(std::move(pinned_), clean && !dirty_);
  dirty_ = waits_for_room_ = false;
}

// All replies of the tied commands are here; if no state is left, the connection is free.
void Session::settle() {
  settling_ = blocked_ = false;
  if (pinned_ && !stateful()) untie(true);
  show_state();
}

void Session::use_shared_pipe() {
  const int64_t database = std::min(database_, Worker::kSharedDatabaseMax);
  pipe_ = &worker_.pipe(client_->protocol.load(), database);
}

void Session::show_state() {
  const bool subscriber = relay_ || (sticky_ && dirty_);
  client_->flag = in_multi_ ? 'x' : blocked_ ? 'b' : !subscriber ? 'N' : monitor_ ? 'O' : 'P';
}

}  // namespace sluice::proxy::front
