#include "proxy/upstream/redis_client.h"

#include <boost/asio/local/stream_protocol.hpp>

#include "base/clock.h"
#include "base/units.h"
#include "resp/writer.h"

namespace sluice::proxy::upstream {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kInputBytes = 64 << 10;
// Of requests that have gone out, beside as many bytes that have not.
constexpr size_t kSentKeptMax = 64 << 10;

}  // namespace

std::string_view Reply::text() const {
  switch (reply_->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
      return {reply_->str, reply_->len};
    default:
      return {};
  }
}

RedisClient::RedisClient(IoThread& thread, Endpoint endpoint)
    : TurnTask(TurnPhase::kRequests),
      thread_(thread),
      endpoint_(std::move(endpoint)),
      connecting_(thread.context()),
      stream_(thread.poller(), *this),
      resolver_(thread.context()),
      timer_(thread.context()),
      watchdog_(thread.context()),
      reader_(redisReaderCreate(), redisReaderFree),
      input_(kInputBytes),
      delay_us_(endpoint_.reconnect_delay_us) {}

RedisClient::~RedisClient() { thread_.forget(*this); }

void RedisClient::start(Events events) {
  events_ = std::move(events);
  connect();
  watch();
}

// A server that is stopped or cut off without a word keeps its connections open for hours.
void RedisClient::watch() {
  watchdog_.expires_after(std::chrono::milliseconds(250));
  watchdog_.async_wait([this](error_code failure) {
    if (failure) return;
    if (!waiting_.empty() && base::monotonic_us() - progress_us_ > endpoint_.reply_timeout_us) {
      lost(Error(ErrorClass::kUnavailable,
                 "no reply for " + base::format_duration_us(endpoint_.reply_timeout_us)));
    }
    if (!closed_) watch();
  });
}

void RedisClient::close() {
  closed_ = true;
  timer_.cancel();
  watchdog_.cancel();
  lost(Error(ErrorClass::kUnavailable, "Sluice is stopping"));
}

void RedisClient::reconnect(const Error& why) { lost(why); }

void RedisClient::connect() {
  const uint64_t generation = ++generation_;
  ++attempt_;
  // The same timer that waits between attempts bounds the attempt itself.
  timer_.expires_after(std::chrono::microseconds(endpoint_.connect_timeout_us));
  timer_.async_wait([this, generation](error_code failure) {
    if (failure || generation != generation_ || connected_) return;
    lost(Error(ErrorClass::kUnavailable, "connecting timed out"));
  });
  const auto done = [this, generation](error_code failure) {
    if (generation != generation_) return;
    if (failure) return lost(Error(ErrorClass::kUnavailable, failure.message()));
    secure();
  };
  if (endpoint_.host.starts_with('/')) {
    connecting_.async_connect(asio::local::stream_protocol::endpoint(endpoint_.host), done);
    return;
  }
  resolver_.async_resolve(
      endpoint_.host, std::to_string(endpoint_.port),
      [this, generation, done](error_code failure, asio::ip::tcp::resolver::results_type results) {
        if (generation != generation_) return;
        if (failure) return done(failure);
        // A name may have several addresses ("localhost": ::1 and 127.0.0.1): one an attempt.
        const auto chosen =
            std::next(results.begin(), static_cast<ptrdiff_t>(attempt_ % results.size()));
        connecting_.async_connect(chosen->endpoint(), done);
      });
}

void RedisClient::secure() {
  error_code failure;
  stream_.open(std::move(connecting_), failure);
  if (failure) return lost(Error(ErrorClass::kUnavailable, failure.message()));
  if (!endpoint_.tls) return greet();
  stream_.start_tls(endpoint_.tls->connect(stream_.native_handle(), endpoint_.host));
  stream_.async_handshake([this](const Status& status) {
    if (!status) return lost(status.error());
    greet();
  });
}

