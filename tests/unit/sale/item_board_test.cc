#include "proxy/sale/item_board.h"

#include <gtest/gtest.h>

#include <map>

namespace sluice::proxy::sale {
namespace {

std::map<std::string, uint64_t> taken(ItemBoard& board) {
  std::map<std::string, uint64_t> all;
  for (const ItemBoard::Sold& sold : board.take()) all[sold.item] += sold.units;
  return all;
}

TEST(ItemBoard, AddsUpWhatAllThreadsHaveSoldAndBeginsAnew) {
  ItemBoard board;
  ItemBoard::Part &one = board.add_part(), &two = board.add_part();
  one.sold("phone", 3);
  two.sold("phone", 4);
  two.sold("radio", 1);
  EXPECT_EQ(taken(board), (std::map<std::string, uint64_t>{{"phone", 7}, {"radio", 1}}));
  EXPECT_TRUE(board.take().empty());
}

TEST(ItemBoard, KeepsTheBestSellersAmongAHundredThousandItems) {
  ItemBoard board;
  ItemBoard::Part& part = board.add_part();
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 10; ++i) part.sold("top" + std::to_string(i), 50);
    for (int i = 0; i < 1000; ++i) part.sold("item" + std::to_string(round * 1000 + i), 1);
  }
  const auto all = taken(board);
  EXPECT_LE(all.size(), 256U);
  for (int i = 0; i < 10; ++i) EXPECT_GT(all.at("top" + std::to_string(i)), 4000U) << i;
}

}  // namespace
}  // namespace sluice::proxy::sale
