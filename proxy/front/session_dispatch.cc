// Session: which commands are more than bytes for the shared connection, and the ways out for all
// of them. What the kinds do is in session_connection.cc and session_tied.cc.
#include <utility>

#include "proxy/front/session.h"
#include "resp/names.h"
#include "resp/writer.h"

namespace sluice::proxy::front {

bool Session::dispatch(CommandKind kind) {
  if (relay_) {
    dispatch_relayed();
    return true;
  }
  if (barrier(kind) && !queue_.empty()) return false;
  if (in_multi()) return dispatch_in_multi(kind);
  if (sticky_ && overtakes_pushes(kind) && !pushes_are_through()) return false;
  switch (kind) {
    case CommandKind::kSale: on_sale(); return true;
    case CommandKind::kHello: return on_hello();
    case CommandKind::kClient: return on_client();
    case CommandKind::kSelect: on_select(); return true;
    case CommandKind::kAuth: return on_auth();
    case CommandKind::kAcl: on_acl(); return true;
    case CommandKind::kReset: on_reset(); return true;
    case CommandKind::kQuit:
      local("+OK\r\n");
      closing_ = true;
      return true;
    case CommandKind::kCommand: on_command(); return true;
    case CommandKind::kInfo: on_info(); return true;
    case CommandKind::kConfig: on_config(); return true;
    case CommandKind::kEval: on_eval(); return true;
    case CommandKind::kEvalSha: return on_evalsha();
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
    case CommandKind::kMonitor: case CommandKind::kReplica: case CommandKind::kReplConf:
      return !in_multi() || kind == CommandKind::kReset;
    case CommandKind::kBlockingIfArg:
      return !in_multi() && blocks(kind);
    case CommandKind::kScript:
      return !in_multi() && (subcommand_is("kill") || subcommand_is("debug"));
    // Subscriptions begin with the reply: from then on Redis's bytes pass as they come.
    case CommandKind::kExec:
      return in_multi() && transaction_->subscribes();
    case CommandKind::kMulti: case CommandKind::kWatch: return pinned_ == nullptr;
    default: return false;
  }
}

// What the proxy answers itself would come before, or take away, pushes that Redis sends on account
// of earlier commands: confirmations of SUBSCRIBE, invalidations.
bool Session::overtakes_pushes(CommandKind kind) const {
  switch (kind) {
    case CommandKind::kHello: case CommandKind::kClient: case CommandKind::kSelect:
    case CommandKind::kAuth: case CommandKind::kAcl: case CommandKind::kQuit:
      return true;
    default: return false;
  }
}

// Pushes are no replies, so nothing tells that the last one is here but the reply to a later
// command. (One of CLIENT's: any other would end what CLIENT CACHING has begun.)
bool Session::pushes_are_through() {
  if (!queue_.empty()) return false;
  if (std::exchange(pushes_asked_, !pushes_asked_)) return true;
  send("*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n", 1, queue_.add_forwarded(1, true));
  return false;
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

void Session::on_eval() {
  remember_script(CommandKind::kEval);
  forward_one();
}

bool Session::on_evalsha() {
  if (pinned_) {
    if (!script_is_loaded()) return false;
  } else if (parser_.args().size() > 2) {
    // On the connection that the EVALSHA takes, just ahead of it.
    const std::string_view sha = parser_.args()[1];
    if (const auto body = worker_.scripts().to_load(sha, pipe_))
      load_script(*body, std::string(sha), pipe_, nullptr);
  }
  forward_one();
  return true;
}

// Bodies that EVALSHA may name after Redis has restarted.
void Session::remember_script(CommandKind kind) {
  const Args args = parser_.args();
  ScriptsLoaded& scripts = worker_.scripts();
  if (kind == CommandKind::kEval) {
    if (args.size() > 2) scripts.saw_body(args[1]);
  } else if (resp::equals_ignoring_case(args[0], "script")) {
    if (args.size() == 3 && subcommand_is("load")) scripts.saw_body(args[2]);
    const bool how = args.size() == 3 && (resp::equals_ignoring_case(args[2], "async") ||
                                          resp::equals_ignoring_case(args[2], "sync"));
    if (subcommand_is("flush") && (args.size() == 2 || how)) scripts.flushed();
  }
}

// On a connection of the client's own a script cannot be loaded ahead (it may be in MULTI): true
// once that has been tried over the shared one.
bool Session::script_is_loaded() {
  if (script_ == Script::kLoading) return false;
  const bool tried = std::exchange(script_, Script::kUnknown) == Script::kTried;
  if (tried || parser_.args().size() < 3) return true;
  const std::string sha(parser_.args()[1]);
  const auto body = worker_.scripts().to_load(sha, this);
  if (body == nullptr) return true;
  const bool sent = load_script(*body, sha, this, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->script_ = Script::kTried;
    self->look_again();
  });
  if (sent) script_ = Script::kLoading;
  return !sent;
}

// False: Redis cannot be reached, and nothing follows.
bool Session::load_script(const std::string& body, const std::string& sha, const void* way,
                          std::function<void()> tried) {
  const std::string_view words[] = {"SCRIPT", "LOAD", body};
  ScriptsLoaded& scripts = worker_.scripts();
  const auto ended = [&scripts, sha, way, tried = std::move(tried)](std::string_view reply) {
    scripts.load_ended(sha, way, reply);
    if (tried) tried();
  };
  if (worker_.errands().send(*pipe_, words, ended)) return true;
  scripts.load_ended(sha, way, "");
  return false;
}

void Session::on_sale() {
  sale::PurchaseFlow& flow = worker_.services().flow;
  const size_t thread = worker_.thread().index();
  const std::string_view reply = flow.answer_at_once(parser_.args(), thread);
  if (!reply.empty()) return local(reply);
  const uint64_t token = queue_.add_ticket(take_muted());
  flow.execute(parser_.args(), thread, shared_from_this(), token);
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

}  // namespace sluice::proxy::front
