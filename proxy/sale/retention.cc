#include "proxy/sale/retention.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "journal/record.h"
#include "shelves/packed_item.h"

namespace sluice::proxy::sale {
namespace {

// Fields that Redis looks at for one HSCAN: it is busy with them for about 0.1 ms.
constexpr std::string_view kScanCount = "200";

// Since when nobody can buy it any more, ms since 1970; INT64_MAX: somebody can.
int64_t over_since_ms(const shelves::PackedItem& item) {
  int64_t since_ms = INT64_MAX;
  if (item.state != shelves::PackedItem::State::kOpen) since_ms = item.since_ms;
  if (item.end_ms != 0) since_ms = std::min(since_ms, item.end_ms);
  return since_ms;
}

}  // namespace

Retention::Retention(upstream::IoThread& thread, upstream::RedisClient& redis, Shared& shared,
                     ShelfMap& shelves, ShelfEvents& events)
    : redis_(redis), shared_(shared), shelves_(shelves), events_(events),
      timer_(thread.context()) {}

void Retention::start() { schedule(); }

void Retention::stop() { timer_.cancel(); }

void Retention::schedule() {
  const auto turns = static_cast<int64_t>(std::max<size_t>(shelves_.size(), 1));
  timer_.expires_after(std::chrono::microseconds(shared_.limits.retention_round_us / turns));
  timer_.async_wait([this](boost::system::error_code failure) {
    if (failure) return;
    if (shelves_.size() > 0) {
      Shelf& shelf = **(shelves_.begin() + static_cast<ptrdiff_t>(next_++ % shelves_.size()));
      if (shelf.state() == Shelf::State::kOpen) look(shelf, "0");
    }
    schedule();
  });
}

void Retention::look(Shelf& shelf, std::string_view cursor) {
  redis_.call({"HSCAN", shelf.key, cursor, "COUNT", kScanCount},
              [this, &shelf](const Result<upstream::Reply>& reply) {
                if (!reply || reply->is_error() || reply->size() != 2) return;
                const upstream::Reply pairs = reply->at(1);
                for (size_t i = 0; i + 1 < pairs.size(); i += 2)
                  look_at(shelf, pairs.at(i).text(), pairs.at(i + 1).text());
                const std::string next(reply->at(0).text());
                if (next != "0" && shelf.state() == Shelf::State::kOpen) look(shelf, next);
              });
}

void Retention::look_at(Shelf& shelf, std::string_view item, std::string_view packed) {
  const auto found = shelves::unpack(packed);  // the shelf's own fields are none
  if (found) events_.seen(shelf, item, *found);
  if (!found || std::to_string(journal::proxy_of_id(found->born)) != shared_.lane) return;
  const int64_t until_ms = base::wall_ms() - 2 * shared_.limits.retain_ms;
  if (over_since_ms(*found) <= until_ms) events_.deleting(shelf, std::string(item));
}

}  // namespace sluice::proxy::sale
