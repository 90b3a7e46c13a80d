// One blocking connection to Redis, for commands of the operator's tool: hiredis with its errors as
// values. Not thread-safe.
#pragma once

#include <hiredis/hiredis.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ctl/config_file.h"
#include "net/tls_session.h"

namespace sluice::ctl {

class RedisReply {
 public:
  explicit RedisReply(redisReply* reply) : reply_(reply) {}

  bool is_error() const { return reply_->type == REDIS_REPLY_ERROR; }
  bool is_nil() const { return reply_->type == REDIS_REPLY_NIL; }
  // Of strings, statuses and errors; empty for everything else. Valid as long as the reply.
  std::string_view text() const {
    const bool has_text = reply_->type == REDIS_REPLY_STRING ||
                          reply_->type == REDIS_REPLY_STATUS || reply_->type == REDIS_REPLY_ERROR;
    return has_text ? std::string_view(reply_->str, reply_->len) : std::string_view();
  }
  int64_t integer() const { return reply_->type == REDIS_REPLY_INTEGER ? reply_->integer : 0; }
  size_t size() const { return reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0; }
  RedisReply at(size_t i) const { return RedisReply(reply_->element[i]); }

 private:
  redisReply* reply_;
};

// How long a server is waited for that says nothing.
struct RedisPatience {
  int connect_s = 5;
  int reply_s = 30;
};

class RedisConnection {
 public:
  // kUnavailable: cannot be reached; kRefused: the login, or the TLS handshake, was refused.
  // kInvalid: a TLS file is not good. Names the server, which `what` is in messages.
  static Result<RedisConnection> connect(const RedisTarget& target,
                                         const std::string& what = "Redis",
                                         RedisPatience patience = {});

  // Sends commands without waiting for their replies; each must be read() later.
  void send(std::span<const std::string_view> args);
  void send(std::initializer_list<std::string_view> args) {
    send(std::span(args.begin(), args.size()));
  }
  // The next reply; valid until the next read(). An error reply of Redis is an Error. Once the
  // connection was lost nothing is waited for: it is the same error again.
  Result<RedisReply> read();
  // send() and read().
  Result<RedisReply> call(std::initializer_list<std::string_view> args);
  // Why nothing more can be read; nullopt: it can.
  const std::optional<Error>& lost() const { return lost_; }

 private:
  RedisConnection(std::string name, redisContext* context)
      : name_(std::move(name)), context_(context, redisFree), reply_(nullptr, freeReplyObject) {}
  Status secure(const RedisTarget& target);
  Status flush();
  Status fill();
  Error lose(const std::string& why);
  Error lose_silent() { return lose("no reply within " + std::to_string(reply_s_) + " s"); }

  std::string name_;
  int reply_s_ = 0;
  std::optional<Error> lost_;
  // Over TLS hiredis only parses; what is to be sent gathers in `unsent_`.
  std::unique_ptr<redisContext, void (*)(redisContext*)> context_;
  std::unique_ptr<net::TlsSession> tls_;  // null: in clear
  std::string unsent_;
  std::unique_ptr<void, void (*)(void*)> reply_;
};

}  // namespace sluice::ctl
