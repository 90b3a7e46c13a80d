#include "ctl/redis_connection.h"

#include <sys/time.h>

namespace sluice::ctl {
namespace {

constexpr timeval kConnectTimeout{5, 0};
constexpr timeval kReplyTimeout{30, 0};

}  // namespace

Result<RedisConnection> RedisConnection::connect(const RedisTarget& target) {
  redisContext* context =
      target.port == 0 ? redisConnectUnixWithTimeout(target.host.c_str(), kConnectTimeout)
                       : redisConnectWithTimeout(target.host.c_str(), target.port, kConnectTimeout);
  if (context == nullptr) return Error(ErrorClass::kUnavailable, "Redis: out of memory");
  RedisConnection connection("Redis at " + target.text(), context);
  if (context->err != 0) return connection.lost();
  redisSetTimeout(context, kReplyTimeout);
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
                                         " refused the login; check redis.username and "
                                         "redis.password_file");
}

void RedisConnection::send(std::span<const std::string_view> args) {
  std::vector<const char*> texts;
  std::vector<size_t> lengths;
  for (const std::string_view arg : args) {
    texts.push_back(arg.data());
    lengths.push_back(arg.size());
  }
  redisAppendCommandArgv(context_.get(), static_cast<int>(args.size()), texts.data(),
                         lengths.data());
}

Result<RedisReply> RedisConnection::read() {
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK) return lost();
  reply_.reset(raw);
  const RedisReply reply(static_cast<redisReply*>(raw));
  if (!reply.is_error()) return reply;
  return Error(ErrorClass::kRefused, name_ + ": " + std::string(reply.text()));
}

Result<RedisReply> RedisConnection::call(std::initializer_list<std::string_view> args) {
  send(args);
  return read();
}

Error RedisConnection::lost() const {
  return Error(ErrorClass::kUnavailable, name_ + " is not reachable: " + context_->errstr);
}

}  // namespace sluice::ctl
