// A session and the connection to Redis that it has to itself: what ties the two, relays between
// them, and ends the tie.
#include <algorithm>
#include <utility>

#include "proxy/front/session.h"
#include "resp/names.h"

namespace sluice::proxy::front {
namespace {

bool begins_debugging(Args args) {
  const auto is = [&args](size_t i, std::string_view word) {
    return resp::equals_ignoring_case(args[i], word);
  };
  return args.size() == 3 && is(1, "debug") && (is(2, "yes") || is(2, "sync"));
}

}  // namespace

bool Session::dispatch_tied(CommandKind kind) {
  const Args args = parser_.args();
  switch (kind) {
    case CommandKind::kMulti:
      if (args.size() != 1) break;  // Redis says why not
      if (!tie()) return true;
      begin_multi();
      break;
    case CommandKind::kWatch:
      if (args.size() < 2) break;
      if (!tie()) return true;
      Client::count(client_->watched, args.size() - 1);
      break;
    case CommandKind::kUnwatch:
      if (watching()) settling_ = true;
      client_->watched = 0;
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
      remember_script(kind);
      if (begins_debugging(args)) {
        if (tie()) relay_raw();
        return true;
      }
      if (!subcommand_is("kill")) break;
      // The shared connection may well be the one that waits for the script, and no connection can
      // be led to another database as long as it runs.
      if (!tie(0)) return true;
      settling_ = true;
      break;
    case CommandKind::kSubscribe: case CommandKind::kUnsubscribe: case CommandKind::kMonitor:
      on_subscribe(kind);
      return true;
    case CommandKind::kReplica: {
      const bool sync = resp::equals_ignoring_case(args[0], "sync");
      if (sync ? args.size() != 1 : args.size() < 3) break;  // Redis says why not
      if (tie()) relay_raw();
      return true;
    }
    case CommandKind::kReplConf: on_replconf(); return true;
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
  mute_next_ = false;  // what confirms a subscription is shown all the same
  if (kind != CommandKind::kMonitor && client_->protocol.load() == 3) {
    // RESP3 answers with pushes only, and every other command may still be sent.
    sticky_ = subscribed_ = true;
    count_subscriptions(kind == CommandKind::kSubscribe);
    pinned_->forward(command_bytes(), 0, false);
    return show_state();
  }
  relay_ = true;
  monitor_ = kind == CommandKind::kMonitor;
  pinned_->start_relay();
  dispatch_relayed();
  show_state();
}

// A replica that introduces itself, in several commands.
void Session::on_replconf() {
  const Args args = parser_.args();
  const bool pairs = args.size() % 2 == 1;  // else Redis refuses it
  for (size_t i = 1; pairs && i < args.size(); i += 2) {
    // Only replicas send these, and nobody answers them.
    if (resp::equals_ignoring_case(args[i], "ack") || resp::equals_ignoring_case(args[i], "getack"))
      return;
  }
  if (!tie()) return;
  sticky_ = dirty_ = true;
  forward_one();
  show_state();
}

// Replication and the debugger of scripts speak a protocol of their own until the connection ends.
void Session::relay_raw() {
  dirty_ = relay_ = true;
  pinned_->start_raw_relay();
  pinned_->forward(command_bytes(), 0, false);
  show_state();
}

// The client is a subscriber or a monitor: Redis judges what it may send. Whether it ceases to be
// one, only Redis can tell, so it is asked after each command that could end it.
void Session::dispatch_relayed() {
  const CommandKind kind = classify(parser_.args()[0]);
  if (monitor_ && (kind == CommandKind::kAuth || kind == CommandKind::kHello)) {
    // Redis would carry it out: passwords of its own could be guessed past the throttle.
    refuse_relayed();
    return;
  }
  pinned_->forward(command_bytes(), 0, false);
  if (pinned_->relays_raw()) return;
  const bool subscribes = kind == CommandKind::kSubscribe;
  if (subscribes || kind == CommandKind::kUnsubscribe) count_subscriptions(subscribes);
  const bool may_end =
      kind == CommandKind::kReset || (kind == CommandKind::kUnsubscribe && !monitor_);
  if (!may_end) return;
  relay_ending_ = true;
  pinned_->ask_whether_relay_ended();
}

void Session::relay_ended() {
  relay_ending_ = false;
  output_.append(std::exchange(relay_refusal_, {}));
  if (pinned_->still_relaying()) return reply_later();
  relay_ = monitor_ = false;
  if (pinned_->was_reset()) forget_state();
  subscribed_ = subscribed_ && client_->protocol.load() == 3;
  // In RESP3, with tracking, or watching, the connection is still the client's.
  if (!stateful()) untie(false);
  show_state();
  use_shared_pipe();
  reply_later();
}

bool Session::tie(int64_t database) {
  if (pinned_) return true;
  auto pinned = worker_.pinned_pool().acquire(client_->protocol.load(), database, *this);
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
  worker_.pinned_pool().give_back(std::move(pinned_), clean && !dirty_ && unblocks_ == 0);
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

// As far as the commands tell; Redis's replies are not read for it.
void Session::count_subscriptions(bool more) {
  const Args args = parser_.args();
  const std::string name = resp::lower(args[0]);
  const bool shard = name.starts_with("ss") || name.starts_with("sun");
  auto& count = client_->subscriptions[name[0] == 'p' ? 1 : shard ? 2 : 0];
  const auto named = static_cast<int64_t>(args.size()) - 1;
  if (more) count += named;
  else count = named == 0 ? 0 : std::max<int64_t>(count - named, 0);
}

void Session::show_state() {
  const bool subscriber = relay_ || subscribed_;
  if (!subscriber) {
    for (auto& count : client_->subscriptions) count = 0;
  }
  if (!in_multi()) client_->queued = -1;
  client_->flag = in_multi() ? 'x' : blocked_ ? 'b' : !subscriber ? 'N' : monitor_ ? 'O' : 'P';
}

}  // namespace sluice::proxy::front
