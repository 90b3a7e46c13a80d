// What has become of an order, as its row says.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "journal/record.h"

namespace sluice::orders {

enum class OrderStatus : uint8_t { kPlaced, kPaid, kCancelled, kExpired };

inline constexpr OrderStatus kOrderStatuses[] = {OrderStatus::kPlaced, OrderStatus::kPaid,
                                                 OrderStatus::kCancelled, OrderStatus::kExpired};

// "placed", "paid", "cancelled", "expired".
constexpr std::string_view word_of(OrderStatus status) {
  constexpr std::string_view kWords[] = {"placed", "paid", "cancelled", "expired"};
  return kWords[static_cast<size_t>(status)];
}
constexpr std::optional<OrderStatus> status_of_word(std::string_view word) {
  for (const OrderStatus status : kOrderStatuses) {
    if (word_of(status) == word) return status;
  }
  return std::nullopt;
}

// The order's quantity counts as sold.
constexpr bool is_live(OrderStatus status) {
  return status == OrderStatus::kPlaced || status == OrderStatus::kPaid;
}

// Whether an order in the state `before` goes on to `after`: in whatever order two journals are
// drained, a payment holds until the order is cancelled all the same, and what is over stays so.
constexpr bool leads_to(OrderStatus before, OrderStatus after) {
  return is_live(before) && (after != OrderStatus::kPlaced) &&
         (before == OrderStatus::kPlaced || !is_live(after));
}

// The status that a record of an order leads to.
constexpr OrderStatus status_after(journal::RecordType type) {
  switch (type) {
    case journal::RecordType::kPay:
      return OrderStatus::kPaid;
    case journal::RecordType::kCancel:
    case journal::RecordType::kRefund:
      return OrderStatus::kCancelled;
    case journal::RecordType::kExpire:
      return OrderStatus::kExpired;
    default:
      return OrderStatus::kPlaced;
  }
}

}  // namespace sluice::orders
