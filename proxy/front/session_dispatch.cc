// Session: which commands are more than bytes for the shared connection, and the ways out for all
// of them. What the kinds do is in session_connection.cc and session_tied.cc.
#include <spdlog/spdlog.h>

#include <utility>

#include "proxy/front/session.h"
#include "resp/names.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

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
    case CommandKind::kHttp:
      spdlog::warn("{} closed: it speaks HTTP; perhaps a browser was made to attack Redis",
                   describe());
      close();
      return true;
    default: return dispatch_tied(kind);
  }
}

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
    case CommandKind::kHttp: close(); return true;
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

void Session::on_sale() {
  const uint64_t token = queue_.add_ticket(take_muted());
  worker_.services().flow.execute(parser_.args(), worker_.thread().index(), shared_from_this(),
                                  token);
}

void Session::local(std::string_view reply) {
  queue_.add_local(reply, take_muted());
  reply_later();
}

bool Session::take_muted() {
  const bool next = std::exchange(mute_next_, false);
  return muted_ || next;
}

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
