#include "proxy/upstream/link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <utility>

#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::proxy::upstream {
namespace asio = boost::asio;
namespace {

constexpr size_t kGreetingReplyMax = 1024 * 1024;

int64_t number_in(std::string_view reply) {
  int64_t number = 0;
  const bool integer = reply.size() > 3 && reply[0] == ':' &&
                       resp::parse_strict_integer(reply.substr(1, reply.size() - 3), number);
  return integer ? number : 0;
}

// A machine that has gone silent is given up after `silence_us`, whether bytes are on their way to
// it or replies awaited. That is the kernels' business: a Redis that is busy does not look dead.
void set_options(int socket, int64_t silence_us) {  // all of them fail harmlessly on a unix socket
  const auto set = [socket](int level, int name, int value) {
    ::setsockopt(socket, level, name, &value, sizeof(value));
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  const auto silence_s = static_cast<int>(std::max<int64_t>(silence_us / 1'000'000, 1));
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, silence_s);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(silence_us / 1000));
}

// Errors that are no reason to stay away: what they mean for each command, its client will be told
// by Redis itself.
bool speaks_of_the_server(std::string_view error) {
  for (std::string_view prefix : {"-LOADING ", "-BUSY ", "-MISCONF ", "-MASTERDOWN "}) {
    if (error.starts_with(prefix)) return true;
  }
  return false;
}

// Of the probe: a PING or a CLIENT ID that the proxy's user may not run, or that was renamed.
bool denies_the_command(std::string_view error) {
  return error.starts_with("-NOPERM ") || error.starts_with("-ERR unknown command ");
}

}  // namespace

std::string login_refusal(std::string_view error) {
  return std::string(error.substr(0, error.find(", with args beginning with")));
}

Link::Link(IoThread& thread, const Endpoint& endpoint, std::string& scratch, LinkEvents& events)
    : TurnTask(TurnPhase::kRequests),
      thread_(thread),
      endpoint_(endpoint),
      scratch_(scratch),
      events_(events),
      stream_(thread.poller(), *this) {}

Link::~Link() { close(); }

void Link::open(const LinkSetup& setup) {
  close();
  setup_ = setup;
  phase_ = Phase::kConnecting;
  auto& context = thread_.context();
  attempt_ = AttemptPtr(new Attempt{this, asio::ip::tcp::resolver(context),
                                    net::Stream::Socket(context),
                                    asio::steady_timer(context), {}});
  attempt_->timer.expires_after(std::chrono::microseconds(endpoint_.connect_timeout_us));
  attempt_->timer.async_wait([attempt = attempt_](const boost::system::error_code& error) {
    if (error || attempt->link == nullptr || attempt->link->ready()) return;
    const bool tls =
        attempt->link->stream_.encrypted() && attempt->link->phase_ == Phase::kConnecting;
    attempt->link->fail(tls ? "no answer to the TLS handshake within the time limit; does it speak "
                              "TLS at this port?"
                            : "no answer within the time limit");
  });
  resolve(attempt_);
}

void Link::close() {
  thread_.forget(*this);
  phase_ = Phase::kClosed;
  out_.clear();
  sent_ = 0;
  congested_ = paused_ = false;
  greeting_scanner_.reset();
  greeting_reply_.clear();
  redis_id_ = 0;
  stream_.close();
  if (!attempt_) return;
  attempt_->link = nullptr;
  attempt_->timer.cancel();
  attempt_->resolver.cancel();
  boost::system::error_code ignored;
  attempt_->socket.close(ignored);
  attempt_.reset();
}

void Link::fail(std::string reason) {
  close();
  events_.link_closed(reason);
}

void Link::resolve(AttemptPtr attempt) {
  if (endpoint_.host.starts_with('/')) {
    attempt->addresses.emplace_back(asio::local::stream_protocol::endpoint(endpoint_.host));
    // Posted, so that a failure is not told from inside open().
    asio::post(thread_.context(), [attempt] {
      if (attempt->link) attempt->link->connect_next(attempt, "no address");
    });
    return;
  }
  attempt->resolver.async_resolve(
      endpoint_.host, std::to_string(endpoint_.port),
      [attempt](const boost::system::error_code& error, const auto& results) {
        if (attempt->link == nullptr) return;
        if (error) return attempt->link->fail(error.message());
        for (const auto& result : results) attempt->addresses.emplace_back(result.endpoint());
        attempt->link->connect_next(attempt, "the name has no address");
      });
}

void Link::connect_next(AttemptPtr attempt, std::string reason) {
  if (attempt->next_address == attempt->addresses.size()) return fail(std::move(reason));
  const auto& address = attempt->addresses[attempt->next_address++];
  boost::system::error_code ignored;
  attempt->socket.close(ignored);
  attempt->socket.async_connect(address, [attempt](const boost::system::error_code& error) {
    if (attempt->link == nullptr) return;
    if (error) return attempt->link->connect_next(attempt, error.message());
    attempt->link->connected();
  });
}

void Link::connected() {
  boost::system::error_code failed;
  stream_.open(std::move(attempt_->socket), failed);
  if (failed) return fail(failed.message());
  const int socket = stream_.native_handle();
  set_options(socket, endpoint_.reply_timeout_us);
  if (!endpoint_.tls) return start_handshake();
  stream_.start_tls(endpoint_.tls->connect(socket, endpoint_.host));
  stream_.async_handshake([this](const Status& status) {
    if (!status) return fail(status.error().message());
    start_handshake();
  });
}

