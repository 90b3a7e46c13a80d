// CLIENT in a session: what needs the session itself, another session, or Redis.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "proxy/front/args.h"
#include "proxy/front/session.h"
#include "resp/names.h"
#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

std::string integer(int64_t value) {
  std::string reply;
  resp::append_integer(reply, value);
  return reply;
}

// The index of the id behind REDIRECT among the arguments of CLIENT TRACKING; 0: there is none.
size_t redirect_argument(Args args) {
  for (size_t i = 3; i + 1 < args.size(); ++i) {
    if (is(args[i], "prefix")) ++i;
    else if (is(args[i], "redirect")) return i + 1;
  }
  return 0;
}

struct UnblockRequest {
  int64_t id = 0;
  bool with_error = false;
};

// CLIENT UNBLOCK id [TIMEOUT|ERROR], which the server has found right.
UnblockRequest parse_unblock(Args args) {
  UnblockRequest request;
  static_cast<void>(resp::parse_strict_integer(args[2], request.id));
  request.with_error = args.size() > 3 && is(args[3], "error");
  return request;
}

}  // namespace

bool Session::on_client() {
  const Args args = parser_.args();
  switch (client_place(args)) {
    case ClientPlace::kReply:
    case ClientPlace::kHere:
    case ClientPlace::kPause:
    case ClientPlace::kUnblock: return on_own_client();
    case ClientPlace::kTracking: return on_tracking();
    case ClientPlace::kRedis: forward_about_tracking(); return true;
    case ClientPlace::kWrong: forward_one(); return true;
    case ClientPlace::kUnknown: break;
  }
  // It may leave state behind: on a connection that nobody uses afterwards.
  if (!tie()) return true;
  dirty_ = settling_ = true;
  forward_one(subcommand_is("capa") ? capa_change(args) : nullptr);
  return true;
}

// What the client can do is for LIST to show; the connection that the server was told of is closed.
ReplyQueue::Rewrite Session::capa_change(Args args) {
  const bool redirects = std::any_of(args.begin() + 2, args.end(),
                                     [](std::string_view arg) { return is(arg, "redirect"); });
  return [this, redirects](std::string_view reply) {
    if (redirects && reply.starts_with("+OK")) client_->redirects = true;
    return std::string(reply);
  };
}

// The subcommands that are carried out here, if the server finds them right. False: not yet.
bool Session::on_own_client() {
  const Args args = parser_.args();
  if ((is(args[1], "list") || is(args[1], "info")) && !worker_.knows_client_line()) {
    if (!asked({"CLIENT", "INFO"})) return false;
    worker_.learn_client_line(answer_);
  }
  static_cast<void>(worker_.catalog());  // what LIST and PAUSE will want to know
  Inquiry inquiry = client_inquiry(args, worker_.services().clients);
  // Clients can be listed and killed also while Redis is away.
  if (worker_.pipe(2, 0).down() && (is(args[1], "list") || is(args[1], "kill"))) inquiry.clear();
  if (!inquiry.empty() && !asked(inquiry)) return false;
  const std::string server = inquiry.empty() ? "" : std::exchange(answer_, {});
  const std::string error = form_error(args, server);
  if (error.empty() && client_place(args) == ClientPlace::kUnblock) {
    on_unblock();
    return true;
  }
  const std::string reply = error.empty() ? run_client(args, server) : error;
  if (!reply.empty()) local(reply);
  return true;
}

// The error of a subcommand that is answered here, by what the server said to client_inquiry(); ""
// if it was not asked. "" if the subcommand is right.
std::string Session::form_error(Args args, std::string_view server) const {
  const bool old_kill = is(args[1], "kill") && args.size() == 3;  // asks for the words alone
  if (refuses(server) && !old_kill) return std::string(server);
  const bool judged = !server.empty() && !server.starts_with('-');
  if (judged || client_is_right(args)) return "";
  return error_line("ERR Sluice: a word of CLIENT " + std::string(args[1]) +
                    " is wrong, and Redis may not be asked which; see CLIENT HELP");
}

