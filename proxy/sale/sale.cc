#include "proxy/sale/sale.h"

#include <future>

#include "proxy/sale/heartbeat.h"
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
          [this](size_t thread) -> upstream::RedisClient& { return coalescers_[thread]->redis(); },
          [this] { return ready(); }) {
  for (size_t i = 0; i < threads.size(); ++i) {
    const auto deliver = [this, i](const Operation& op, std::string_view reply) {
      if (op.thread == i) return op.sink->deliver(op.token, reply);
      inboxes_[op.thread]->push([sink = op.sink, token = op.token, reply = std::string(reply)] {
        sink->deliver(token, reply);
      });
    };
    coalescers_.push_back(
        std::make_unique<Coalescer>(*threads[i], *inboxes[i], redis, shared, sold_out_, deliver));
    coalescers_.back()->set_owner_test(
        [this, i](std::string_view item) { return owner_of(item) == i; });
  }
  heartbeat_ = std::make_unique<Heartbeat>(
      *threads[0], *inboxes[0], coalescers_[0]->redis(), shared, coalescers_.size(),
      [this](const std::function<void(Coalescer&)>& work) {
        for (size_t i = 0; i < coalescers_.size(); ++i) {
          inboxes_[i]->push([this, i, work] { work(*coalescers_[i]); });
        }
      });
  for (auto& coalescer : coalescers_) coalescer->set_heartbeat(*heartbeat_);
}

Sale::~Sale() = default;

size_t Sale::owner_of(std::string_view item) const { return name_hash(item) % coalescers_.size(); }

void Sale::know_item(const std::string& name, uint64_t journaled_batch, uint64_t journal_sequence) {
  coalescers_[owner_of(name)]->know_item(name, journaled_batch, journal_sequence);
}

void Sale::start() {
  for (size_t i = 0; i < coalescers_.size(); ++i) {
    inboxes_[i]->push([this, i] { coalescers_[i]->start(); });
  }
}

void Sale::stop() {
  std::vector<std::promise<void>> stopped(coalescers_.size());
  for (size_t i = 0; i < coalescers_.size(); ++i) {
    inboxes_[i]->push(
        [this, i, &stopped] { coalescers_[i]->stop([&stopped, i] { stopped[i].set_value(); }); });
  }
  for (std::promise<void>& each : stopped) each.get_future().wait();
}

bool Sale::ready() const {
  for (const auto& coalescer : coalescers_) {
    if (!coalescer->ready()) return false;
  }
  return true;
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
  const size_t owner = item_hash % coalescers_.size();
  if (owner == thread) return coalescers_[owner]->submit(std::move(op));
  auto moved = std::make_shared<Operation>(std::move(op));  // std::function wants copyable work
  inboxes_[owner]->push([this, owner, moved] { coalescers_[owner]->submit(std::move(*moved)); });
}

}  // namespace sluice::proxy::sale