void Link::start_handshake() {
  phase_ = Phase::kHandshake;
  greeting_.clear();
  greeting_sent_ = greeting_replies_ = 0;
  const auto greet = [this](std::vector<std::string_view> args) {
    resp::append_command(greeting_, args);
    ++greeting_replies_;
  };
  // Not a conditional expression of a literal and a string: that would be a temporary.
  std::string_view user = "default";
  if (!endpoint_.username.empty()) user = endpoint_.username;
  const std::string password = endpoint_.password();
  const bool login = !password.empty();
  if (setup_.protocol == 3) {
    if (login) greet({"HELLO", "3", "AUTH", user, password});
    else greet({"HELLO", "3"});
  } else if (login && endpoint_.username.empty()) {
    greet({"AUTH", password});
  } else if (login) {
    greet({"AUTH", user, password});
  }
  if (setup_.database != 0) greet({"SELECT", std::to_string(setup_.database)});
  // Always one, so that a full backlog or a client limit of Redis shows before commands are sent.
  greeting_ends_with_probe_ = setup_.learn_id || greeting_replies_ == 0;
  if (setup_.learn_id) greet({"CLIENT", "ID"});
  else if (greeting_replies_ == 0) greet({"PING"});
  arm_read();
  flush();
}

void Link::handshake_bytes(std::string_view bytes) {
  while (!bytes.empty() && phase_ == Phase::kHandshake) {
    const auto slice = greeting_scanner_.scan(bytes, 1);
    if (slice.broken || greeting_reply_.size() + slice.bytes > kGreetingReplyMax)
      return fail("its answer is not the Redis protocol");
    greeting_reply_.append(bytes.substr(0, slice.bytes));
    bytes.remove_prefix(slice.bytes);
    if (slice.replies == 0 || slice.push) continue;
    const std::string reply = std::exchange(greeting_reply_, {});
    handshake_reply(reply);
  }
  if (!bytes.empty() && phase_ == Phase::kReady) events_.link_bytes(bytes);
}

void Link::handshake_reply(std::string_view reply) {
  const bool probe = greeting_ends_with_probe_ && greeting_replies_ == 1;
  const bool server_speaks = speaks_of_the_server(reply);
  // To HELLO or SELECT: what follows could not run, and Redis's own words say why.
  if (server_speaks && !probe) return fail(std::string(reply.substr(0, reply.size() - 2)));
  if (reply[0] == '-' && !server_speaks && !(probe && denies_the_command(reply))) {
    endpoint_.password_refused();
    return fail(
        "it refused the proxy's login: " + login_refusal(reply.substr(1, reply.size() - 3)) +
        " (see redis.username and redis.password_file)");
  }
  if (setup_.learn_id && probe) redis_id_ = number_in(reply);
  if (--greeting_replies_ > 0) return;
  phase_ = Phase::kReady;
  attempt_->timer.cancel();
  if (!out_.empty()) flush_later();
  events_.link_ready();
}

void Link::pause_reading(bool paused) {
  if (paused_ == paused || !attempt_) return;
  paused_ = paused;
  if (!paused_ && phase_ >= Phase::kHandshake) arm_read();
}

void Link::arm_read() {
  if (!paused_) stream_.wait_read();
}

void Link::stream_ready(bool read, bool write) {
  if (write) flush();
  if (read && stream_.is_open()) readable();
}

void Link::readable() {
  if (paused_) return;
  boost::system::error_code error;
  const size_t got = stream_.read(scratch_.data(), scratch_.size(), error);
  if (error == asio::error::would_block) return arm_read();
  if (error == asio::error::eof) return fail("Redis closed the connection");
  if (error) return fail(error.message());
  const AttemptPtr attempt = attempt_;  // a callback may close or replace the connection
  const std::string_view bytes(scratch_.data(), got);
  if (phase_ == Phase::kHandshake)
    handshake_bytes(bytes);
  else
    events_.link_bytes(bytes);
  if (attempt->link != nullptr) attempt->link->arm_read();
}

void Link::flush() {
  if (phase_ != Phase::kReady && phase_ != Phase::kHandshake) return update_congestion();
  const bool greeting = phase_ == Phase::kHandshake;
  const std::string& bytes = greeting ? greeting_ : out_;
  size_t& sent = greeting ? greeting_sent_ : sent_;
  boost::system::error_code error;
  while (sent < bytes.size() && !error)
    sent += stream_.write(bytes.data() + sent, bytes.size() - sent, error);
  // Other errors show when reading, after the replies that are already on their way.
  if (error == asio::error::would_block) stream_.wait_write();
  if (!greeting && sent_ == out_.size()) {
    if (out_.capacity() > kUnsentMax) std::string().swap(out_);
    out_.clear();
    sent_ = 0;
  } else if (!greeting && sent_ > kReadBytes && sent_ > out_.size() / 2) {
    out_.erase(0, sent_);
    sent_ = 0;
  }
  update_congestion();
}

void Link::update_congestion() {
  const size_t unsent = out_.size() - sent_;
  if (unsent > kUnsentMax) {
    congested_ = true;
  } else if (congested_ && unsent < kUnsentMax / 2) {
    congested_ = false;
    events_.link_has_room();
  }
}

}  // namespace sluice::proxy::upstream
