// Finds the items that have been over for twice journal.retain, and has them deleted.
//
// Looks at one shelf after the other, so that each has its turn about once a minute, by HSCAN of
// its packed items. Only the proxy that created an item begins with it, so that not all lanes do at
// once; the others follow (beat.h). One an owner thread, on its connection.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <string>
#include <string_view>

#include "proxy/sale/shared.h"
#include "proxy/sale/shelf_events.h"
#include "proxy/sale/shelf_map.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Retention {
 public:
  Retention(upstream::IoThread& thread, upstream::RedisClient& redis, Shared& shared,
            ShelfMap& shelves, ShelfEvents& events);

  void start();
  void stop();

 private:
  void schedule();
  void look(Shelf& shelf, std::string_view cursor);
  void look_at(Shelf& shelf, std::string_view item, std::string_view packed);

  upstream::RedisClient& redis_;
  Shared& shared_;
  ShelfMap& shelves_;
  ShelfEvents& events_;
  boost::asio::steady_timer timer_;
  size_t next_ = 0;  // of the thread's shelves
};

}  // namespace sluice::proxy::sale
