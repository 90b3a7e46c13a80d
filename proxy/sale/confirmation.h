// Holds back answers that speak of what another proxy has accepted (an order, a restock, a closing,
// …), until it is durable.
//
//   verdict ─► hold() ─► "is it in a receipt of another lane?" ─ no ─► confirmed
//                                   ▲            └ yes: its journal may not have it yet
//                                   └── poll ──────┘    … until limits.redis_timeout: -UNKNOWNSTATE
//
// A receipt is dropped once its batch is fsynced in its lane's journal; so what is in no receipt is
// a fact that survives, unless Redis lost the receipt itself: what is asked after the connection or
// the shelf's epoch has changed is not confirmed. Owned by a coalescer, on its thread. A proxy that
// is alone asks nothing.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/sale/shared.h"
#include "proxy/sale/shelf.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Confirmation {
 public:
  using Done = std::function<void(Shelf&, Operation&, const Verdict&, bool confirmed)>;

  // `done` is called once for each that is held.
  Confirmation(upstream::IoThread& thread, upstream::RedisClient& redis, Shared& shared, Done done);

  // True if the answer must be held; then this is for hold().
  bool needed(const Operation& op, const Verdict& verdict) const;
  void hold(Shelf& shelf, Operation op, const Verdict& verdict);
  bool idle() const { return held_ == 0; }
  // The connection is gone: what is held is not confirmed.
  void lost();
  void stop();

 private:
  struct Held {
    Operation op;
    Verdict verdict;
    uint64_t epoch;  // the verdict's
    int64_t deadline_us;
  };

  using Batch = std::vector<Held>;  // of one shelf

  void ask_all();
  void ask(Shelf& shelf, Batch batch);
  void answered(Shelf& shelf, Batch& batch, const Result<upstream::Reply>& reply);
  void finish(Shelf& shelf, Held& held, bool confirmed);
  void poll_later();

  upstream::RedisClient& redis_;
  Shared& shared_;
  const Done done_;
  boost::asio::steady_timer timer_;
  // While questions are under way the next gather: one call a shelf, however many ask.
  std::unordered_map<Shelf*, Batch> gathering_, to_poll_;
  size_t under_way_ = 0;  // calls
  size_t held_ = 0;
  bool polling_ = false;
};

}  // namespace sluice::proxy::sale
