// What Redis holds of each item. Keys and fields: docs/architecture.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "ctl/journal_totals.h"
#include "ctl/redis_connection.h"
#include "ctl/tally.h"

namespace sluice::ctl {

// Read in one step of Redis.
struct RedisItem {
  bool exists = false;
  int64_t stock = 0;
  int64_t sold = 0;
  std::string waits_for;  // lanes that must replay before the item opens; empty: none
  Lanes lanes;            // the last batch applied
  std::map<uint32_t, std::string> journals;  // the id of the journal behind a lane
  Lanes receipts;             // of the lanes asked for: how many batches have receipts
  uint64_t buyer_fields = 0;  // of the buyers hash

  // Of the buyers hash, read afterwards; nullopt: it changed again and again meanwhile.
  std::optional<Sales> buyers;
};

class RedisItems {
 public:
  explicit RedisItems(RedisConnection& redis) : redis_(redis) {}

  // The index of all items.
  Result<std::vector<std::string>> names();
  // In the order of `names`, without `buyers`.
  Result<std::vector<RedisItem>> read(std::span<const std::string> names,
                                      std::span<const uint32_t> lanes);
  // Fills item.buyers if the item stays what `item` says while its buyers are read.
  Status read_buyers(const std::string& name, std::span<const uint32_t> lanes, RedisItem& item);
  // Makes the proxies rebuild the item from their journals; they begin within a second.
  Status ask_rebuild(const std::string& name);

 private:
  void send_read(const std::string& name, std::span<const uint32_t> lanes);
  Result<RedisItem> take_read(std::span<const uint32_t> lanes);
  Result<uint64_t> scan_buyers(const std::string& name, Sales& buyers);

  RedisConnection& redis_;
};

// Adds one field of a buyers hash; false if it is none of the known forms.
bool add_buyer_field(Sales& buyers, std::string_view field, std::string_view value);

}  // namespace sluice::ctl
