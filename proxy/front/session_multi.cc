// A session within MULTI: what Redis queues as it is, and what runs here when EXEC has succeeded.
#include <cstdint>
#include <utility>
#include <vector>

#include "proxy/front/args.h"
#include "proxy/front/reply_rewrite.h"
#include "proxy/front/session.h"
#include "resp/names.h"
#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

size_t bytes_of(Args args) {
  size_t bytes = 128;
  for (std::string_view arg : args) bytes += arg.size() + sizeof(std::string);
  return bytes;
}

}  // namespace

bool Session::dispatch_in_multi(CommandKind kind) {
  const bool alone = parser_.args().size() == 1;
  switch (kind) {
    case CommandKind::kExec:
      if (alone) {
        on_exec();
        return true;
      }
      forward_one();  // Redis refuses it, and the transaction is over all the same
      end_multi();
      return true;
    case CommandKind::kDiscard:
      forward_one();
      if (alone) end_multi();
      return true;
    // Redis refuses these without queueing them.
    case CommandKind::kMulti: case CommandKind::kWatch: forward_one(); return true;
    case CommandKind::kReset: on_reset(); return true;
    case CommandKind::kQuit:
      local("+OK\r\n");
      closing_ = true;
      return true;
    case CommandKind::kHttp: cut(CutReason::kHttp); return true;
    case CommandKind::kSale: refuse_in_multi(); return true;
    case CommandKind::kHello: queue_hello(); return true;
    case CommandKind::kClient: return queue_client();
    case CommandKind::kSelect: queue_select(); return true;
    case CommandKind::kAuth: queue_auth(); return true;
    case CommandKind::kAcl: queue_acl(); return true;
    case CommandKind::kCommand: case CommandKind::kInfo: case CommandKind::kConfig:
      queue_server(kind);
      return true;
    case CommandKind::kSubscribe: case CommandKind::kUnsubscribe:
      if (kind == CommandKind::kUnsubscribe || !alone) transaction_->subscribe();
      break;
    case CommandKind::kReplConf: dirty_ = true; break;
    case CommandKind::kEval: case CommandKind::kScript: remember_script(kind); break;
    case CommandKind::kEvalSha:
      if (!script_is_loaded()) return false;
      break;
    default: break;
  }
  transaction_->queued(1);
  forward_one();
  return true;
}

void Session::begin_multi() { transaction_ = std::make_shared<Transaction>(client_->queued); }

void Session::end_multi() {
  transaction_.reset();
  client_->watched = 0;
  settling_ = true;
  show_state();
}

void Session::refuse_in_multi() {
  transaction_->refuse();
  local(error_line("ERR Sluice: '" + resp::lower(parser_.args()[0]) +
                   "' cannot be part of a MULTI transaction; send it outside"));
}

void Session::on_exec() {
  if (transaction_->refused()) {
    // Redis knows nothing of the command that was refused, so the transaction must not run.
    return abort_transaction("-EXECABORT Transaction discarded because of previous errors.\r\n");
  }
  if (transaction_->subscribes() && transaction_->has_changes()) {
    // The two cannot be told apart in EXEC's reply; half a transaction would be worse than none.
    return abort_transaction(
        error_line("EXECABORT Transaction discarded because of: ERR Sluice: subscribing and "
                   "commands about the connection (such as SELECT or CLIENT) cannot be part of "
                   "one MULTI transaction"));
  }
  if (transaction_->subscribes()) return exec_with_subscriptions();
  if (transaction_->has_changes()) {
    forward_one([this, transaction = transaction_](std::string_view reply) {
      std::string changed = transaction->finish(reply, muted_);
      if (transaction->has_greeted())
        follow_protocol();
      else use_shared_pipe();
      return changed;
    });
  } else {
    forward_one();
  }
  end_multi();
}

// The replies of SUBSCRIBE come in the midst of EXEC's, and are more than it announces: nobody but
// the client can tell where that ends.
void Session::exec_with_subscriptions() {
  end_multi();
  settling_ = false;
  dirty_ = relay_ = relay_ending_ = true;
  subscribed_ = client_->protocol.load() == 3;
  sticky_ = sticky_ || subscribed_;
  pinned_->start_relay();
  pinned_->forward(command_bytes(), 0, false);
  pinned_->ask_whether_relay_ended();
  show_state();
}

// ---- What runs here.

void Session::queue_changed(std::string_view bytes, Transaction::Change change) {
  transaction_->queued(std::move(change), bytes_of(parser_.args()));
  const bool same_run = queue_.add_forwarded(1, take_muted());
  send(bytes, 1, same_run);
}

void Session::queue_local(std::function<std::string(Args)> run) {
  queue_judged({"PING"}, [run = std::move(run)](Args args, std::string_view) { return run(args); });
}

// `inquiry` is queued in place of the command; `run` gets the command and what the server said.
void Session::queue_judged(const Inquiry& inquiry, JudgedRun run) {
  const Args args = parser_.args();
  std::string bytes;
  resp::append_command(bytes, std::vector<std::string_view>(inquiry.begin(), inquiry.end()));
  queue_changed(bytes, [words = std::vector<std::string>(args.begin(), args.end()),
                        run = std::move(run)](std::string_view element) {
    return run(std::vector<std::string_view>(words.begin(), words.end()), element);
  });
}

void Session::queue_refused(const Inquiry& inquiry) {
  queue_judged(inquiry, [](Args, std::string_view element) { return std::string(element); });
}

