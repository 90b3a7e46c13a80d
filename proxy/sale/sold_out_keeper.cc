#include "proxy/sale/sold_out_keeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {
namespace {

using Kind = Verdict::Kind;

// Fields of a buyers hash that Redis looks at for one HSCAN: it is busy with them for about 0.1 ms.
constexpr std::string_view kScanCount = "500";
// After a load Redis is left in peace for so many times as long as it took.
constexpr int64_t kPauseFactor = 20;
// Buyers who may come after the load (a few cancels and returns) without another one.
constexpr uint64_t kRoomMin = 1024;
constexpr uint64_t kRoomPart = 4;  // of those who are there
constexpr int64_t kIdleUs = 60'000'000;
constexpr int64_t kRetryUs = 1'000'000;  // when there was no memory

// The order of the batch's operations is the order in which Redis decided them: what the last one
// that tells anything says of the stock holds when the batch is over.
enum class Says { kNothing, kSoldOut, kOther };

struct Finding {
  Says says = Says::kNothing;
  int64_t remaining = 0;
};

Finding last_word(std::span<const Operation> operations, std::span<const Verdict> verdicts) {
  for (size_t i = verdicts.size(); i-- > 0;) {
    const Verdict& verdict = verdicts[i];
    const Verb verb = operations[i].verb;
    if (!writes(verb) || verb == Verb::kPay) continue;  // which leaves stock and buyers as they are
    if (verdict.accepted()) return {Says::kOther, 0};
    if (verb != Verb::kBuy) continue;
    if (verdict.kind == Kind::kSoldOut) return {Says::kSoldOut, verdict.remaining};
    const bool is_of_the_buyer = verdict.kind == Kind::kRepeated ||
                                 verdict.kind == Kind::kCancelled || verdict.kind == Kind::kLimit;
    if (!is_of_the_buyer) return {Says::kOther, 0};
  }
  return {};
}

}  // namespace

void SoldOutKeeper::answered(const Shelf& shelf, const ShelfBatch& batch,
                             const CallAnswer& answer) {
  if (stopped_ || shared_.limits.sold_out_lease_us == 0) return;
  std::span<const Operation> operations = batch.operations;
  std::span<const Verdict> verdicts = answer.verdicts;
  for (const ItemAnswer& item : answer.items) {
    const size_t count = run_length(operations);
    answered(shelf,
             {operations.first(count), verdicts.first(count), item, shelf.epoch(), batch.sent_us});
    operations = operations.subspan(count);
    verdicts = verdicts.subspan(count);
  }
}

void SoldOutKeeper::answered(const Shelf& shelf, const Part& part) {
  const std::string& name = part.operations.front().item;
  const Finding finding = last_word(part.operations, part.verdicts);
  auto found = watches_.find(name);
  if (found == watches_.end()) {
    if (finding.says != Says::kSoldOut) return;
    found = watches_.emplace(name, std::make_unique<Watch>()).first;
    found->second->name = name;
    found->second->buyers_key = shelves::buyers_key(shelf.number, name);
    found->second->shelf = shelf.number;
  }
  Watch& watch = *found->second;
  if (watch.view && !follows(watch, part)) drop_view(watch);
  if (watch.view) add_buyers(watch, part);
  if (finding.says == Says::kSoldOut) {
    watch.renewed_us = part.sent_us;
    if (!watch.view) return load(watch, part, base::monotonic_us());
    if (watch.loaded) renew(*watch.view, finding.remaining, part.sent_us, part.item.ends_in_ms);
  } else if (watch.view && finding.says == Says::kOther) {
    watch.view->revoke();
  }
}

// Whether the filter had all buyers when the batch came.
bool SoldOutKeeper::follows(const Watch& watch, const Part& part) {
  return part.epoch == watch.epoch && part.item.now.born == watch.born &&
         part.item.fields_before == watch.fields && part.item.now.limit == watch.view->limit();
}

void SoldOutKeeper::add_buyers(Watch& watch, const Part& part) {
  watch.fields = part.item.now.fields;
  for (size_t i = 0; i < part.verdicts.size(); ++i) {
    if (part.operations[i].verb != Verb::kBuy || !part.verdicts[i].accepted()) continue;
    if (watch.room == 0) return drop_view(watch);
    --watch.room;
    watch.view->buyers().add(name_hash(part.operations[i].user));
  }
}

