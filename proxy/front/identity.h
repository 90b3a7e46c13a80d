// Who a client is, what it may run, and when it may try to log in.
//
// Without configured users everybody is authenticated and may do everything. The session's I/O
// thread only.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proxy/front/clients.h"
#include "proxy/front/command_table.h"
#include "proxy/front/connection_commands.h"
#include "proxy/front/permission.h"
#include "proxy/front/users.h"

namespace sluice::proxy::front {

class Worker;

class Identity final : public LoginPort {
 public:
  Identity(Worker& worker, Client& client) : worker_(worker), client_(client) {}

  bool authenticated() const override { return authenticated_; }
  // Not everything is allowed, or not yet: each command is to be judged.
  bool restricted() const { return restricted_; }
  // Null: no users are configured.
  const User* user() const { return user_.get(); }

  // What a client is before it says who it is.
  void become_default();

  // The rules or the commands of Redis have changed; what has become of the client.
  enum class Change {
    kNone,        // it goes on, by the rules of now
    kLockedOut,   // its user may not log in any more
    kOtherRules,  // what it has queued or subscribed to (`stateful`) was judged by other ones
  };
  Change access_changed(bool stateful);

  // Whether this command may run in each of the databases. False: refusal() says why not, or if
  // that is empty, it cannot be told yet.
  bool permits(CommandKind kind, Args args, std::span<const int64_t> databases);
  const std::string& refusal() const { return refusal_; }

  // Null: no users are configured.
  LoginPort* login_port() { return user_ == nullptr ? nullptr : this; }
  // Whether an attempt to log in may be judged now; else `come` is called once its turn has, and is
  // to call login_turn_came(), unless the client has gone meanwhile.
  bool login_turn_has_come(std::function<void()> come);
  void login_turn_came();
  void login_is_over() { turn_ = Turn::kNone; }
  std::string log_in(std::string_view name, std::string_view password) override;
  bool default_needs_password() const override;
  void close() { timer_.reset(); }

 private:
  enum class Turn { kNone, kWaiting, kCome, kRefused };

  void become(UserPtr user, bool authenticated);
  std::string why_unknown() const;

  Worker& worker_;
  Client& client_;
  UserPtr user_;
  std::shared_ptr<const Permission> permission_;  // null: everything
  bool authenticated_ = true;
  bool restricted_ = false;
  std::string refusal_;  // why the command at hand is not permitted
  Turn turn_ = Turn::kNone;
  std::unique_ptr<boost::asio::steady_timer> timer_;  // while kWaiting
};

}  // namespace sluice::proxy::front
