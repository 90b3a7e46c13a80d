#include "proxy/front/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "base/clock.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

// Replies that the kernel takes beyond what the client's window has room for: a client that does
// not read shows soon, and costs little.
constexpr int kUnsentMax = 256 * 1024;
// As Redis has it (tcp-keepalive): how long until a client whose machine has gone is noticed.
constexpr int kKeepAliveS = 300;

void set_options(int fd) {  // those of TCP fail harmlessly on a unix socket
  const auto set = [fd](int level, int name, int value) {
    ::setsockopt(fd, level, name, &value, sizeof(value));
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentMax);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveS);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveS / 3);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

// `end`: getsockname or getpeername. "": the connection has gone.
std::string address_text(int fd, int (*end)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage endpoint{};
  socklen_t size = sizeof(endpoint);
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint);
  if (end(fd, reinterpret_cast<sockaddr*>(&endpoint), &size) != 0) return "";
  if (address->sa_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(address);
    const boost::asio::ip::address_v4 ip(ntohl(in->sin_addr.s_addr));
    return ip.to_string() + ":" + std::to_string(ntohs(in->sin_port));
  }
  if (address->sa_family == AF_INET6) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(address);
    boost::asio::ip::address_v6::bytes_type bytes;
    std::copy(std::begin(in->sin6_addr.s6_addr), std::end(in->sin6_addr.s6_addr), bytes.begin());
    return "[" + boost::asio::ip::address_v6(bytes).to_string() +
           "]:" + std::to_string(ntohs(in->sin6_port));
  }
  const auto* un = reinterpret_cast<const sockaddr_un*>(address);
  const bool named = size > offsetof(sockaddr_un, sun_path) && un->sun_path[0] == '/';
  return (named ? std::string(un->sun_path) : std::string("unix")) + ":0";
}

}  // namespace

Session::Session(Worker& worker, Socket socket, const net::TlsContext* tls)
    : TurnTask(upstream::TurnPhase::kReplies),
      worker_(worker),
      socket_(worker.thread().poller(), *this),
      client_(std::make_shared<Client>()),
      parser_(worker.services().limits.request),
      queue_(output_),
      identity_(worker, *client_) {
  boost::system::error_code failed;  // start() sees it
  socket_.open(std::move(socket), failed);
  if (!failed && tls != nullptr) socket_.start_tls(tls->accept(socket_.native_handle()));
}

bool Session::start() {
  client_->fd = socket_.native_handle();
  client_->local_address = address_text(client_->fd, ::getsockname);
  client_->address = address_text(client_->fd, ::getpeername);
  if (client_->address.empty()) return false;  // gone already
  set_options(client_->fd);
  if (client_->address == "unix:0") client_->address = client_->local_address;
  client_->connected_us = base::monotonic_us();
  client_->active_us = client_->connected_us;
  client_->kill = [weak = weak_from_this(), &context = worker_.thread().context()] {
    boost::asio::post(context, [weak] {
      if (auto session = weak.lock()) session->close();
    });
  };
  // What other clients ask of this one is done on its thread.
  const auto on_thread = [weak = weak_from_this(), &context = worker_.thread().context()](
                             auto run, auto otherwise) {
    boost::asio::post(context, [weak, run = std::move(run), otherwise = std::move(otherwise)] {
      if (auto session = weak.lock()) run(*session);
      else otherwise();
    });
  };
  client_->unblock = [on_thread](bool with_error, std::function<void(bool)> done) {
    on_thread([with_error, done](Session& session) { session.unblock(with_error, done); },
              [done] { done(false); });
  };
  client_->ask_redis_id = [on_thread](std::function<void(int64_t)> told) {
    on_thread([told](Session& session) { session.tell_redis_id(told); }, [told] { told(0); });
  };
  Services& services = worker_.services();
  if (services.clients.add(client_) >= services.limits.clients.load(std::memory_order_relaxed)) {
    services.clients.remove(*client_);
    constexpr std::string_view kFull = "-ERR max number of clients reached\r\n";
    boost::system::error_code error;
    // Over TLS nothing can be said before the handshake, as with Redis.
    if (!socket_.encrypted()) socket_.write(kFull.data(), kFull.size(), error);
    return false;
  }
  identity_.become_default();
  use_shared_pipe();
  if (socket_.encrypted()) {
    shake_hands();
  } else {
    note_login();
    arm_read();
  }
  return true;
}

