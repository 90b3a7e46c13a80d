#include "proxy/sale/holds.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/decimal.h"
#include "journal/record.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/operation_text.h"
#include "proxy/sale/order_ids.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {
namespace {

// How late an order may expire for want of a look.
constexpr auto kTick = std::chrono::milliseconds(50);
// Expiries under way, so that purchases do not stand behind too many of them.
constexpr size_t kAskedMax = 4096;
// Fields that Redis looks at for one HSCAN: it is busy with them for about 0.1 ms.
constexpr std::string_view kScanCount = "500";

struct UnpaidOrder {
  uint64_t id = 0;
  std::string_view user;
};

// A field of a buyers hash (scripts/operations.lua); nullopt: of no order, or of one whose fate is
// known.
std::optional<UnpaidOrder> unpaid_order(std::string_view field, std::string_view value) {
  UnpaidOrder order;
  order.user = take_until(field, '/');
  std::string_view first = take_until(value, ';');
  take_until(first, ',');  // the quantity
  std::string_view id = field;
  if (field.empty()) {
    id = take_until(first, ',');
  } else if (take_until(id, '/') != "o") {
    return std::nullopt;
  }
  const bool has_fate = first.find(',') != first.npos;
  if (order.user.empty() || has_fate || !base::parse_decimal(id, order.id)) return std::nullopt;
  return order;
}

}  // namespace

Holds::Holds(upstream::IoThread& thread, upstream::RedisClient& redis, Shared& shared,
             ShelfMap& shelves, Submit submit)
    : redis_(redis),
      shared_(shared),
      shelves_(shelves),
      submit_(std::move(submit)),
      timer_(thread.context()) {}

void Holds::start() { schedule(); }

void Holds::stop() { timer_.cancel(); }

void Holds::schedule() {
  timer_.expires_after(kTick);
  timer_.async_wait([this](boost::system::error_code failure) {
    if (failure) return;
    tick();
    schedule();
  });
}

Holds::Item* Holds::find(const std::string& name) {
  if (items_.empty()) return nullptr;
  const auto found = items_.find(name);
  return found == items_.end() ? nullptr : &found->second;
}

Holds::Order* Holds::find(Item& item, uint64_t order_id) {
  const auto found =
      std::lower_bound(item.orders.begin(), item.orders.end(), order_id,
                       [](const Order& order, uint64_t id) { return order.id < id; });
  return found == item.orders.end() || found->id != order_id ? nullptr : &*found;
}

// ---- What the script's answers tell.

void Holds::applied(const Shelf& shelf, const std::vector<Operation>& operations,
                    const std::vector<ItemAnswer>& items, const std::vector<Verdict>& verdicts) {
  const bool any_held = std::any_of(items.begin(), items.end(),
                                    [](const ItemAnswer& item) { return item.now.hold_ms != 0; });
  if (!any_held && items_.empty()) return;
  const int64_t now_us = base::monotonic_us();
  Item* item = nullptr;
  size_t k = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    const bool is_next = i > 0 && op.item != operations[i - 1].item;
    k += is_next ? 1 : 0;
    if (i == 0 || is_next) {
      seen(shelf, op.item, items[k].now);
      item = find(op.item);
    }
    if (item == nullptr || !verdicts[i].accepted()) continue;
    if (op.verb == Verb::kBuy) bought(*item, op, now_us);
    if (op.verb == Verb::kPay || op.verb == Verb::kCancel) finish(*item, op.order_id);
  }
}

void Holds::seen(const Shelf& shelf, std::string_view name, const shelves::PackedItem& now) {
  const bool holds = now.hold_ms != 0 && now.state != shelves::PackedItem::State::kDeleting;
  if (!holds && items_.empty()) return;
  const auto found = items_.find(std::string(name));
  const bool is_known = found != items_.end() && found->second.born == now.born;
  if (is_known && holds) {
    found->second.hold_ms = now.hold_ms;
    return;
  }
  if (found != items_.end()) {
    forget(found->second);
    items_.erase(found);
  }
  if (!holds) return;
  Item& item = items_[std::string(name)];
  item.born = now.born;
  item.hold_ms = now.hold_ms;
  // Others may have bought before it was known here, or before it had a hold.
  item.scanning = true;
  scan(shelf.number, std::string(name), "0");
}

