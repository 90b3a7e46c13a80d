// One item's gate (conf/gate.lua) as the proxy goes through it: completes the journal from Redis's
// receipts, settles the batch whose answer was lost, and tells what stands in the way.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "proxy/sale/item.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Coalescer;

class ItemGate {
 public:
  enum class Outcome {
    kOpened,
    kBehind,   // Redis lacks batches of this lane: to be replayed
    kWaits,    // for other proxies; clients are told so
    kRefused,  // needs a person; clients are told so
  };
  using Done = std::function<void(Item&, Outcome)>;

  // What was compared and repaired.
  struct Count {
    uint64_t items = 0, equal = 0, behind = 0, receipts = 0, records = 0;
  };

  ItemGate(Coalescer& coalescer, Count& count) : coalescer_(coalescer), count_(count) {}

  // Asks for the item. `done` is not called if the connection is lost before, or given up because
  // the server cannot do it just now.
  void ask(Item& item, Done done);
  // True if `error` speaks of the server's state and not of the item: the connection is given up,
  // and the whole pass begins anew after its back-off. No item is refused for that.
  bool waits_for_server(std::string_view error);

 private:
  struct Answer;

  void call(Item& item, bool lost, Done done);
  Outcome answered(Item& item, const upstream::Reply& reply, bool& missing);
  void missing(Item& item, Done done);
  bool is_foreign(const Item& item, std::string_view journal_id);
  void pass_over_journaled(Item& item, const upstream::Reply& reply);
  bool import_receipts(Item& item, const upstream::Reply& reply, uint64_t applied);
  Outcome opened(Item& item);
  Outcome waits(Item& item, std::string why);
  Outcome refused(Item& item, std::string why);

  Coalescer& coalescer_;
  Count& count_;
};

}  // namespace sluice::proxy::sale
