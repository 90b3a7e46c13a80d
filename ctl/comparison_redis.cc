// What Redis has of an item, judged by the journals.
#include <algorithm>

#include "ctl/comparison.h"
#include "ctl/words.h"

namespace sluice::ctl {
namespace {

using shelves::PackedItem;

// Of an item whose shelf the gate has closed, until all lanes are replayed.
std::string waiting(const RedisItem& item) {
  if (item.waits_for.empty()) return "";
  return "; it is being brought up to date, and waits for proxy.id " + item.waits_for;
}

// What differs between the item as created or changed and its state; empty: nothing.
std::string settings_text(const PackedItem& state, const BornItem& journal) {
  struct Setting {
    std::string_view name;
    int64_t found, expected;
  };
  std::string text;
  for (const auto& [name, found, expected] :
       {Setting{"stock at its creation", state.initial, journal.initial},
        Setting{"limit", state.limit, journal.limit},
        Setting{"start", state.start_ms, journal.start_ms},
        Setting{"end", state.end_ms, journal.end_ms},
        Setting{"hold", state.hold_ms, journal.hold_ms}}) {
    if (found != expected) text += (text.empty() ? "" : ", ") + is_not(name, found, expected);
  }
  return text;
}

std::string buyers_text(const Sales& buyers, const Sales& journal) {
  return "its buyers have " + plural(buyers.bought.orders, "order") + " of " +
         plural(static_cast<uint64_t>(buyers.bought.units), "unit") + ", " +
         std::to_string(buyers.over().orders) + " of them cancelled or expired; the journal has " +
         plural(journal.bought.orders, "order") + " of " +
         plural(static_cast<uint64_t>(journal.bought.units), "unit") + ", " +
         std::to_string(journal.over().orders) + " cancelled or expired" +
         (buyers.bought.orders == journal.bought.orders ? " (others)" : "");
}

class RedisDifferences {
 public:
  // The proxies refuse to rebuild what a lane that was given up has had a part in.
  explicit RedisDifferences(ItemComparison& item)
      : item_(item), fixable_(item.journal.created && item.redis.given_up.empty()) {}

  void add(std::string kind, std::string text) {
    item_.differences.push_back({Side::kRedis, std::move(kind), std::move(text), fixable_});
  }

  // Numbers that stand in the item's state.
  void judge_state() {
    const PackedItem& state = item_.redis.state;
    const BornItem& journal = item_.journal;
    if (state.stock != journal.sales.given)
      add("stock", is_not("stock", state.stock, journal.sales.given));
    if (state.sold != journal.sales.sold())
      add("sold", is_not("sold", state.sold, journal.sales.sold()));
    if (!journal.created) return;
    if (state.born != journal.born) {
      add("born", "is another item of this name: born " + std::to_string(state.born) +
                      ", the journal's " + std::to_string(journal.born));
    }
    if (const auto text = settings_text(state, journal); !text.empty()) add("settings", text);
    const bool open = state.state == PackedItem::State::kOpen;
    if (open != journal.open) {
      add("state", std::string("it is ") + (open ? "open" : "closed") + ", the journal says " +
                       (journal.open ? "open" : "closed"));
    }
  }

  void judge_buyers() {
    const RedisItem& redis = item_.redis;
    if (!redis.buyers) {
      item_.uncompared.push_back("Redis: its buyers, since it is being sold");
    } else if (!same_orders(*redis.buyers, item_.journal.sales)) {
      add("buyers", buyers_text(*redis.buyers, item_.journal.sales));
    } else if (redis.edited.empty() && redis.state.fields != redis.buyer_fields) {
      add("buyers", "its buyers have " + plural(redis.buyer_fields, "field") +
                        ", which were " + std::to_string(redis.state.fields));
    }
  }