void Session::close() {
  if (closed_) return;
  const auto self = shared_from_this();
  closed_ = true;
  for (auto& told : std::exchange(wants_redis_id_, {})) told(0);
  worker_.thread().forget(*this);
  worker_.patrol().leave(*this);
  worker_.pacer().leave(read_ahead_);
  worker_.abandon(*this);
  if (pinned_) worker_.pinned_pool().give_back(std::move(pinned_), false);
  identity_.close();
  socket_.close();
  Services& services = worker_.services();
  services.clients.remove(*client_);
  if (services.memory.leave(*client_)) tell_cut(CutReason::kMemory);
  worker_.remove(self);
}

std::string Session::describe() const {
  return "client " + std::to_string(client_->id) + " (" + client_->address + ")";
}

// ---- Bytes in.

// Who does not get through it in time is cut, as one who does not log in.
void Session::shake_hands() {
  const auto self = shared_from_this();
  const int64_t limit_us = worker_.services().limits.login_timeout_us.load();
  auto timer = std::make_shared<boost::asio::steady_timer>(worker_.thread().context());
  if (limit_us > 0) {
    timer->expires_after(std::chrono::microseconds(limit_us));
    timer->async_wait([self](const boost::system::error_code& cancelled) {
      if (!cancelled) self->handshake_ended("it took longer than limits.login_timeout");
    });
  }
  socket_.async_handshake([self, timer](const Status& status) {
    timer->cancel();
    self->handshake_ended(status ? "" : status.error().message());
  });
}

void Session::handshake_ended(const std::string& failure) {
  if (closed_) return;
  if (failure.empty()) {
    note_login();
    return arm_read();
  }
  worker_.services().count_failed_handshake();
  spdlog::debug("{} closed: {}", describe(), failure);
  close();
}

bool Session::reads() {
  if (closed_ || closing_ || end_of_input_) return false;
  if (stalled_ && input_.size() >= limits_.read_ahead_max()) return false;
  return !must_wait_for_memory();
}

void Session::arm_read() {
  if (reads()) socket_.wait_read();
}

void Session::stream_ready(bool read, bool write) {
  const auto self = shared_from_this();
  if (write) {
    write_armed_ = false;
    turn_ended();
  }
  if (read) readable();
}

// One piece a turn, so that everybody gets their share.
void Session::readable() {
  if (!reads()) return;  // armed again when it does
  std::string& buffer = worker_.read_buffer();
  boost::system::error_code error;
  const size_t got = socket_.read(buffer.data(), piece(), error);
  if (error == boost::asio::error::would_block) return arm_read();
  if (error == boost::asio::error::eof) return end_of_input();
  if (error) return close();
  client_->active_us.store(worker_.thread().poller().turn_us(), std::memory_order_relaxed);
  Client::count(client_->received_bytes, got);
  take_input({buffer.data(), got});
  arm_read();
}

// Most reads hold whole commands; then nothing is copied but what goes to Redis.
void Session::take_input(std::string_view bytes) {
  if (stalled_) {
    input_.append(bytes);
    const bool full = input_.size() >= limits_.read_ahead_max();
    if (full && limits_.reads_ahead()) worker_.pacer().enter(read_ahead_);
  } else if (input_.empty()) {
    const size_t done = process(bytes);
    input_.append(bytes.substr(done));
    input_processed(done > 0);
  } else {
    input_.append(bytes);
    process_input();
  }
  if (!closed_) check_bounds();
}

void Session::process_input() {
  const size_t done = process(input_);
  input_.erase_front(done);
  input_processed(done > 0);
}

// Replies on their way are still wanted: `printf … | nc` ends its input like this.
void Session::end_of_input() {
  end_of_input_ = true;
  if (blocked_ || relay_) return close();
  reply_later();
}