void RedisClient::greet() {
  if (!endpoint_.host.starts_with('/')) {
    const int one = 1;
    ::setsockopt(stream_.native_handle(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::setsockopt(stream_.native_handle(), SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  }
  reader_.reset(redisReaderCreate());
  const auto ready = [this] {
    timer_.cancel();
    connected_ = true;
    delay_us_ = endpoint_.reconnect_delay_us;
    last_error_.clear();
    events_.on_connected();
  };
  stream_.wait_read();
  const std::string password = endpoint_.password();
  if (password.empty()) return ready();
  std::vector<std::string_view> auth{"AUTH"};
  if (!endpoint_.username.empty()) auth.push_back(endpoint_.username);
  auth.push_back(password);
  append(auth);
  waiting_.push_back([this, ready](const Result<Reply>& reply) {
    if (!reply) return;
    if (!reply->is_error()) return ready();
    endpoint_.password_refused();
    lost(
        Error(ErrorClass::kRefused, "Redis refused the password: " + login_refusal(reply->text())));
  });
}

void RedisClient::call(std::initializer_list<std::string_view> args, Handler handler) {
  call(std::span(args.begin(), args.size()), std::move(handler));
}

void RedisClient::call(std::span<const std::string_view> args, Handler handler) {
  SLUICE_ASSERT(connected_, "a request needs a connection");
  append(args);
  waiting_.push_back(std::move(handler));
}

void RedisClient::append(std::span<const std::string_view> args) {
  if (waiting_.empty()) progress_us_ = base::monotonic_us();
  resp::append_command(out_, args);
  thread_.at_turn_end(*this);
}

void RedisClient::turn_ended() {
  if (stream_.is_open()) write();
}

void RedisClient::stream_ready(bool read, bool write) {
  if (write) this->write();
  if (read && stream_.is_open()) this->read();
}

void RedisClient::write() {
  error_code failure;
  while (sent_ < out_.size() && !failure)
    sent_ += stream_.write(out_.data() + sent_, out_.size() - sent_, failure);
  if (failure == asio::error::would_block) {
    // A Redis at its limit may never take everything.
    if (sent_ > kSentKeptMax && sent_ > out_.size() / 2) {
      out_.erase(0, sent_);
      sent_ = 0;
    }
    return stream_.wait_write();
  }
  if (failure) return lost(Error(ErrorClass::kUnavailable, failure.message()));
  out_.clear();
  sent_ = 0;
}

void RedisClient::read() {
  error_code failure;
  const size_t bytes = stream_.read(input_.data(), input_.size(), failure);
  if (failure == asio::error::eof)
    return lost(Error(ErrorClass::kUnavailable, "Redis closed the connection"));
  if (failure && failure != asio::error::would_block)
    return lost(Error(ErrorClass::kUnavailable, failure.message()));
  if (failure || take_replies(bytes)) stream_.wait_read();
}

// False if the connection went away meanwhile, by a malformed reply or by a handler's doing.
bool RedisClient::take_replies(size_t bytes) {
  const uint64_t generation = generation_;
  progress_us_ = base::monotonic_us();
  redisReaderFeed(reader_.get(), input_.data(), bytes);
  while (true) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK || (raw && waiting_.empty())) {
      freeReplyObject(raw);
      lost(Error(ErrorClass::kUnavailable, "Redis sent a reply that is not RESP2"));
      return false;
    }
    if (raw == nullptr) return true;
    const std::unique_ptr<void, void (*)(void*)> owner(raw, freeReplyObject);
    const Handler handler = std::move(waiting_.front());
    waiting_.pop_front();
    handler(Reply(static_cast<redisReply*>(raw)));
    if (generation != generation_) return false;
  }
}

void RedisClient::lost(const Error& why) {
  ++generation_;
  connected_ = false;
  out_.clear();
  sent_ = 0;
  stream_.close();
  error_code ignored;
  connecting_.close(ignored);
  resolver_.cancel();
  last_error_ = why.message();
  const Error error(ErrorClass::kUnavailable,
                    "Redis at " + endpoint_.text() + " is not reachable: " + why.message());
  std::deque<Handler> orphans;
  orphans.swap(waiting_);
  for (const Handler& handler : orphans) handler(error);
  events_.on_lost(error);
  if (!closed_) schedule_connect();
}

void RedisClient::schedule_connect() {
  timer_.expires_after(std::chrono::microseconds(delay_us_));
  delay_us_ = std::min(delay_us_ * 2, endpoint_.reconnect_delay_max_us);
  timer_.async_wait([this, generation = generation_](error_code failure) {
    if (!failure && generation == generation_ && !closed_) connect();
  });
}

}  // namespace sluice::proxy::upstream