void Holds::bought(Item& item, const Operation& op, int64_t now_us) {
  Order order{op.order_id, now_us, State::kWaiting, op.user};
  const bool is_last = item.orders.empty() || item.orders.back().id < order.id;
  const auto at = is_last
                      ? item.orders.end()
                      : std::lower_bound(item.orders.begin(), item.orders.end(), order.id,
                                         [](const Order& one, uint64_t id) { return one.id < id; });
  if (!is_last && at->id == order.id) return;
  item.orders.insert(at, std::move(order));
  count(1);
}

void Holds::count(ptrdiff_t more) {
  unpaid_ += static_cast<size_t>(more);
  shared_.unpaid_orders.fetch_add(more, std::memory_order_relaxed);
}

void Holds::finish(Item& item, uint64_t order_id) {
  Order* order = find(item, order_id);
  if (order == nullptr || order->state == State::kDone) return;
  if (order->state == State::kAsked) --asked_;
  order->state = State::kDone;
  count(-1);
  order->user = {};
  while (!item.orders.empty() && item.orders.front().state == State::kDone) item.orders.pop_front();
}

void Holds::forget(Item& item) {
  while (!item.orders.empty()) {
    finish(item, item.orders.back().id);
    if (!item.orders.empty()) item.orders.pop_back();
  }
}

void Holds::answered(const Operation& op, const Verdict& verdict) {
  Item* item = find(op.item);
  if (item == nullptr) return;
  const size_t before = asked_;
  if (verdict.kind == Verdict::Kind::kHeld) {
    item->hold_ms = verdict.numbers[0];
    refused(op);
  } else {
    finish(*item, op.order_id);
  }
  // Before Redis has nothing to do.
  if (before > kAskedMax / 2 && asked_ <= kAskedMax / 2)
    ask_due(op.item, *item, base::monotonic_us());
}

void Holds::refused(const Operation& op) {
  Item* item = find(op.item);
  Order* order = item == nullptr ? nullptr : find(*item, op.order_id);
  if (order == nullptr || order->state != State::kAsked) return;
  order->state = State::kWaiting;
  --asked_;
}

// ---- Asking.

void Holds::tick() {
  // Another proxy was given up: what it left unpaid is looked for.
  const size_t peers = std::exchange(peers_, shared_.lanes->peers()).size();
  if (peers_.size() < peers) {
    for (const auto& shelf : shelves_) {
      if (shelf->state() == Shelf::State::kOpen) opened(*shelf);
    }
  }
  if (unpaid_ == 0) return;
  const int64_t now_us = base::monotonic_us();
  // A purchase that is refused at once changes nothing here: the map stays as it is meanwhile.
  for (auto& [name, item] : items_) {
    if (shelves_.of(name).state() == Shelf::State::kOpen) ask_due(name, item, now_us);
  }
}

void Holds::ask_due(const std::string& name, Item& item, int64_t now_us) {
  if (item.hold_ms == 0) return;
  const int64_t until_us = now_us - item.hold_ms * 1000;
  for (size_t i = 0; i < item.orders.size() && asked_ < kAskedMax; ++i) {
    Order& order = item.orders[i];
    if (order.state == State::kWaiting && order.bought_us > until_us) return;
    if (order.state != State::kWaiting) continue;
    order.state = State::kAsked;
    ++asked_;
    Operation op;
    op.verb = Verb::kExpire;
    op.item = name;
    op.user = order.user;
    op.order_id = order.id;
    op.quantity = (now_us - order.bought_us) / 1000;
    submit_(std::move(op));
  }
}