// What is answered here, at once; "" if there is no answer. `server` as above.
std::string Session::run_client(Args args, std::string_view server) {
  const ClientPlace place = client_place(args);
  if (place == ClientPlace::kPause) return run_pause(args);
  if (place == ClientPlace::kUnblock) {
    // In MULTI: what came of it is not known before EXEC is answered.
    const UnblockRequest request = parse_unblock(args);
    const ClientPtr client = worker_.services().clients.find(request.id);
    if (client == nullptr || client->flag.load() != 'b') return integer(0);
    client->unblock(request.with_error, [](bool) {});
    return integer(1);
  }
  if (place != ClientPlace::kReply) {
    LocalReply reply = client_command(args, server, *client_, worker_.services().clients);
    if (reply.close) closing_ = true;
    return std::move(reply.bytes);
  }
  const bool off = is(args[2], "off"), skip = is(args[2], "skip");
  if (off) muted_ = true;
  else if (skip) mute_next_ = !muted_;
  else muted_ = mute_next_ = false;
  return off || skip ? "" : "+OK\r\n";
}

std::string Session::run_pause(Args args) {
  Pause& pause = worker_.services().pause;
  if (is(args[1], "unpause")) {
    pause.end();
    return "+OK\r\n";
  }
  const bool write = args.size() > 3 && is(args[3], "write");
  int64_t ms = 0;
  if (!parse_pause_ms(args[2], ms)) ms = kPauseMsMax;  // the server has found it right
  pause.begin(write ? Pause::Mode::kWrite : Pause::Mode::kAll,
              base::monotonic_us() + ms * 1000);
  return "+OK\r\n";
}

bool Session::held_back_by_pause(CommandKind kind) {
  Pause& pause = worker_.services().pause;
  const bool writes = kind == CommandKind::kExec
                          ? in_multi() && transaction_->may_write(worker_.catalog())
                          : may_write(kind, parser_.args(), worker_.catalog());
  if (!pause.holds(writes, base::monotonic_us())) return false;
  if (!std::exchange(held_, true)) worker_.wait_for_pause(weak_from_this());
  return true;
}

// ---- UNBLOCK.

void Session::on_unblock() {
  const UnblockRequest request = parse_unblock(parser_.args());
  const ClientPtr client = worker_.services().clients.find(request.id);
  if (client == nullptr) return local(integer(0));
  const uint64_t token = queue_.add_ticket(take_muted());
  client->unblock(request.with_error, [self = shared_from_this(), token](bool was_blocked) {
    boost::asio::post(self->worker_.thread().context(),
                      [self, token, was_blocked] { self->deliver(token, integer(was_blocked)); });
  });
}

// By this session, not by the one that asks: until Redis has answered, the connection must not go
// to another client, who would be unblocked in this one's place.
void Session::unblock(bool with_error, std::function<void(bool)> done) {
  if (closed_ || !blocked_ || pinned_ == nullptr) return done(false);
  ++unblocks_;
  const auto ended = [self = shared_from_this(), done](std::string_view reply) {
    --self->unblocks_;
    done(reply == ":1\r\n");
  };
  pinned_->tell_redis_id([this, self = shared_from_this(), with_error, ended](int64_t redis_id) {
    const std::string id = std::to_string(redis_id);
    const std::string_view words[] = {"CLIENT", "UNBLOCK", id, with_error ? "ERROR" : "TIMEOUT"};
    if (redis_id == 0 || !worker_.errands().send(worker_.pipe(2, 0), words, ended)) ended("");
  });
}

// ---- TRACKING.

bool Session::on_tracking() {
  const std::optional<Tracking> tracking = tracking_command();
  if (!tracking) return false;
  if (is(parser_.args()[2], "on") || pinned_ != nullptr) {
    forward_tracking(*tracking);
  } else {  // it changes nothing, or is an error
    const bool same_run = queue_.add_forwarded(1, take_muted());
    send(tracking->command, 1, same_run);
  }
  return true;
}

