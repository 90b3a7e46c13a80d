// What Redis holds of each item. Keys and fields: docs/architecture.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "ctl/journal_totals.h"
#include "ctl/redis_connection.h"
#include "ctl/tally.h"
#include "orders/order_status.h"
#include "shelves/packed_item.h"

namespace sluice::ctl {

// Read in one step of Redis.
struct RedisItem {
  bool exists = false;
  std::string edited;         // why its state cannot be read; empty: a script wrote it
  shelves::PackedItem state;  // unless it was edited
  std::string packed;         // the same as Redis has it
  uint64_t buyer_fields = 0;  // of the buyers hash

  // Of its shelf.
  std::string waits_for;  // lanes that must replay before it opens; empty: none
  Lanes lanes;            // the last batch applied
  std::map<uint32_t, std::string> journals;  // the id of the journal behind a lane
  std::set<uint32_t> given_up;               // lanes
  Lanes receipts;                            // how many there are of a lane

  // Of the buyers hash, read afterwards; nullopt: it changed again and again meanwhile.
  std::optional<Sales> buyers;
};

// Receipts of a lane on a shelf: the batch's lane sequence, and its text. Empty where the list only
// tells that everything up to there was journaled when it began.
using Receipts = std::map<uint64_t, std::string>;

// One field of a buyers hash. Views are the reply's.
struct BuyerField {
  enum class Kind {
    kOrder,    // of `user`
    kRestock,  // that a restock with `request` was done
    kOther,    // points to an order, or waits for one
  };
  Kind kind = Kind::kOther;
  std::string_view user, request;
  uint64_t order_id = 0;
  int64_t quantity = 0;
  orders::OrderStatus status = orders::OrderStatus::kPlaced;
  std::string_view status_request;  // with which it was paid or cancelled
};
// nullopt: none of the known forms.
std::optional<BuyerField> parse_buyer_field(std::string_view field, std::string_view value);

// How many shelves the sale in this Redis has; 0: there is none.
Result<uint32_t> shelf_count(RedisConnection& redis);

class RedisItems {
 public:
  // `shelves`: how many there are.
  RedisItems(RedisConnection& redis, uint32_t shelves) : redis_(redis), shelves_(shelves) {}

  // Of all items, in order.
  Result<std::vector<std::string>> names();
  // In the order of `names`, without `buyers`. Of the lanes asked for and of all that are known
  // there.
  Result<std::vector<RedisItem>> read(std::span<const std::string> names,
                                      std::span<const uint32_t> lanes);
  // Fills item.buyers if the item stays what `item` says while its buyers are read.
  Status read_buyers(const std::string& name, RedisItem& item);
  // Every field of a known form; while it is changed one may come twice, or not.
  Status visit_buyers(const std::string& name, const std::function<void(const BuyerField&)>& visit);
  Result<Receipts> receipts(uint32_t shelf, uint32_t lane);
  // Makes the proxies rebuild the shelf from their journals; they begin within a second.
  Status ask_rebuild(uint32_t shelf);

 private:
  using LanesByShelf = std::map<uint32_t, std::vector<uint32_t>>;

  uint32_t shelf_of(std::string_view name) const;
  Result<LanesByShelf> lanes_by_shelf(std::span<const std::string> names,
                                      std::span<const uint32_t> lanes);
  void send_read(const std::string& name, std::span<const uint32_t> lanes);
  Result<RedisItem> take_read(std::span<const uint32_t> lanes);
  Status scan_names(uint32_t shelf, std::vector<std::string>& names);
  // Returns how many fields came.
  Result<uint64_t> scan_buyers(
      const std::string& name,
      const std::function<void(std::string_view field, std::string_view value)>& visit);

  RedisConnection& redis_;
  const uint32_t shelves_;
};

// Adds one field of a buyers hash; false if it is none of the known forms.
bool add_buyer_field(Sales& buyers, std::string_view field, std::string_view value);
// Adds one element of a receipts list; one of no known form is left out.
void add_receipt(Receipts& receipts, std::string_view text);

}  // namespace sluice::ctl
