// Where every I/O thread finds the items that are known to be sold out, and refuses their
// purchases: the whole way of such a purchase, from the session and back to it.
//
//   owner thread of the item: publish(), retire() ──inbox──► one table a thread ◄── refusal()
//
// Each thread has a table of its own, so that looking an item up takes no lock and shares no line
// with others. Which of the two a purchase meets while a table is being changed does not matter:
// what is retired has been revoked before.
//
// Owned by the sale, constant but for the tables; each belongs to its thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/sale/shared.h"
#include "proxy/sale/sold_out.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/io_thread.h"

namespace sluice::proxy::sale {

class SoldOutBoard {
 public:
  SoldOutBoard(std::vector<std::unique_ptr<upstream::IoThread>>& threads,
               std::vector<std::unique_ptr<upstream::Inbox>>& inboxes, Shared& shared);
  ~SoldOutBoard();

  // From any thread. In place of what was published for the item before.
  void publish(const std::shared_ptr<SoldOut>& item);
  void retire(const std::shared_ptr<SoldOut>& item);

  // The reply to a SECKILL command that is the purchase of an item known to be sold out and can
  // only be refused; empty for all others. On the thread of this index; valid until its next call.
  std::string_view refusal(std::span<const std::string_view> args, size_t thread) {
    Table& table = *tables_[thread];
    return table.items.empty() ? std::string_view() : refusal(args, table);
  }

 private:
  struct NameHash {
    using is_avalanching = void;
    size_t operator()(std::string_view name) const { return name_hash(name); }
  };

  // One line each, at least: they change all the time. Counts what is refused and passes it on once
  // a turn.
  struct alignas(64) Table final : upstream::TurnTask {
    Table(upstream::IoThread& owner, SaleMetrics& counted) : thread(owner), metrics(counted) {}
    void turn_ended() override;

    upstream::IoThread& thread;
    SaleMetrics& metrics;
    boost::unordered_flat_map<std::string_view, std::shared_ptr<SoldOut>, NameHash> items;
    uint64_t refused = 0;
    int64_t told_remaining = -1;
    std::string reply;  // with told_remaining
  };

  std::string_view refusal(std::span<const std::string_view> args, Table& table);

  std::vector<std::unique_ptr<upstream::Inbox>>& inboxes_;
  Shared& shared_;
  std::vector<std::unique_ptr<Table>> tables_;
};

}  // namespace sluice::proxy::sale
