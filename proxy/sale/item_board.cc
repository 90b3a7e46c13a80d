#include "proxy/sale/item_board.h"

#include <utility>

#include "proxy/sale/buyer_filter.h"

namespace sluice::proxy::sale {

void ItemBoard::Part::sold(std::string_view item, uint64_t units) {
  const uint64_t hash = name_hash(item);
  const std::lock_guard lock(mutex_);
  Sold* least = nullptr;
  for (size_t i = 0; i < kTries; ++i) {
    Sold& place = places_[(hash + i) % kPlaces];
    if (place.units > 0 && place.item == item) {
      place.units += units;
      return;
    }
    if (least == nullptr || place.units < least->units) least = &place;
  }
  least->item = item;
  least->units = units;
}

void ItemBoard::Part::move_to(std::vector<Sold>& all) {
  const std::lock_guard lock(mutex_);
  for (Sold& place : places_) {
    if (place.units > 0) all.push_back({place.item, std::exchange(place.units, 0)});
  }
}

ItemBoard::Part& ItemBoard::add_part() {
  const std::lock_guard lock(mutex_);
  return *parts_.emplace_back(std::make_unique<Part>());
}

std::vector<ItemBoard::Sold> ItemBoard::take() {
  std::vector<Sold> all;
  const std::lock_guard lock(mutex_);
  for (const auto& part : parts_) part->move_to(all);
  return all;
}

}  // namespace sluice::proxy::sale
