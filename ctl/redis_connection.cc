#include "ctl/redis_connection.h"

#include <sys/time.h>

#include <array>
#include <boost/asio/error.hpp>
#include <cerrno>

#include "net/tls_context.h"

namespace sluice::ctl {
Result<RedisConnection> RedisConnection::connect(const RedisTarget& target, const std::string& what,
                                                 RedisPatience patience) {
  const timeval wait{patience.connect_s, 0};
  redisContext* context = target.port == 0
                              ? redisConnectUnixWithTimeout(target.host.c_str(), wait)
                              : redisConnectWithTimeout(target.host.c_str(), target.port, wait);
  if (context == nullptr) return Error(ErrorClass::kUnavailable, "Redis: out of memory");
  RedisConnection connection(what + " at " + target.text(), context);
  if (context->err != 0) return connection.lose(context->errstr);
  connection.reply_s_ = patience.reply_s;
  redisSetTimeout(context, {patience.reply_s, 0});
  if (target.tls) SLUICE_TRY(connection.secure(target));
  if (target.password.empty()) return connection;
  std::vector<std::string_view> auth{"AUTH"};
  if (!target.username.empty()) auth.push_back(target.username);
  auth.push_back(target.password);
  connection.send(auth);
  const auto reply = connection.read();
  if (reply) return connection;
  if (reply.error().cls() != ErrorClass::kRefused) return reply.error();
  // Not Redis's own words: of a command that it does not know it repeats the arguments.
  return Error(ErrorClass::kRefused, connection.name_ +
                                         " refused the login; check the user's name and "
                                         "the password file");
}

Status RedisConnection::secure(const RedisTarget& target) {
  const auto context = net::TlsContext::for_client("redis", *target.tls);
  if (!context) return context.error();
  tls_ = (*context)->connect(context_->fd, target.host);
  boost::system::error_code error;
  tls_->handshake(error);
  if (!error) return {};
  if (error == boost::asio::error::would_block) return lose("no answer to the TLS handshake");
  return Error(ErrorClass::kRefused, name_ + ": TLS handshake: " + tls_->failure(error));
}

void RedisConnection::send(std::span<const std::string_view> args) {
  std::vector<const char*> texts;
  std::vector<size_t> lengths;
  for (const std::string_view arg : args) {
    texts.push_back(arg.data());
    lengths.push_back(arg.size());
  }
  const int count = static_cast<int>(args.size());
  if (!tls_) {
    redisAppendCommandArgv(context_.get(), count, texts.data(), lengths.data());
    return;
  }
  char* command = nullptr;
  const int size = redisFormatCommandArgv(&command, count, texts.data(), lengths.data());
  SLUICE_ASSERT(size > 0, "a command could not be formatted");
  unsent_.append(command, static_cast<size_t>(size));
  redisFreeCommand(command);
}

Status RedisConnection::flush() {
  size_t sent = 0;
  boost::system::error_code error;
  while (sent < unsent_.size() && !error)
    sent += tls_->write(unsent_.data() + sent, unsent_.size() - sent, error);
  unsent_.clear();
  if (error == boost::asio::error::would_block) return lose("it takes no commands");
  if (error) return lose(error.message());
  return {};
}

Status RedisConnection::fill() {
  std::array<char, 16 * 1024> bytes;
  boost::system::error_code error;
  const size_t got = tls_->read(bytes.data(), bytes.size(), error);
  if (error == boost::asio::error::would_block) return lose_silent();
  if (error) return lose(error.message());
  redisReaderFeed(context_->reader, bytes.data(), got);
  return {};
}

Result<RedisReply> RedisConnection::read() {
  if (lost_) return *lost_;
  void* raw = nullptr;
  if (!tls_) {
    errno = 0;
    if (redisGetReply(context_.get(), &raw) != REDIS_OK)
      return errno == EAGAIN ? lose_silent() : lose(context_->errstr);
  } else {
    SLUICE_TRY(flush());
    while (raw == nullptr) {
      if (redisGetReplyFromReader(context_.get(), &raw) != REDIS_OK) return lose(context_->errstr);
      if (raw == nullptr) SLUICE_TRY(fill());
    }
  }
  reply_.reset(raw);
  const RedisReply reply(static_cast<redisReply*>(raw));
  if (!reply.is_error()) return reply;
  return Error(ErrorClass::kRefused, name_ + ": " + std::string(reply.text()));
}

Result<RedisReply> RedisConnection::call(std::initializer_list<std::string_view> args) {
  send(args);
  return read();
}

Error RedisConnection::lose(const std::string& why) {
  lost_ = Error(ErrorClass::kUnavailable, name_ + " is not reachable: " + why);
  return *lost_;
}

}  // namespace sluice::ctl
