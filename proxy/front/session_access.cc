// Session: what becomes of commands that the client may not run, and of its logins.
#include <spdlog/spdlog.h>

#include <utility>

#include "base/clock.h"
#include "proxy/front/session.h"
#include "resp/names.h"

namespace sluice::proxy::front {

// The rules or the commands have changed.
void Session::access_changed() {
  if (closed_) return;
  switch (identity_.access_changed(stateful())) {
    case Identity::Change::kNone:
      break;
    case Identity::Change::kLockedOut:
      spdlog::info("{} closed: its user may not log in any more", describe());
      return close();
    case Identity::Change::kOtherRules:
      spdlog::info("{} closed: the rules of its user have changed", describe());
      return close();
  }
  if (stalled_) reply_later();
}

// Answers a command that is not permitted. False: it must wait until the commands are known.
bool Session::refuse(CommandKind kind) {
  if (identity_.refusal().empty()) {
    worker_.pipe(2, 0).wait_for_room(*this);  // told as well if Redis cannot be reached
    return false;
  }
  redirect_ = Redirect::kNone;  // a CLIENT TRACKING that waited for an answer is dropped
  forget_answer();              // so is what the server was asked about
  if (relay_) return refuse_relayed();
  if (sticky_ && !in_multi() && !pushes_are_through()) return false;
  if (kind == CommandKind::kExec) {
    abort_transaction(
        error_line("EXECABORT Transaction discarded because of: " + identity_.refusal()));
    return true;
  }
  if (in_multi()) transaction_->refuse();
  local(error_line(identity_.refusal()));
  return true;
}

void Session::abort_transaction(std::string error) {
  if (!in_multi()) return local(error);
  queue_.add_rewritten([error = std::move(error)](std::string_view) { return error; },
                       take_muted());
  send("*1\r\n$7\r\nDISCARD\r\n", 1, false);
  end_multi();
}

// Between the bytes that Redis sends to a subscriber an error fits only where a message has ended
// and all earlier commands are answered: behind the answer to a question.
bool Session::refuse_relayed() {
  if (monitor_ || pinned_->relays_raw()) {
    spdlog::info("{} closed: it may not send what it sent while it was relayed", describe());
    close();
    return true;
  }
  relay_refusal_ = error_line(identity_.refusal());
  relay_ending_ = true;
  pinned_->ask_whether_relay_ended();
  return true;
}

// ---- Logging in.

// Whether an attempt to log in may be judged now; if not, the command stays until its turn.
bool Session::login_turn_has_come() {
  return identity_.login_turn_has_come([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || self->closed_) return;
    self->identity_.login_turn_came();
    self->reply_later();
  });
}

// False: it must wait for its turn.
bool Session::on_auth() {
  if (parser_.args().size() == 1) {
    forward_one();  // Redis says why not
    return true;
  }
  if (parser_.args().size() > 3) return refused_by_server(auth_inquiry());
  if (!login_turn_has_come()) return false;
  local(auth(parser_.args(), identity_.login_port()));
  identity_.login_is_over();
  return true;
}

void Session::on_acl() {
  const AclAnswer answer = run_acl(parser_.args());
  if (answer.place == AclAnswer::Place::kHere) return local(answer.bytes);
  if (answer.bytes.empty()) return forward_one(answer.rewrite);
  send(answer.bytes, 1, queue_.add_forwarded(1, take_muted()));
}

AclAnswer Session::run_acl(Args args) {
  const Access& access = worker_.access();
  if (access.directory() != nullptr)
    return acl_command(
        args, access,
        {identity_.user()->name, client_->protocol.load(), judged_databases().back()});
  const bool whoami = args.size() == 2 && resp::equals_ignoring_case(args[1], "whoami");
  if (whoami) return {AclAnswer::Place::kHere, "$7\r\ndefault\r\n", nullptr};
  return {AclAnswer::Place::kServer, "", nullptr};
}

// The databases that the command at hand may run in.
std::span<const int64_t> Session::judged_databases() const {
  if (in_multi() && !transaction_->databases().empty()) return transaction_->databases();
  return {&database_, 1};
}

}  // namespace sluice::proxy::front
