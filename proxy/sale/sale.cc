#include "proxy/sale/sale.h"

#include <algorithm>
#include <future>

#include "base/clock.h"
#include "proxy/sale/replies.h"

namespace sluice::proxy::sale {

Sale::Sale(std::vector<std::unique_ptr<upstream::IoThread>>& threads,
           std::vector<std::unique_ptr<upstream::Inbox>>& inboxes, const upstream::Endpoint& redis,
           Shared& shared, FlusherPort& flusher)
    : threads_(threads),
      inboxes_(inboxes),
      shared_(shared),
      sold_out_(threads, inboxes, shared),
      operator_verbs_(
          inboxes, shared, flusher,
          [this](size_t thread) -> upstream::RedisClient& { return sellers_[thread]->redis(); },
          [this] { return ready(); }) {
  const auto wake_all = [this] {
    for (size_t i = 0; i < sellers_.size(); ++i)
      inboxes_[i]->push([this, i] { sellers_[i]->wake(); });
  };
  for (size_t i = 0; i < threads.size(); ++i) {
    const auto deliver = [this, i](const Operation& op, std::string_view reply) {
      if (op.thread == i) return op.sink->deliver(op.token, reply);
      inboxes_[op.thread]->push([sink = op.sink, token = op.token, reply = std::string(reply)] {
        sink->deliver(token, reply);
      });
    };
    sellers_.push_back(std::make_unique<SaleThread>(*threads[i], *inboxes[i], redis, shared,
                                                    flusher, threads.size(), sold_out_, deliver,
                                                    wake_all));
  }
}

Sale::~Sale() = default;

void Sale::know_shelf(uint32_t shelf, uint64_t lane_sequence, uint64_t journal_sequence) {
  shared_.selling.store(true, std::memory_order_relaxed);
  sellers_[shelf % sellers_.size()]->know_shelf(shelf, lane_sequence, journal_sequence);
}

void Sale::start() {
  for (size_t i = 0; i < sellers_.size(); ++i) {
    inboxes_[i]->push([this, i] { sellers_[i]->start(); });
  }
}

void Sale::stop() {
  std::vector<std::promise<void>> stopped(sellers_.size());
  for (size_t i = 0; i < sellers_.size(); ++i) {
    inboxes_[i]->push(
        [this, i, &stopped] { sellers_[i]->stop([&stopped, i] { stopped[i].set_value(); }); });
  }
  for (std::promise<void>& each : stopped) each.get_future().wait();
}

bool Sale::ready() const {
  if (shared_.veto.stands() || !shared_.clock.is_good(base::wall_ms())) return false;
  return std::all_of(sellers_.begin(), sellers_.end(),
                     [](const auto& seller) { return seller->ready(); });
}

std::string Sale::why_not_ready() const {
  if (std::string why = shared_.veto.why(); !why.empty()) return why;
  if (std::string fault = shared_.clock.fault(base::wall_ms()); !fault.empty()) return fault;
  for (const auto& seller : sellers_) {
    if (std::string why = seller->why_not_ready(); !why.empty()) return why;
  }
  return "";
}

ShelfReport Sale::report_of_shelves() const {
  ShelfReport all;
  for (const auto& seller : sellers_) all.add(seller->report_of_shelves());
  return all;
}

void Sale::execute(std::span<const std::string_view> args, size_t thread,
                   std::shared_ptr<ReplySink> sink, uint64_t token) {
  if (is_purchase(args[0])) {
    if (const auto purchase = parse_purchase(args))
      return route(to_operation(*purchase), thread, std::move(sink), token);
  }
  const CommandSpec* spec = find_command(args[0]);
  SLUICE_ASSERT(spec != nullptr, "execute() takes commands of the SECKILL family only");
  if (const Status arity = check_arity(*spec, args.size()); !arity) {
    return sink->deliver(token, error_reply("ERR", arity.error().message()));
  }
  if (spec->kind >= CommandKind::kList) {
    return operator_verbs_.operate(*spec, args, thread, std::move(sink), token);
  }
  auto op = parse_operation(*spec, args);
  if (!op) return sink->deliver(token, error_reply("ERR", op.error().message()));
  route(std::move(*op), thread, std::move(sink), token);
}

void Sale::route(Operation&& op, size_t thread, std::shared_ptr<ReplySink> sink, uint64_t token) {
  op.sink = std::move(sink);
  op.token = token;
  op.thread = thread;
  op.received_us = threads_[thread]->now_us();
  const uint64_t item_hash = name_hash(op.item);
  if (op.verb == Verb::kBuy) {
    op.under_way = shared_.under_way.purchase(item_hash, name_hash(op.user));
  } else if (writes(op.verb)) {
    op.under_way = shared_.under_way.change(item_hash);
  }
  const size_t owner = ShelfMap::owner_of(op.item, shared_.shelves, sellers_.size());
  if (owner == thread) return sellers_[owner]->submit(std::move(op));
  auto moved = std::make_shared<Operation>(std::move(op));  // std::function wants copyable work
  inboxes_[owner]->push([this, owner, moved] { sellers_[owner]->submit(std::move(*moved)); });
}

}  // namespace sluice::proxy::sale