// Takes whole commands from the front of `data`; returns how many bytes are done with.
size_t Session::process(std::string_view data) {
  size_t done = 0;
  Run run;
  stalled_ = false;
  const size_t window = this->window();
  parser_.set_authenticated(authenticated());
  while (!closing_ && !closed_) {
    if (stalls() || queue_.commands() + run.commands >= window) {
      stalled_ = done < data.size();
      break;
    }
    const auto state = parser_.parse(data.substr(done));
    if (state == resp::RequestParser::State::kNeedMore) {
      const size_t empty_commands = parser_.drop_skipped();
      if (empty_commands > 0) mute_next_ = false;
      done += empty_commands;
      break;
    }
    if (state == resp::RequestParser::State::kError) {
      flush(run);
      queue_.add_local("-" + parser_.error() + "\r\n", take_muted());
      closing_ = true;
      reply_later();
      break;
    }
    // To Redis an empty command, too, is the one that CLIENT REPLY SKIP speaks of.
    if (mute_next_ && parser_.raw().data() != data.data() + done) mute_next_ = false;
    if (!take_command(run)) {
      parser_.next();  // to be read again
      stalled_ = true;
      break;
    }
    if (closed_) break;
    done += parser_.consumed() - large_left_;
    parser_.next();
    if (large_left_ > 0) {
      stalled_ = true;
      break;
    }
  }
  if (!closed_) flush(run);
  return closing_ || closed_ ? data.size() : done;
}

// One more for the run, or what else its kind needs. False: not yet; the command stays.
bool Session::take_command(Run& run) {
  const CommandKind kind = worker_.kind_of(parser_.args()[0]);
  const bool judged = identity_.restricted() || kind == CommandKind::kUnclear;
  const bool refused = judged && !permitted(kind);
  if (!refused && worker_.services().pause.active() && held_back_by_pause(kind)) return false;
  if (in_multi() && !counted_) transaction_->note(kind, parser_.args(), worker_.catalog());
  const bool plain = kind == CommandKind::kForward && !refused && !parser_.is_inline() && !relay_;
  const bool large = plain && parser_.raw().size() > kSharedCommandMax;
  if (plain && !mute_next_ && !large) {
    extend(run);
    return true;
  }
  flush(run);
  client_->last_command.set(parser_.args()[0], first_argument());
  // Counted before it is carried out, as CLIENT INFO shows it.
  if (!counted_) Client::count(client_->commands, 1);
  const bool taken = refused ? refuse(kind) : large ? begin_large() : dispatch(kind);
  counted_ = !taken;
  if (taken) forget_answer();
  if (taken) worker_.services().count(kind, 1);
  parser_.set_authenticated(authenticated());
  return taken;
}

// True while something that was begun must end, or leave room, before the next command.
bool Session::stalls() {
  if (large_left_ > 0) return true;
  if (settling_) {
    if (!queue_.empty()) return true;
    settle();
  }
  if (relay_ending_ || script_ == Script::kLoading) return true;
  if (large_waits_ && !queue_.empty()) return true;
  large_waits_ = false;
  if (!wants_redis_id_.empty()) {
    if (!queue_.empty()) return true;
    for (auto& told : std::exchange(wants_redis_id_, {})) tell_redis_id(std::move(told));
  }
  const Limits& limits = worker_.services().limits;
  if (pending_output() > static_cast<size_t>(limits.output_pause_bytes.load())) return true;
  if (pinned_ ? !pinned_->congested() : !pipe_->congested()) return false;
  if (!std::exchange(waits_for_room_, true)) {
    if (pinned_)
      pinned_->wait_for_room();
    else
      pipe_->wait_for_room(*this);
  }
  return true;
}

// How many commands may be unanswered. Asked once for each piece of input.
size_t Session::window() {
  const int64_t limit =
      worker_.services().limits.commands_in_flight.load(std::memory_order_relaxed);
  const size_t by_size = std::max(kWindowCommandsMin, kWindowBytes / (reply_bytes_mean_ + 1));
  const size_t window = std::min(static_cast<size_t>(limit), by_size);
  // Its own commands since the last time are one handover at most.
  const bool others = pipe_->handovers() - handovers_seen_ > 1;
  handovers_seen_ = pipe_->handovers();
  if (pinned_ || window <= kWindowShared) return window;
  const int64_t now_us = base::monotonic_us();
  if (others) shared_until_us_ = now_us + kSharedForUs;
  return now_us < shared_until_us_ ? kWindowShared : window;
}

