#include "shelves/packed_item.h"

#include <gtest/gtest.h>

#include <set>

#include "shelves/shelf_of.h"

namespace sluice::shelves {
namespace {

PackedItem example() {
  PackedItem item;
  item.stock = 10'000, item.sold = 17, item.fields = 18, item.early = 2;
  item.born = 0xfedc'ba98'7654'3210;
  item.initial = 9'000, item.limit = 3;
  item.start_ms = 1'900'000'000'123, item.end_ms = 1'900'000'600'456;
  item.hold_ms = 900'000, item.since_ms = 1'899'999'999'999;
  item.state = PackedItem::State::kClosed;
  return item;
}

TEST(PackedItem, ComesBackAsItWas) {
  const std::string packed = pack(example());
  ASSERT_EQ(packed.size(), kPackedItemBytes);
  const auto item = unpack(packed);
  ASSERT_TRUE(item.ok());
  EXPECT_EQ(*item, example());
}

TEST(PackedItem, EveryByteThatIsEditedShows) {
  const std::string packed = pack(example());
  for (size_t i = 0; i < packed.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string edited = packed;
      edited[i] = static_cast<char>(edited[i] ^ (1 << bit));
      EXPECT_FALSE(unpack(edited).ok()) << "byte " << i << ", bit " << bit;
    }
  }
}

TEST(PackedItem, AnotherLengthIsNoItem) {
  const std::string packed = pack(example());
  EXPECT_FALSE(unpack("").ok());
  EXPECT_FALSE(unpack(packed.substr(1)).ok());
  EXPECT_FALSE(unpack(packed + '\0').ok());
}

// Stock given to another item: two numbers that change by the same amount have other weights.
TEST(PackedItem, NumbersThatChangedPlacesShow) {
  PackedItem swapped = example();
  std::swap(swapped.stock, swapped.initial);
  std::string packed = pack(example());
  packed.replace(0, kPackedItemBytes - 8, pack(swapped).substr(0, kPackedItemBytes - 8));
  EXPECT_FALSE(unpack(packed).ok());
}

TEST(ShelfOf, SpreadsItemsAndNeverChanges) {
  // Another value would look for every item on another shelf than it is on.
  EXPECT_EQ(shelf_of("phone", 64), 0x269ef106u % 64);
  std::set<uint32_t> used;
  for (int i = 0; i < 1000; ++i) used.insert(shelf_of("item-" + std::to_string(i), 64));
  EXPECT_EQ(used.size(), 64u);
  EXPECT_EQ(*used.rbegin(), 63u);
}

}  // namespace
}  // namespace sluice::shelves
