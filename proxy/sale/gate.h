// The gate: nothing is sold to an item until Redis and this proxy's journal agree about it.
//
// On every (re)connect, and for one item when the script answers GATE or GAP:
//   1. raise the item's epoch, so that no batch sent before can be applied any more;
//   2. Redis is ahead of the journal: its receipts complete the journal;
//   3. Redis is behind the journal (it lost writes): the journal is replayed, idempotently;
//   4. the batch whose answer was lost is settled from its receipt, or sent again;
//   5. the item opens.
// Until then purchases get -LOADING. Same thread and lifetime as the coalescer that owns it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/sale/item.h"
#include "proxy/sale/replay.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Coalescer;

class Gate {
 public:
  explicit Gate(Coalescer& coalescer) : coalescer_(coalescer) {}

  // The connection is up: checks the server, loads the scripts, opens every known item.
  void connected();
  // The connection is gone: whatever was under way here is void.
  void lost();
  // One item: on first use (raise: another proxy may be selling it: join its epoch), or after
  // GATE or GAP.
  void open(Item& item, bool raise);

 private:
  void check_server();
  void open_known_items();
  bool waits_for_server(std::string_view text, bool is_error);
  void entered(Item& item, const upstream::Reply& reply);
  bool is_retired(const Item& item, uint64_t first_receipt) const;
  void pass_over_journaled(Item& item, const upstream::Reply& reply);
  bool import_receipts(Item& item, const upstream::Reply& reply, uint64_t sequence);
  void settle_in_flight(Item& item);
  void item_done();
  void start_replay();
  void replayed(const Replay::Result& result);

  Coalescer& coalescer_;
  size_t under_way_ = 0;       // items whose gate script has not answered
  bool opening_ = false;       // the first pass after a connect
  std::vector<Item*> behind_;  // items for the next replay
  std::unique_ptr<Replay> replay_;
};

}  // namespace sluice::proxy::sale
