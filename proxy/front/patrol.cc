#include "proxy/front/patrol.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/clock.h"

namespace sluice::proxy::front {

void Patrol::enter(Patrolled& one) {
  if (one.place_ != Patrolled::kNowhere) return;
  one.place_ = all_.size();
  all_.push_back(&one);
  if (!under_way_) next_round();
}

void Patrol::leave(Patrolled& one) {
  if (one.place_ == Patrolled::kNowhere) return;
  all_.back()->place_ = one.place_;
  all_[one.place_] = all_.back();
  all_.pop_back();
  one.place_ = Patrolled::kNowhere;
}

void Patrol::next_round() {
  under_way_ = true;
  timer_.expires_after(every_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look(all_.size());
  });
}

// From the end to the front: who leaves is replaced by one that has been looked at.
void Patrol::look(size_t from) {
  const int64_t now_us = base::monotonic_us();
  size_t i = std::min(from, all_.size());
  for (size_t n = 0; i > 0 && n < kSessionsATurn; ++n) {
    Patrolled& one = *all_[i - 1];
    if (!one.looked_at(now_us)) leave(one);
    i = std::min(i - 1, all_.size());
  }
  if (i > 0) {
    boost::asio::post(context_, [this, i] { look(i); });
  } else if (all_.empty()) {
    under_way_ = false;
  } else {
    next_round();
  }
}

}  // namespace sluice::proxy::front
