// How long one client may take for what it has begun, and how far ahead of its replies it may
// send. docs/protection.md has the table.
//
// A client that writes all its commands before it reads a reply must be able to finish writing, or
// it and the proxy would wait for each other for ever. So while nothing moves, its commands are
// taken in, at a pace that hurts nobody (8 MiB/s), but not carried out.
//
// Times are monotonic. No sockets; the session's I/O thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "proxy/front/cut_reason.h"
#include "proxy/front/limits.h"

namespace sluice::proxy::front {

// What there is at the moment of a look.
struct ClientFacts {
  bool authenticated = true;
  bool is_ending = false;   // it sends no more, or is to be closed once all is answered
  size_t input_bytes = 0;   // not yet processed
  size_t output_bytes = 0;  // replies that it has not taken
};

// Since when; 0: there is no such thing.
struct ClientTimes {
  int64_t command_begun_us = 0;  // the first bytes of an unfinished command
  int64_t output_waits_us = 0;   // the client has taken none of the output
  int64_t waits_for_memory_us = 0;
  int64_t login_due_us = 0;  // the connection, or a RESET
};

// Why the client is to be cut; nullopt: it is within all bounds.
std::optional<CutReason> overdue(const ClientTimes& times, const ClientFacts& facts,
                                 const Limits& limits, int64_t now_us);

class ClientLimits {
 public:
  static constexpr size_t kReadAheadMin = 64 * 1024;
  // For each look of the pacer: what delays others by no more than a dozen microseconds.
  static constexpr size_t kReadAheadStep = 16 * 1024;

  // Commands have been taken from the input, or (`took` false) there was no whole one, or no room.
  // `unfinished`: the input ends within a command.
  void input_processed(bool took, bool unfinished);
  // Whether a login has become due with this.
  bool login_became_due(bool authenticated);
  void output_waits();
  void output_taken() { times_.output_waits_us = 0; }
  void wait_for_memory();
  void has_memory() { times_.waits_for_memory_us = 0; }

  const ClientTimes& times() const { return times_; }
  bool is_timed() const {
    return times_.command_begun_us != 0 || times_.output_waits_us != 0 || waits_for_memory();
  }
  bool waits_for_memory() const { return times_.waits_for_memory_us != 0; }
  // For so long that those that hold most have to go.
  bool needs_relief(int64_t now_us) const;

  // How much input may wait while the session stalls.
  size_t read_ahead_max() const { return read_ahead_max_; }
  bool reads_ahead() const { return read_ahead_max_ > kReadAheadMin; }
  // Whether no command was taken since the last look, and it may send more: below `limit` in all.
  bool stands_still(size_t input_bytes, size_t limit) const {
    return !progressed_ && input_bytes < limit;
  }
  void looked_at() { progressed_ = false; }
  void read_further(size_t input_bytes) { read_ahead_max_ = input_bytes + kReadAheadStep; }

 private:
  ClientTimes times_;
  size_t read_ahead_max_ = kReadAheadMin;
  bool progressed_ = false;  // a command was taken since the patrol's last look
};

}  // namespace sluice::proxy::front
