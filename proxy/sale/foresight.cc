#include "proxy/sale/foresight.h"

#include <algorithm>

namespace sluice::proxy::sale {
namespace {

constexpr char kFirstBuy = static_cast<char>(Verb::kBuy);

// Whether an item accepts so many, none of which is more than `most`.
bool has_room(const shelves::PackedItem& item, uint64_t units, int64_t most, int64_t time_ms) {
  return item.state == shelves::PackedItem::State::kOpen && item.start_ms <= time_ms &&
         (item.end_ms == 0 || time_ms < item.end_ms) && item.sold + units <= item.stock &&
         (item.limit == 0 || most <= item.limit);
}

}  // namespace

void Foresight::foresee(ShelfBatch& batch, std::string_view kinds) {
  if (items_.size() >= kItemsMax) forget();
  batch.times_forgotten = times_forgotten_;
  batch.forecasts.clear();
  std::span<const Operation> operations = batch.operations;
  while (!operations.empty()) {
    const size_t count = run_length(operations);
    batch.forecasts.push_back(
        forecast(operations.first(count), kinds.substr(0, count), batch.time_ms));
    operations = operations.subspan(count);
    kinds.remove_prefix(count);
  }
}

ItemForecast Foresight::forecast(std::span<const Operation> operations, std::string_view kinds,
                                 int64_t time_ms) {
  Known& known = items_[operations.front().item];
  ItemForecast forecast;
  forecast.only_first_buys = kinds.find_first_not_of(kFirstBuy) == kinds.npos;
  if (!forecast.only_first_buys) {
    ++known.others;
    return forecast;
  }
  int64_t units = 0, most = 0;
  for (const Operation& op : operations) {
    units += op.quantity;
    most = std::max(most, op.quantity);
  }
  forecast.units = static_cast<uint32_t>(units);
  forecast.buyers = static_cast<uint32_t>(operations.size());
  forecast.before = known.item;
  forecast.before.sold += known.units;
  forecast.before.fields += known.buyers;
  const bool is_known = known.item.born != 0 && known.others == 0;
  forecast.foreseen =
      is_known && has_room(forecast.before, static_cast<uint64_t>(units), most, time_ms);
  known.units += forecast.units;
  known.buyers += forecast.buyers;
  return forecast;
}

void Foresight::answered(const ShelfBatch& batch, const std::vector<ItemAnswer>& items) {
  if (batch.times_forgotten != times_forgotten_) return;
  std::span<const Operation> operations = batch.operations;
  for (size_t k = 0; k < items.size(); ++k) {
    const auto found = items_.find(operations.front().item);
    operations = operations.subspan(run_length(operations));
    if (found == items_.end()) continue;
    Known& known = found->second;
    const ItemForecast& forecast = batch.forecasts[k];
    if (forecast.only_first_buys) {
      known.units -= forecast.units;
      known.buyers -= forecast.buyers;
    } else {
      --known.others;
    }
    known.item = items[k].now;
    const bool is_free = known.item.born == 0 && known.buyers == 0 && known.others == 0;
    if (is_free) items_.erase(found);
  }
}

void Foresight::forget() {
  items_.clear();
  ++times_forgotten_;
}

}  // namespace sluice::proxy::sale