void Session::extend(Run& run) {
  const std::string_view raw = parser_.raw();
  const char* begin = run.commands == 0 ? raw.data() : run.bytes.data();
  run.bytes = {begin, static_cast<size_t>(raw.data() + raw.size() - begin)};
  ++run.commands;
  run.last_name = parser_.args()[0];
  run.last_argument = first_argument();
}

void Session::flush(Run& run) {
  if (run.commands == 0) return;
  worker_.services().count(CommandKind::kForward, run.commands);
  Client::count(client_->commands, run.commands);
  if (in_multi()) transaction_->queued(run.commands);
  client_->last_command.set(run.last_name, run.last_argument);
  send(run.bytes, run.commands, queue_.add_forwarded(run.commands, muted_));
  run = {};
}

// ---- Replies.

void Session::reply_bytes(std::string_view bytes, size_t replies) {
  if (relay_)
    output_.append(bytes);
  else
    queue_.forwarded_bytes(bytes, replies);
  const size_t mean = bytes.size() / std::max<size_t>(replies, 1);
  reply_bytes_mean_ = (reply_bytes_mean_ * 3 + mean) / 4;
  output_grew();
}

void Session::replies_lost(size_t replies, bool begun, std::string_view error) {
  if (begun) {
    // The client has part of a reply that cannot be completed: no error can be put behind it.
    spdlog::warn("{} closed: the connection to Redis was lost within a reply", describe());
    return close();
  }
  queue_.fail_forwarded(replies, error);
  output_grew();
}

void Session::push_bytes(std::string_view push) {
  output_.append(push);
  output_grew();
}

void Session::pinned_lost() {
  const bool lost_state = stateful();
  drop_large();
  untie(false);
  sticky_ = relay_ = relay_ending_ = settling_ = blocked_ = subscribed_ = false;
  transaction_.reset();
  client_->redirect = -1;
  client_->watched = 0;
  if (lost_state) closing_ = true;  // the client must know that its state is gone
  show_state();
  reply_later();
}

void Session::upstream_has_room() {
  waits_for_room_ = false;
  reply_later();
}

void Session::deliver(uint64_t token, std::string_view reply) {
  if (closed_) return;
  queue_.fill(token, reply);
  output_grew();
}

void Session::output_grew() {
  const Limits& limits = worker_.services().limits;
  const size_t pending = pending_output();
  if (pending > static_cast<size_t>(limits.output_max_bytes.load(std::memory_order_relaxed)))
    return cut(CutReason::kOutputBytes);
  if (pinned_ && pending > static_cast<size_t>(limits.output_pause_bytes.load()))
    pinned_->pause_reading(true);
  reply_later();
}

void Session::look_again() {
  held_ = false;
  if (!closed_) reply_later();
}

// ---- Bytes out.

void Session::turn_ended() {
  if (closed_) return;
  const auto self = shared_from_this();
  if (large_left_ > 0) send_large();
  else if (settling_ && queue_.empty()) settle();
  if (!wants_redis_id_.empty()) static_cast<void>(stalls());
  write_output();
  if (closed_) return;
  if (stalled_ && !stalls()) process_input();
  if (closed_) return;
  if (output_.size() > written_ && !write_armed_) write_output();
  if (closed_) return;
  const bool answered = queue_.empty() && output_.empty();
  if (answered && !finishing_ && (closing_ || (end_of_input_ && !stalled_))) return close();
  check_bounds();
  arm_read();
}

void Session::write_output() {
  if (write_armed_) return;
  while (written_ < output_.size()) {
    boost::system::error_code error;
    const size_t written =
        socket_.write(output_.data() + written_, output_.size() - written_, error);
    if (error == boost::asio::error::would_block) return arm_write();
    if (error) return close();
    written_ += written;
    Client::count(client_->sent_bytes, written);
    limits_.output_taken();
  }
  output_.clear();
  written_ = 0;
  if (output_.capacity() > kKeptBufferMax) output_.release();
  if (pinned_) pinned_->pause_reading(false);
}

void Session::arm_write() {
  if (written_ > kKeptBufferMax && written_ > output_.size() / 2) {
    output_.erase_front(written_);
    written_ = 0;
  }
  limits_.output_waits();
  worker_.patrol().enter(*this);
  write_armed_ = true;
  socket_.wait_write();
}

}  // namespace sluice::proxy::front
