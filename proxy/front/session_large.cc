// Commands too large to share a connection: while Redis reads one, the others would wait behind it.
//
// Such a command goes over the client's own connection, in slices as that has room, so that neither
// the thread stops for a copy of it nor is it held twice. It lies at the front of the input until
// its last slice has gone; all commands before it have been answered.
#include <algorithm>
#include <utility>

#include "proxy/front/session.h"

namespace sluice::proxy::front {

// False: not yet. Without a connection to be had it goes the common way.
bool Session::begin_large() {
  if (!pinned_) {
    if (!queue_.empty()) {
      large_waits_ = true;
      return false;
    }
    auto own = worker_.pinned_pool().acquire(client_->protocol.load(), database_, *this);
    if (!own) {
      forward_one();
      return true;
    }
    pinned_ = std::move(*own);
    settling_ = true;
  }
  if (in_multi()) transaction_->queued(1);
  const bool same_run = queue_.add_forwarded(1, take_muted());
  pinned_->forward({}, 1, same_run);
  large_left_ = parser_.raw().size();
  reply_later();
  return true;
}

void Session::send_large() {
  if (pinned_->congested()) {
    if (!std::exchange(waits_for_room_, true)) pinned_->wait_for_room();
    return;
  }
  const size_t slice = std::min(large_left_, kLargeSlice);
  pinned_->forward(std::string_view(input_).substr(0, slice), 0, false);
  input_.erase_front(slice);
  large_left_ -= slice;
  if (large_left_ > 0) reply_later();
}

// The connection is gone, and with it the part that was sent.
void Session::drop_large() { input_.erase_front(std::exchange(large_left_, 0)); }

}  // namespace sluice::proxy::front
