// A real redis-server for a test program: on a unix socket in a temporary folder, ended by its pid.
#pragma once

#include <gtest/gtest.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/unit/temp_folder.h"

namespace sluice::test {

class RedisServer {
 public:
  RedisServer() {
    pid_ = fork();
    if (pid_ == 0) {
      execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_.c_str(),
             "--dir", folder_.path().c_str(), "--save", "", "--logfile", (folder_ / "log").c_str(),
             nullptr);
      _exit(127);
    }
    for (int i = 0; i < 500 && !connect(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  ~RedisServer() {
    context_.reset();
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  const std::string& socket() const { return socket_; }

  // The reply as text: strings as they are, integers in decimal, arrays joined by ' ', nil "(nil)".
  std::string run(const std::vector<std::string>& args) {
    std::vector<const char*> words;
    std::vector<size_t> lengths;
    for (const std::string& arg : args) words.push_back(arg.data()), lengths.push_back(arg.size());
    const std::unique_ptr<redisReply, void (*)(void*)> reply(
        static_cast<redisReply*>(redisCommandArgv(context_.get(), static_cast<int>(args.size()),
                                                  words.data(), lengths.data())),
        freeReplyObject);
    return reply ? text(*reply) : "(no reply)";
  }

 private:
  bool connect() {
    context_.reset(redisConnectUnix(socket_.c_str()));
    return context_ && context_->err == 0;
  }
  static std::string text(const redisReply& reply) {
    if (reply.type == REDIS_REPLY_INTEGER) return std::to_string(reply.integer);
    if (reply.type == REDIS_REPLY_NIL) return "(nil)";
    if (reply.type != REDIS_REPLY_ARRAY) return {reply.str, reply.len};
    std::string joined;
    for (size_t i = 0; i < reply.elements; ++i)
      joined += (i == 0 ? "" : " ") + text(*reply.element[i]);
    return joined;
  }

  const TempFolder folder_;
  const std::string socket_ = folder_ / "redis.sock";
  pid_t pid_ = -1;
  std::unique_ptr<redisContext, void (*)(redisContext*)> context_{nullptr, redisFree};
};

}  // namespace sluice::test
