#include "orders/order_status.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::orders {
namespace {

// In whatever order two journals are drained: what is over stays as it is and gives its quantity
// back once, and a payment does not keep an order from being cancelled.
TEST(OrderStatus, LeadsOnUntilItIsOver) {
  std::string moves;
  for (const OrderStatus before : kOrderStatuses) {
    for (const OrderStatus after : kOrderStatuses) {
      if (!leads_to(before, after)) continue;
      moves += std::string(word_of(before)) + " > " + std::string(word_of(after)) + "\n";
    }
  }
  EXPECT_EQ(moves,
            "placed > paid\n"
            "placed > cancelled\n"
            "placed > expired\n"
            "paid > cancelled\n"
            "paid > expired\n");
}

TEST(OrderStatus, WordsAreReadBack) {
  for (const OrderStatus status : kOrderStatuses)
    EXPECT_EQ(status_of_word(word_of(status)), status);
  EXPECT_EQ(status_of_word("Placed"), std::nullopt);
}

}  // namespace
}  // namespace sluice::orders