// What Redis said was true when it was asked or later, so the lease counts from then.
void SoldOutKeeper::renew(SoldOut& view, int64_t remaining, int64_t asked_us, int64_t ends_in_ms) {
  int64_t lease_us = shared_.limits.sold_out_lease_us;
  // Until the sale's end only, by Redis's clock, which it told in whole milliseconds.
  if (ends_in_ms >= 0) lease_us = std::min(lease_us, (ends_in_ms - 1) * 1000);
  if (lease_us <= 0) return view.revoke();
  view.renew(remaining, asked_us + lease_us / 2, asked_us + lease_us);
}

void SoldOutKeeper::load(Watch& watch, const Part& part, int64_t now_us) {
  if (!loading_.expired() || now_us < watch.next_load_us) return;
  const uint64_t room = part.item.now.fields / kRoomPart + kRoomMin;
  const size_t bytes = SoldOut::bytes_for(part.item.now.fields + room);
  if (shared_.sold_out_bytes.fetch_add(bytes) + bytes > shared_.limits.sold_out_bytes) {
    shared_.sold_out_bytes.fetch_sub(bytes);
    watch.next_load_us = now_us + kRetryUs;
    return;
  }
  watch.view = std::make_shared<SoldOut>(watch.name, part.item.now.limit,
                                         part.item.now.fields + room, shared_.sold_out_bytes);
  watch.loaded = false;
  watch.epoch = part.epoch;
  watch.born = part.item.now.born;
  watch.fields = part.item.now.fields;
  watch.room = room;
  watch.load_began_us = now_us;
  loading_ = watch.view;
  scan(watch, "0");
}

// Whoever is in the hash when the first chunk is asked for is in one of them; who comes later is
// added from the answers.
void SoldOutKeeper::scan(Watch& watch, std::string_view cursor) {
  redis_.call(
      {"HSCAN", watch.buyers_key, cursor, "COUNT", kScanCount},
      [this, &watch, scanning = std::weak_ptr(watch.view)](const Result<upstream::Reply>& reply) {
        // Else it was dropped meanwhile, and perhaps another load has begun.
        if (!scanning.expired() && reply) scanned(watch, *reply);
      });
}

void SoldOutKeeper::scanned(Watch& watch, const upstream::Reply& reply) {
  if (reply.is_error() || reply.size() != 2) return drop_view(watch);
  const upstream::Reply pairs = reply.at(1);
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const std::string_view field = pairs.at(i).text();
    // What has a '/' belongs to a user who has a field of his own.
    if (field.find('/') == field.npos) watch.view->buyers().add(name_hash(field));
  }
  const std::string_view cursor = reply.at(0).text();
  if (cursor != "0") return scan(watch, std::string(cursor));
  loaded(watch);
}

void SoldOutKeeper::loaded(Watch& watch) {
  const int64_t took_us = rest(watch, base::monotonic_us());
  watch.loaded = true;
  loading_.reset();
  board_.publish(watch.view);
  spdlog::debug("item {} is sold out: {} fields of its buyers loaded in {:.3f} s", watch.name,
                watch.fields, static_cast<double>(took_us) / 1e6);
}

// A load has ended, either way. Returns how long it took.
int64_t SoldOutKeeper::rest(Watch& watch, int64_t now_us) {
  const int64_t took_us = now_us - watch.load_began_us;
  watch.next_load_us = now_us + kPauseFactor * took_us;
  return took_us;
}

void SoldOutKeeper::drop_view(Watch& watch) {
  if (!watch.view) return;
  watch.view->revoke();
  if (watch.loaded) {
    board_.retire(watch.view);
  } else {
    rest(watch, base::monotonic_us());
  }
  watch.view.reset();
}

void SoldOutKeeper::drop(const Shelf& shelf) {
  for (const auto& [name, watch] : watches_) {
    if (watch->shelf == shelf.number) drop_view(*watch);
  }
}

void SoldOutKeeper::drop_all() {
  for (const auto& [name, watch] : watches_) drop_view(*watch);
}

void SoldOutKeeper::stop() {
  stopped_ = true;
  drop_all();
}

void SoldOutKeeper::forget_idle(int64_t now_us) {
  if (now_us < next_idle_look_us_) return;
  next_idle_look_us_ = now_us + kIdleUs / 6;
  for (auto each = watches_.begin(); each != watches_.end();) {
    Watch& watch = *each->second;
    if (now_us - watch.renewed_us < kIdleUs) {
      ++each;
      continue;
    }
    drop_view(watch);
    each = watches_.erase(each);
  }
}

}  // namespace sluice::proxy::sale
