// Clients of SECKILL.WAITDB, until the order that each waits for is a row in MySQL, or a dead
// letter, or the client's time is over.
//
// Of this lane's orders the proxy knows by itself which are drained. Of another lane's it does not:
// the flusher looks those up, a few at a time. One an owner thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "proxy/sale/flusher_port.h"
#include "proxy/sale/operation.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/shelf.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/io_thread.h"

namespace sluice::proxy::sale {

class Arrivals {
 public:
  // Whether an order of this lane is a row.
  using IsRow = std::function<bool(Shelf& shelf, uint64_t order_id)>;
  using Deliver = std::function<void(const Operation&, std::string_view reply)>;

  Arrivals(upstream::IoThread& thread, upstream::Inbox& inbox, Shared& shared, FlusherPort& flusher,
           IsRow is_row, Deliver deliver);

  // `op`: a kQuery with wait_ms, whose order was found. Exactly one Deliver follows.
  void wait(Shelf& shelf, Operation op);
  // Whoever waits is told that the time is over.
  void stop();

 private:
  struct Waiting {
    Shelf* shelf = nullptr;
    Operation op;
    int64_t deadline_us = 0;
    int64_t ask_at_us = 0;  // of another lane's order: when the flusher is asked next
    bool is_asked = false;
    bool is_row = false;  // as the flusher said
  };

  void schedule();
  void tick();
  // True: it was answered.
  bool look(Waiting& waiting, int64_t now_us);
  void ask_flusher(const std::shared_ptr<Waiting>& waiting, int64_t now_us);

  upstream::Inbox& inbox_;
  Shared& shared_;
  FlusherPort& flusher_;
  const IsRow is_row_;
  const Deliver deliver_;
  boost::asio::steady_timer timer_;
  std::list<std::shared_ptr<Waiting>> waiting_;
  size_t asked_ = 0;
  bool ticking_ = false;
};

}  // namespace sluice::proxy::sale
