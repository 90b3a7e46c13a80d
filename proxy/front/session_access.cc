// Session: who the client is, and whether it may run what it sends.
#include <spdlog/spdlog.h>

#include <utility>

#include "base/clock.h"
#include "proxy/front/session.h"
#include "resp/names.h"

namespace sluice::proxy::front {

void Session::become(UserPtr user, bool authenticated) {
  user_ = std::move(user);
  authenticated_ = authenticated;
  permission_ = worker_.access().permission(user_);
  restricted_ = !authenticated_ || permission_ != nullptr;
  worker_.services().clients.set_user(*client_, user_->name);
}

// What a client is before it says who it is; with no users configured, anybody.
void Session::become_default() {
  if (worker_.access().directory() == nullptr) return;
  UserPtr user = worker_.access().users().default_user();
  const bool open = user->enabled && user->no_password;
  become(std::move(user), open);
}

// The rules or the commands have changed.
void Session::access_changed() {
  if (closed_ || user_ == nullptr) return;
  const UserPtr now = worker_.access().users().find(user_->name);
  const bool was_open = user_->no_password;
  if (!authenticated_) {
    become_default();
  } else if (now == nullptr || !now->enabled || (was_open && !now->no_password)) {
    spdlog::info("{} closed: its user may not log in any more", describe());
    return close();
  } else if (stateful() && !same_rules(*user_, *now)) {
    // What it has queued or subscribed to was judged by the old rules.
    spdlog::info("{} closed: the rules of its user have changed", describe());
    return close();
  } else {
    become(now, true);
  }
  if (stalled_) reply_later();
}

// Only asked of clients that may not run everything, and of kUnclear. False: refusal_ says why; or
// if that is empty, it cannot be told yet.
bool Session::permitted(CommandKind kind) {
  refusal_.clear();
  switch (kind) {
    case CommandKind::kHttp:
    case CommandKind::kQuit:
    case CommandKind::kAuth:
    case CommandKind::kHello:
    case CommandKind::kReset:
      return true;
    case CommandKind::kUnclear:
      refusal_ = !authenticated_ && worker_.access().server_users().login_comes_first
                     ? std::string(kNotAuthenticated)
                     : unknown_command(parser_.args());
      return false;
    default:
      break;
  }
  const Args args = parser_.args();
  if (kind == CommandKind::kSale) {
    refusal_ = refusal(*sale::find_command(args[0]), permission_.get(), authenticated_, args);
    return refusal_.empty();
  }
  const Access& access = worker_.access();
  if (const upstream::CommandCatalog* catalog = worker_.catalog()) {
    for (const int64_t database : judged_databases()) {
      refusal_ = refusal(*catalog, permission_.get(), authenticated_, args, database);
      if (!refusal_.empty()) break;
    }
    return refusal_.empty();
  }
  const upstream::Pipe& redis = worker_.pipe(2, 0);
  if (!authenticated_) {
    refusal_ = kNotAuthenticated;
  } else if (redis.down()) {
    refusal_ = redis.down_error().substr(1, redis.down_error().size() - 3);
  } else if (!access.catalog_error().empty()) {
    refusal_ =
        "ERR Sluice: the commands of Redis are not known, so it cannot be told whether you "
        "may run this one: " +
        access.catalog_error();
  }
  return false;
}

// Answers a command that is not permitted. False: it must wait until the commands are known.
bool Session::refuse(CommandKind kind) {
  if (refusal_.empty()) {
    worker_.pipe(2, 0).wait_for_room(*this);  // told as well if Redis cannot be reached
    return false;
  }
  redirect_ = Redirect::kNone;  // a CLIENT TRACKING that waited for an answer is dropped
  forget_answer();              // so is what the server was asked about
  if (relay_) return refuse_relayed();
  if (sticky_ && !in_multi() && !pushes_are_through()) return false;
  if (kind == CommandKind::kExec) {
    abort_transaction(error_line("EXECABORT Transaction discarded because of: " + refusal_));
    return true;
  }
  if (in_multi()) transaction_->refuse();
  local(error_line(refusal_));
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
  relay_refusal_ = error_line(refusal_);
  relay_ending_ = true;
  pinned_->ask_whether_relay_ended();
  return true;
}

// ---- Logging in.

// Whether an attempt to log in may be judged now; if not, the command stays until its turn.
bool Session::login_turn_has_come() {
  UserDirectory* directory = worker_.access().directory();
  if (directory == nullptr) return true;
  if (login_turn_ != LoginTurn::kNone) return login_turn_ != LoginTurn::kWaiting;
  const auto wait_us = directory->throttle().admit_us(client_->address, base::monotonic_us());
  if (!wait_us) {
    login_turn_ = LoginTurn::kRefused;
    return true;
  }
  if (*wait_us == 0) {
    login_turn_ = LoginTurn::kCome;
    return true;
  }
  login_turn_ = LoginTurn::kWaiting;
  login_timer_ = std::make_unique<boost::asio::steady_timer>(worker_.thread().context());
  login_timer_->expires_after(std::chrono::microseconds(*wait_us));
  login_timer_->async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr || self->closed_) return;
    self->login_turn_ = LoginTurn::kCome;
    self->login_timer_.reset();
    self->reply_later();
  });
  return false;
}

std::string Session::log_in(std::string_view name, std::string_view password) {
  UserDirectory* directory = worker_.access().directory();
  LoginTurn turn = std::exchange(login_turn_, LoginTurn::kNone);
  if (turn == LoginTurn::kNone) {
    // Within EXEC, which cannot wait.
    const auto wait_us = directory->throttle().admit_us(client_->address, base::monotonic_us());
    turn = wait_us == 0 ? LoginTurn::kCome : LoginTurn::kRefused;
  }
  if (turn == LoginTurn::kRefused)
    return "ERR Sluice: too many failed logins from your address; retry later";
  UserPtr user = worker_.access().users().find(name);
  if (password_fits(user.get(), password)) {
    become(std::move(user), true);
    return "";
  }
  const int64_t failures = directory->throttle().failed(client_->address, base::monotonic_us());
  // At 1, 2, 4, 8, …; never the name, which may be a password in the wrong place.
  if ((failures & (failures - 1)) == 0)
    spdlog::warn("{} failed to log in; failures of its address: {}", describe(), failures);
  return "WRONGPASS invalid username-password pair or user is disabled.";
}

bool Session::default_needs_password() const {
  return !worker_.access().users().default_user()->no_password;
}

// False: it must wait for its turn.
bool Session::on_auth() {
  if (parser_.args().size() == 1) {
    forward_one();  // Redis says why not
    return true;
  }
  if (parser_.args().size() > 3) return refused_by_server(auth_inquiry());
  if (!login_turn_has_come()) return false;
  local(auth(parser_.args(), login_port()));
  login_turn_ = LoginTurn::kNone;
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
    return acl_command(args, access, {user_->name, client_->protocol.load(),
                                       judged_databases().back()});
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
