// Commands of the proxy's own that travel on a shared connection between those of the sessions.
//
// Owned by the worker that owns the connections; this I/O thread only.
#pragma once

#include <functional>
#include <list>
#include <span>
#include <string>
#include <string_view>

#include "proxy/upstream/pipe.h"
#include "proxy/upstream/reply_receiver.h"

namespace sluice::proxy::upstream {

class Errands {
 public:
  // Called once, from the event loop, with the whole reply; if it cannot come, with an error line.
  using Handler = std::function<void(std::string_view reply)>;

  // False: the connection is down, nothing was sent, and the handler will not be called.
  bool send(Pipe& pipe, std::span<const std::string_view> args, Handler handler);

 private:
  class Errand final : public ReplyReceiver {
   public:
    Errand(Errands& owner, Handler handler) : owner_(owner), handler_(std::move(handler)) {}

    void reply_bytes(std::string_view bytes, size_t replies) override;
    void replies_too_deep(size_t replies) override;
    void replies_lost(size_t replies, bool begun, std::string_view error) override;
    void upstream_has_room() override {}

    std::list<Errand>::iterator place;

   private:
    void end(std::string_view reply);

    Errands& owner_;
    const Handler handler_;
    std::string reply_;
  };

  std::list<Errand> errands_;
};

}  // namespace sluice::proxy::upstream
