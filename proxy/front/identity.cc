#include "proxy/front/identity.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/clock.h"
#include "proxy/front/worker.h"

namespace sluice::proxy::front {

void Identity::become(UserPtr user, bool authenticated) {
  user_ = std::move(user);
  authenticated_ = authenticated;
  permission_ = worker_.access().permission(user_);
  restricted_ = !authenticated_ || permission_ != nullptr;
  worker_.services().clients.set_user(client_, user_->name);
}

void Identity::become_default() {
  if (worker_.access().directory() == nullptr) return;
  UserPtr user = worker_.access().users().default_user();
  const bool open = user->enabled && user->no_password;
  become(std::move(user), open);
}

Identity::Change Identity::access_changed(bool stateful) {
  if (user_ == nullptr) return Change::kNone;
  const UserPtr now = worker_.access().users().find(user_->name);
  const bool was_open = user_->no_password;
  if (!authenticated_) {
    become_default();
  } else if (now == nullptr || !now->enabled || (was_open && !now->no_password)) {
    return Change::kLockedOut;
  } else if (stateful && !same_rules(*user_, *now)) {
    return Change::kOtherRules;
  } else {
    become(now, true);
  }
  return Change::kNone;
}

bool Identity::permits(CommandKind kind, Args args, std::span<const int64_t> databases) {
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
                     : unknown_command(args);
      return false;
    default:
      break;
  }
  if (kind == CommandKind::kSale) {
    refusal_ =
        front::refusal(*sale::find_command(args[0]), permission_.get(), authenticated_, args);
    return refusal_.empty();
  }
  const upstream::CommandCatalog* catalog = worker_.catalog();
  if (catalog == nullptr) {
    refusal_ = why_unknown();
    return false;
  }
  for (const int64_t database : databases) {
    refusal_ = front::refusal(*catalog, permission_.get(), authenticated_, args, database);
    if (!refusal_.empty()) break;
  }
  return refusal_.empty();
}

// While the commands of Redis are not known; "": they soon will be.
std::string Identity::why_unknown() const {
  if (!authenticated_) return std::string(kNotAuthenticated);
  const upstream::Pipe& redis = worker_.pipe(2, 0);
  if (redis.down()) return redis.down_error().substr(1, redis.down_error().size() - 3);
  const std::string& error = worker_.access().catalog_error();
  if (error.empty()) return "";
  return "ERR Sluice: the commands of Redis are not known, so it cannot be told whether you may "
         "run "
         "this one: " +
         error;
}

bool Identity::login_turn_has_come(std::function<void()> come) {
  UserDirectory* directory = worker_.access().directory();
  if (directory == nullptr) return true;
  if (turn_ != Turn::kNone) return turn_ != Turn::kWaiting;
  const auto wait_us = directory->throttle().admit_us(client_.address, base::monotonic_us());
  if (!wait_us || *wait_us == 0) {
    turn_ = wait_us ? Turn::kCome : Turn::kRefused;
    return true;
  }
  turn_ = Turn::kWaiting;
  timer_ = std::make_unique<boost::asio::steady_timer>(worker_.thread().context());
  timer_->expires_after(std::chrono::microseconds(*wait_us));
  timer_->async_wait([come = std::move(come)](const boost::system::error_code& error) {
    if (!error) come();
  });
  return false;
}

void Identity::login_turn_came() {
  turn_ = Turn::kCome;
  timer_.reset();
}

std::string Identity::log_in(std::string_view name, std::string_view password) {
  UserDirectory* directory = worker_.access().directory();
  Turn turn = std::exchange(turn_, Turn::kNone);
  if (turn == Turn::kNone) {
    // Within EXEC, which cannot wait.
    const auto wait_us = directory->throttle().admit_us(client_.address, base::monotonic_us());
    turn = wait_us == 0 ? Turn::kCome : Turn::kRefused;
  }
  if (turn == Turn::kRefused)
    return "ERR Sluice: too many failed logins from your address; retry later";
  UserPtr user = worker_.access().users().find(name);
  if (password_fits(user.get(), password)) {
    become(std::move(user), true);
    return "";
  }
  const int64_t failures = directory->throttle().failed(client_.address, base::monotonic_us());
  // At 1, 2, 4, 8, …; never the name, which may be a password in the wrong place.
  if ((failures & (failures - 1)) == 0)
    spdlog::warn("client {} ({}) failed to log in; failures of its address: {}", client_.id,
                 client_.address, failures);
  return "WRONGPASS invalid username-password pair or user is disabled.";
}

bool Identity::default_needs_password() const {
  return !worker_.access().users().default_user()->no_password;
}

}  // namespace sluice::proxy::front