void Session::queue_auth() {
  const Args args = parser_.args();
  if (args.size() == 1) return forward_one();  // Redis refuses it, and EXEC with it
  if (args.size() > 3) return queue_refused(auth_inquiry());
  queue_local([this](Args words) { return auth(words, identity_.login_port()); });
}

// The replies behind it are of the protocol it sets, so Redis must change along; AUTH and SETNAME
// are not for Redis, which gets a HELLO that changes nothing and tells what the reply is made of.
void Session::queue_hello() {
  const Args args = parser_.args();
  if (!parse_hello(args, client_->protocol.load())) return queue_refused(hello_inquiry(args));
  // It runs as a part of the transaction, which is there then.
  const auto run = [this, transaction = transaction_.get()](Args words, std::string_view element) {
    const auto server = ServerHello::parse(element);
    if (!server) return std::string(element);
    transaction->greeted();
    return say_hello(*parse_hello(words, client_->protocol.load()), *server);
  };
  if (args.size() > 2) return queue_judged({"HELLO"}, run);
  dirty_ = true;
  queue_judged(Inquiry(args.begin(), args.end()), run);
}

void Session::queue_select() {
  const Args args = parser_.args();
  int64_t database = 0;
  if (args.size() != 2 || !resp::parse_strict_integer(args[1], database)) {
    transaction_->queued(1);
    return forward_one();
  }
  dirty_ = true;
  // One that is out of range fails when it runs, and moves nobody. Where it is not sure that it
  // will move the client, what follows must be allowed in both databases.
  const upstream::ServerUsers& server = worker_.access().server_users();
  const bool sure = server.databases && !server.in_cluster;
  if (sure && database >= 0 && database < *server.databases) transaction_->select(database);
  else if (!sure) transaction_->may_select(database, database_);
  queue_changed(command_bytes(), [this, database](std::string_view element) {
    selected(database, element);
    return std::string(element);
  });
}

// False: not yet.
bool Session::queue_client() {
  const Args args = parser_.args();
  switch (client_place(args)) {
    case ClientPlace::kWrong: forward_one(); break;  // Redis refuses it, and EXEC with it
    case ClientPlace::kHere:
    case ClientPlace::kReply:
    case ClientPlace::kPause:
    case ClientPlace::kUnblock: queue_own_client(); break;
    case ClientPlace::kTracking: return queue_tracking();
    case ClientPlace::kRedis:
      queue_changed(command_bytes(),
                    [this](std::string_view element) { return with_own_redirect(element); });
      break;
    case ClientPlace::kUnknown:
      dirty_ = true;
      transaction_->queued(1);
      forward_one();
      break;
  }
  return true;
}

// Redis judges the form when EXEC runs; of REPLY already whether it may be queued.
void Session::queue_own_client() {
  const Args args = parser_.args();
  Inquiry inquiry = client_inquiry(args, worker_.services().clients);
  const bool lines = subcommand_is("list") || subcommand_is("info");
  if (inquiry.empty() && lines) inquiry = {"CLIENT", "INFO"};
  if (inquiry.empty() && subcommand_is("reply")) inquiry = {"CLIENT", "REPLY", "ON"};
  if (inquiry.empty()) inquiry = {"PING"};
  queue_judged(inquiry, [this](Args words, std::string_view element) {
    if (is(words[1], "info") || (is(words[1], "list") && words.size() == 2))
      worker_.learn_client_line(element);
    const std::string error = form_error(words, element);
    return error.empty() ? run_client(words, element) : error;
  });
}

bool Session::queue_tracking() {
  const std::optional<Tracking> tracking = tracking_command();
  if (!tracking) return false;
  sticky_ = dirty_ = true;
  const auto change = [this, redirect = tracking->redirect](std::string_view element) {
    if (element.starts_with("+OK")) client_->redirect = redirect;
    return std::string(element);
  };
  queue_changed(tracking->command, change);
  return true;
}

// What the server answers it is asked within the transaction, and what it refuses ends that.
void Session::queue_acl() {
  const Args args = parser_.args();
  if (args.size() == 1) return forward_one();  // refused
  // Nothing is loaded before EXEC.
  const bool loads = args.size() == 2 && subcommand_is("load") && identity_.user() != nullptr;
  const AclAnswer answer = loads ? AclAnswer() : run_acl(args);
  if (answer.place == AclAnswer::Place::kHere) {
    return queue_local([this](Args words) {
      const AclAnswer now = run_acl(words);
      return now.place == AclAnswer::Place::kHere
                 ? now.bytes
                 : error_line("ERR Sluice: the commands of Redis have changed; retry");
    });
  }
  if (!answer.rewrite && answer.bytes.empty()) {
    transaction_->queued(1);
    return forward_one();
  }
  queue_changed(answer.bytes.empty() ? command_bytes() : answer.bytes,
                [rewrite = answer.rewrite](std::string_view element) {
                  return rewrite ? rewrite(element) : std::string(element);
                });
}

void Session::queue_server(CommandKind kind) {
  const Args args = parser_.args();
  const bool wrong = kind == CommandKind::kConfig && args.size() < 2;
  if (wrong) return forward_one();
  if (kind == CommandKind::kConfig) {
    const int protocol = client_->protocol.load();
    if (!for_sluice(args)) {
      transaction_->queued(1);
      return forward_one();
    }
    return queue_local([this, protocol](Args words) {
      return config_command(words, worker_.services().config, protocol).bytes;
    });
  }
  auto change = kind == CommandKind::kInfo ? info_change() : command_change();
  if (!change) {
    transaction_->queued(1);
    return forward_one();
  }
  queue_changed(command_bytes(), std::move(change));
}

}  // namespace sluice::proxy::front