// As Redis is to get it, where clients have other ids. Null: not yet known.
std::optional<Session::Tracking> Session::tracking_command() {
  const Args args = parser_.args();
  const bool tracks = is(args[1], "tracking");
  const bool on = is(args[2], "on");
  const size_t at = tracks ? redirect_argument(args) : 0;
  int64_t id = 0;
  // An id that is no number is for Redis to refuse.
  if (at == 0 || !resp::parse_strict_integer(args[at], id)) {
    return Tracking{std::string(command_bytes()),
                    !tracks ? client_->redirect.load() : on ? 0 : -1};
  }
  std::vector<std::string_view> words(args.begin(), args.end());
  Tracking tracking{"", on ? id : -1};
  if (!on) {
    // Redis only looks whether there is such a client.
    const auto option = words.begin() + static_cast<ptrdiff_t>(at) - 1;
    if (worker_.services().clients.find(id)) words.erase(option, option + 2);
    else words[at] = "0";
    resp::append_command(tracking.command, words);
    return tracking;
  }
  if (redirect_ == Redirect::kAsked) return std::nullopt;
  if (redirect_ == Redirect::kNone) {
    redirect_redis_id_ = 0;
    if (const ClientPtr target = worker_.services().clients.find(id)) {
      ask_redis_id(*target);
      return std::nullopt;
    }
  }
  redirect_ = Redirect::kNone;
  // Nobody is client 0: Redis says so, unless something else is wrong.
  const std::string redis_id = std::to_string(redirect_redis_id_);
  words[at] = redis_id;
  resp::append_command(tracking.command, words);
  return tracking;
}

void Session::ask_redis_id(const Client& target) {
  redirect_ = Redirect::kAsked;
  target.ask_redis_id([self = shared_from_this()](int64_t redis_id) {
    boost::asio::post(self->worker_.thread().context(), [self, redis_id] {
      if (self->redirect_ != Redirect::kAsked) return;  // its rules have changed meanwhile
      self->redirect_ = Redirect::kAnswered;
      self->redirect_redis_id_ = redis_id;
      self->look_again();
    });
  });
}

// Redis decides; if it agrees, the connection stays the client's own.
void Session::forward_tracking(const Tracking& tracking) {
  if (!tie()) return;
  dirty_ = settling_ = true;
  queue_.add_rewritten(
      [this, redirect = tracking.redirect](std::string_view reply) {
        if (reply.starts_with("+OK")) {
          sticky_ = true;
          client_->redirect = redirect;
        }
        return std::string(reply);
      },
      take_muted());
  send(tracking.command, 1, false);
}

void Session::forward_about_tracking() {
  if (client_->redirect.load() <= 0) return forward_one();
  forward_one([this](std::string_view reply) { return with_own_redirect(reply); });
}

// GETREDIR and TRACKINGINFO name a client as Redis knows it.
std::string Session::with_own_redirect(std::string_view reply) const {
  constexpr std::string_view kField = "redirect\r\n:";
  const int64_t target = client_->redirect.load();
  const size_t field = reply.find(kField);
  const size_t number = field != std::string_view::npos ? field + kField.size()
                        : reply.starts_with(':')        ? 1
                                                        : std::string_view::npos;
  if (target <= 0 || number == std::string_view::npos) return std::string(reply);
  const size_t end = reply.find("\r\n", number);
  return std::string(reply.substr(0, number)) + std::to_string(target) +
         std::string(reply.substr(end));
}

// Somebody's invalidations are to go to this client, so it needs a connection that stays its own;
// it can only take one while no reply is due on another.
void Session::tell_redis_id(std::function<void(int64_t)> told) {
  if (closed_ || closing_) return told(0);
  if (pinned_ == nullptr && !queue_.empty()) {
    wants_redis_id_.push_back(std::move(told));
    return;
  }
  if (pinned_ == nullptr) {
    // Not tie(): who has asked for nothing must not be told that there is no connection left.
    auto own = worker_.pinned_pool().acquire(client_->protocol.load(), database_, *this);
    if (!own) return told(0);
    pinned_ = std::move(*own);
  }
  sticky_ = dirty_ = true;
  pinned_->tell_redis_id(std::move(told));
}

}  // namespace sluice::proxy::front