 private:
  ItemComparison& item_;
  const bool fixable_;
};

}  // namespace

void Comparer::judge_redis(ItemComparison& item) const {
  const RedisItem& redis = item.redis;
  RedisDifferences differences(item);
  if (!redis.exists) {
    if (item.journal.created && !item.journal.deleted)
      differences.add("missing_item", "does not have the item" + waiting(redis));
  } else if (judge_lanes(item)) {
    if (redis.edited.empty()) {
      differences.judge_state();
    } else {
      differences.add("edited", "its state is not what Sluice wrote: " + redis.edited);
    }
    differences.judge_buyers();
  }
  if (item.differs(Side::kRedis) && item.journal.created && !redis.given_up.empty()) {
    item.notes.push_back("Redis: its shelf was sold from through proxies that were given up since "
                         "(sluice-ctl peers list), so the others cannot rebuild it");
  }
}

// True if Redis and the journals have come to the same batch of every lane, as far as the item
// goes.
bool Comparer::judge_lanes(ItemComparison& item) const {
  const auto differ = [&](std::string kind, std::string text) {
    item.differences.push_back({Side::kRedis, std::move(kind), std::move(text), false});
  };
  const auto ids = totals_->ids();
  for (const auto& [lane, sequence] : item.redis.lanes) {
    if (sequence == 0 || ids.contains(lane)) continue;  // it was there, and has sold nothing
    differ("unknown_lane", "its shelf was also sold from through proxy.id " +
                               std::to_string(lane) + ", whose configuration is not given");
  }
  for (const auto& [lane, journal_id] : ids) {
    const uint64_t sequence = batch_of(item.redis.lanes, lane);
    const auto journal = item.redis.journals.find(lane);
    if (sequence != 0 && journal->second != std::to_string(journal_id)) {
      differ("foreign_journal", "proxy.id " + std::to_string(lane) +
                                    " has sold from its shelf with journal " + journal->second +
                                    "; the one given is " + std::to_string(journal_id));
    }
    judge_lane(item, lane, sequence);
  }
  return item.differences.empty() && item.unjournaled == 0;
}

void Comparer::judge_lane(ItemComparison& item, uint32_t lane, uint64_t sequence) const {
  const std::string proxy = "proxy.id " + std::to_string(lane);
  const uint64_t of_item = batch_of(item.journal.last_lane_sequence, lane);
  if (sequence < of_item) {
    RedisDifferences(item).add("behind", "is behind: batch " + std::to_string(sequence) + " of " +
                                             proxy + ", the journal has " +
                                             std::to_string(of_item) + waiting(item.redis));
    return;
  }
  const uint64_t journaled = totals_->lane_sequence(shelf_of(item.name), lane);
  if (sequence <= journaled) return;
  const auto batches = unjournaled(item, lane, journaled, sequence);
  if (!batches) {
    item.differences.push_back({Side::kRedis, "receipts",
                                "its shelf has applied batch " + std::to_string(sequence) +
                                    " of " + proxy + ", the journal ends at " +
                                    std::to_string(journaled) +
                                    ", and the receipts of the batches between are missing; "
                                    "see sluice-ctl journal verify",
                                false});
  } else if (*batches > 0) {
    item.unjournaled += *batches;
    item.notes.push_back("Redis has " + std::to_string(*batches) + " batches of " + proxy +
                         " that its journal lacks, with their receipts; the proxy completes the "
                         "journal when it starts");
  }
}

// How many of the batches above `from`, up to `to`, speak of the item, or seem to: its name is in
// their receipts. nullopt: a receipt is missing.
std::optional<uint64_t> Comparer::unjournaled(const ItemComparison& item, uint32_t lane,
                                              uint64_t from, uint64_t to) const {
  if (batch_of(item.redis.receipts, lane) < to - from) return std::nullopt;
  const auto found = receipts_.find({shelf_of(item.name), lane});
  const Receipts none;
  const Receipts& receipts = found == receipts_.end() ? none : found->second;
  uint64_t batches = 0;
  for (uint64_t sequence = from + 1; sequence <= to; ++sequence) {
    const auto receipt = receipts.find(sequence);
    // They were there when the item was read. Since then the journal has got this one.
    const bool is_trimmed = !receipts.empty() && sequence < receipts.begin()->first;
    if (!is_trimmed && (receipt == receipts.end() || receipt->second.empty())) return std::nullopt;
    batches += is_trimmed || receipt->second.find(item.name) != std::string::npos;
  }
  return batches;
}

}  // namespace sluice::ctl
