#include "proxy/sale/sold_out_board.h"

#include "base/clock.h"
#include "proxy/sale/command.h"
#include "proxy/sale/replies.h"

namespace sluice::proxy::sale {

SoldOutBoard::SoldOutBoard(std::vector<std::unique_ptr<upstream::IoThread>>& threads,
                           std::vector<std::unique_ptr<upstream::Inbox>>& inboxes, Shared& shared)
    : inboxes_(inboxes), shared_(shared) {
  for (auto& thread : threads) tables_.push_back(std::make_unique<Table>(*thread, *shared.metrics));
}

SoldOutBoard::~SoldOutBoard() {
  for (auto& table : tables_) table->thread.forget(*table);
}

void SoldOutBoard::publish(const std::shared_ptr<SoldOut>& item) {
  for (size_t i = 0; i < tables_.size(); ++i) {
    inboxes_[i]->push([table = tables_[i].get(), item] {
      // The key is part of the value: an old one must not stay.
      table->items.erase(item->item());
      table->items.emplace(item->item(), item);
    });
  }
}

void SoldOutBoard::retire(const std::shared_ptr<SoldOut>& item) {
  for (size_t i = 0; i < tables_.size(); ++i) {
    inboxes_[i]->push([table = tables_[i].get(), item] {
      const auto found = table->items.find(item->item());
      if (found != table->items.end() && found->second == item) table->items.erase(found);
    });
  }
}

std::string_view SoldOutBoard::refusal(std::span<const std::string_view> args, Table& table) {
  if (args.size() < 3 || !is_purchase(args[0])) return {};
  const auto found = table.items.find(args[1]);
  if (found == table.items.end()) return {};
  SoldOut& item = *found->second;
  const auto purchase = parse_purchase(args);
  if (!purchase || shared_.intake_paused.load(std::memory_order_relaxed)) return {};
  if (shared_.slow_log.notes_everything()) return {};
  // It may have been accepted by another proxy a moment ago, and must then get its order.
  if (!purchase->request.empty() && !shared_.lanes->alone()) return {};
  const uint64_t user_hash = name_hash(purchase->user);
  // Before the item is looked at: what an operation has changed shows once it is not under way.
  if (shared_.under_way.any(item.item_hash(), user_hash)) return {};
  const auto remaining = item.remaining_for(user_hash, purchase->quantity, base::monotonic_us());
  if (!remaining) return {};
  if (*remaining != table.told_remaining) {
    table.reply = sold_out_reply(*remaining);
    table.told_remaining = *remaining;
  }
  if (table.refused++ == 0) table.thread.at_turn_end(table);
  return table.reply;
}

void SoldOutBoard::Table::turn_ended() {
  metrics.soldout.add(refused);
  metrics.soldout_at_once.add(refused);
  metrics.purchase_seconds.observe(0, refused);
  refused = 0;
}

}  // namespace sluice::proxy::sale
