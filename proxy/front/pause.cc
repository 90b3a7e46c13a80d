#include "proxy/front/pause.h"

#include <algorithm>
#include <string>

#include "proxy/sale/command.h"
#include "resp/names.h"

namespace sluice::proxy::front {
namespace {

// Sorted. What Redis 7.0 flags "write" or "may replicate"; of a command with subcommands only those
// that are so flagged.
constexpr std::string_view kWriting[] = {
    "append", "bitfield", "bitop", "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop",
    "bzpopmax", "bzpopmin", "copy", "decr", "decrby", "del", "eval", "evalsha", "expire",
    "expireat", "fcall", "flushall", "flushdb", "function|delete", "function|flush",
    "function|load", "function|restore", "geoadd", "georadius", "georadiusbymember",
    "geosearchstore", "getdel", "getex", "getset", "hdel", "hincrby", "hincrbyfloat", "hmset",
    "hset", "hsetnx", "incr", "incrby", "incrbyfloat", "linsert", "lmove", "lmpop", "lpop",
    "lpush", "lpushx", "lrem", "lset", "ltrim", "migrate", "move", "mset", "msetnx", "persist",
    "pexpire", "pexpireat", "pfadd", "pfcount", "pfdebug", "pfmerge", "psetex", "publish",
    "rename", "renamenx", "restore", "restore-asking", "rpop", "rpoplpush", "rpush", "rpushx",
    "sadd", "sdiffstore", "set", "setbit", "setex", "setnx", "setrange", "sinterstore", "smove",
    "sort", "spop", "spublish", "srem", "sunionstore", "swapdb", "unlink", "xack", "xadd",
    "xautoclaim", "xclaim", "xdel", "xgroup|create", "xgroup|createconsumer",
    "xgroup|delconsumer", "xgroup|destroy", "xgroup|setid", "xreadgroup", "xsetid", "xtrim",
    "zadd", "zdiffstore", "zincrby", "zinterstore", "zmpop", "zpopmax", "zpopmin", "zrangestore",
    "zrem", "zremrangebylex", "zremrangebyrank", "zremrangebyscore", "zunionstore"};
static_assert(std::is_sorted(std::begin(kWriting), std::end(kWriting)));

bool is_writing(const std::string& name) {
  return std::binary_search(std::begin(kWriting), std::end(kWriting), std::string_view(name));
}

}  // namespace

bool may_write(CommandKind kind, std::span<const std::string_view> args) {
  if (kind == CommandKind::kSale) {
    const sale::CommandSpec* spec = sale::find_command(args[0]);
    return spec != nullptr && spec->writes;
  }
  // No command in the table is longer, and an argument may be as large as a client likes.
  constexpr size_t kWordMax = 20;
  if (args[0].size() > kWordMax) return false;
  const std::string name = resp::lower(args[0]);
  if (is_writing(name)) return true;
  return args.size() > 1 && args[1].size() <= kWordMax &&
         is_writing(name + "|" + resp::lower(args[1]));
}

void Pause::begin(Mode mode, int64_t end_us) {
  std::lock_guard lock(mutex_);
  end_us_ = active() ? std::max(end_us_, end_us) : end_us;
  mode_ = std::max(mode_.load(), mode);
}

void Pause::end() {
  std::lock_guard lock(mutex_);
  mode_ = Mode::kNone;
  ++ended_;
}

void Pause::end_in_time(int64_t now_us) {
  if (active() && now_us >= end_us_) {
    mode_ = Mode::kNone;
    ++ended_;
  }
}

uint64_t Pause::ended(int64_t now_us) {
  std::lock_guard lock(mutex_);
  end_in_time(now_us);
  return ended_;
}

bool Pause::holds(bool writes, int64_t now_us) {
  Mode mode = Mode::kNone;
  {
    std::lock_guard lock(mutex_);
    end_in_time(now_us);
    mode = mode_;
  }
  return mode == Mode::kAll || (mode == Mode::kWrite && writes);
}

}  // namespace sluice::proxy::front