// ---- What Redis knows.

void Holds::opened(Shelf& shelf) {
  peers_ = shared_.lanes->peers();
  for (auto& [name, item] : items_) {
    if (&shelves_.of(name) != &shelf) continue;
    for (Order& order : item.orders) {
      if (order.state != State::kAsked) continue;
      order.state = State::kWaiting;
      --asked_;
    }
    item.scanning = true;
    item.scanned.clear();
    scan(shelf.number, name, "0");
  }
  look_for_items(shelf, "0");
}

void Holds::look_for_items(Shelf& shelf, std::string_view cursor) {
  redis_.call({"HSCAN", shelf.key, cursor, "COUNT", kScanCount},
              [this, &shelf](const Result<upstream::Reply>& reply) {
                if (!reply || reply->is_error() || reply->size() != 2) return;
                const upstream::Reply pairs = reply->at(1);
                for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
                  const auto item = shelves::unpack(pairs.at(i + 1).text());
                  if (item) seen(shelf, pairs.at(i).text(), *item);  // not the shelf's own fields
                }
                const std::string next(reply->at(0).text());
                if (next != "0" && shelf.state() == Shelf::State::kOpen)
                  look_for_items(shelf, next);
              });
}

void Holds::scan(uint32_t shelf, const std::string& name, std::string_view cursor) {
  redis_.call({"HSCAN", shelves::buyers_key(shelf, name), cursor, "COUNT", kScanCount},
              [this, shelf, name](const Result<upstream::Reply>& reply) {
                Item* item = find(name);
                if (item == nullptr || !item->scanning) return;
                // When the shelf opens again it is begun anew.
                if (!reply || reply->is_error() || reply->size() != 2) return;
                take_buyers(*item, reply->at(1));
                const std::string next(reply->at(0).text());
                next == "0" ? scanned(*item) : scan(shelf, name, next);
              });
}

void Holds::take_buyers(Item& item, const upstream::Reply& pairs) {
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const auto order = unpaid_order(pairs.at(i).text(), pairs.at(i + 1).text());
    if (!order || !is_ours(order->id) || find(item, order->id) != nullptr) continue;
    item.scanned.push_back(
        {order->id, bought_us(order->id, item.hold_ms), State::kWaiting, std::string(order->user)});
  }
}

// HSCAN may tell a field twice.
void Holds::scanned(Item& item) {
  item.scanning = false;
  std::vector<Order> found = std::exchange(item.scanned, {});
  const auto by_id = [](const Order& a, const Order& b) { return a.id < b.id; };
  const auto waited_for = [](const std::deque<Order>& orders) {
    return std::count_if(orders.begin(), orders.end(),
                         [](const Order& order) { return order.state != State::kDone; });
  };
  const ptrdiff_t before = waited_for(item.orders);
  std::sort(found.begin(), found.end(), by_id);
  std::deque<Order> all;
  std::merge(std::make_move_iterator(item.orders.begin()),
             std::make_move_iterator(item.orders.end()), std::make_move_iterator(found.begin()),
             std::make_move_iterator(found.end()), std::back_inserter(all), by_id);
  // Of two with one id the first one was known before.
  const auto end = std::unique(all.begin(), all.end(),
                               [](const Order& a, const Order& b) { return a.id == b.id; });
  all.erase(end, all.end());
  item.orders.swap(all);
  count(waited_for(item.orders) - before);
}

bool Holds::is_ours(uint64_t order_id) const {
  return shared_.order_ids->is_own(order_id) || !peers_.contains(OrderIds::proxy_of(order_id));
}

int64_t Holds::bought_us(uint64_t order_id, int64_t hold_ms) const {
  const int64_t age_ms = base::wall_ms() - journal::time_of_id(order_id);
  return base::monotonic_us() - std::clamp<int64_t>(age_ms, 0, hold_ms) * 1000;
}

}  // namespace sluice::proxy::sale
