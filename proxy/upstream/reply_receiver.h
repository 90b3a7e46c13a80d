// Who waits for replies of Redis: front/session, seen from below.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::proxy::upstream {

class ReplyReceiver {
 public:
  // The next bytes of the oldest replies outstanding, of which `replies` end here; the last one may
  // go on in the next call. Valid during the call.
  virtual void reply_bytes(std::string_view bytes, size_t replies) = 0;
  // The connection failed with `replies` of the receiver's outstanding: they will never come. With
  // `begun`, the bytes of the first of them had begun to arrive. `error` is a RESP error line.
  virtual void replies_lost(size_t replies, bool begun, std::string_view error) = 0;
  // In place of reply_bytes(): some of these bytes are of a reply nested deeper than
  // resp::ReplyScanner::kDepthMax, so they are not handed on.
  virtual void replies_too_deep(size_t replies) = 0;
  // One whole out-of-band push (Pinned connections only).
  virtual void push_bytes(std::string_view push) { static_cast<void>(push); }
  // After replies_lost(): a Pinned connection is gone, with the state that it held.
  virtual void pinned_lost() {}
  // The answer to Pinned::ask_whether_relay_ended().
  virtual void relay_ended() {}
  // There is room again in the buffer of the connection.
  virtual void upstream_has_room() = 0;

 protected:
  ~ReplyReceiver() = default;
};

// The error lines above, and what a command gets while Redis cannot be reached.
std::string lost_error();
std::string unreachable_error(const std::string& endpoint, const std::string& reason);

}  // namespace sluice::proxy::upstream
