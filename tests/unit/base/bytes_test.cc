#include "base/bytes.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sluice::base {
namespace {

constexpr size_t kMiB = 1024 * 1024;

TEST(Bytes, HoldsWhatWasAppendedLessWhatWasErased) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    Bytes bytes;
    std::string model;
    for (int step = 0; step < 100; ++step) {
      if (random() % 3 > 0) {
        const std::string part(random() % 3000, static_cast<char>(random()));
        bytes.append(part);
        model += part;
      } else {
        const size_t n = random() % (model.size() + 1);
        bytes.erase_front(n);
        model.erase(0, n);
      }
      ASSERT_EQ(std::string_view(bytes), model) << "seed " << seed;
      ASSERT_LE(bytes.size(), bytes.capacity());
    }
  }
}

TEST(Bytes, ALargeBufferTakesLittleMoreThanItHolds) {
  Bytes bytes;
  const std::string part(64 * 1024, 'x');
  while (bytes.size() < 64 * kMiB) bytes.append(part);
  EXPECT_LE(bytes.capacity(), 64 * kMiB * 9 / 8);
}

TEST(Bytes, MemoryGoesBackWhenLittleIsLeft) {
  Bytes bytes;
  const std::string part(64 * 1024, 'x');
  while (bytes.size() < 64 * kMiB) bytes.append(part);
  while (bytes.size() > kMiB) bytes.erase_front(part.size());
  EXPECT_LE(bytes.capacity(), 64 * kMiB / 8 * 9 / 8);
  bytes.release();
  EXPECT_EQ(bytes.capacity(), 0u);
  EXPECT_TRUE(bytes.empty());
}

TEST(Bytes, AnEmptiedBufferKeepsItsMemoryForTheNextBytes) {
  Bytes bytes;
  bytes.append("abc");
  const size_t capacity = bytes.capacity();
  bytes.erase_front(3);
  EXPECT_TRUE(bytes.empty());
  bytes.append("def");
  EXPECT_EQ(bytes.capacity(), capacity);
  EXPECT_EQ(std::string_view(bytes), "def");
}

}  // namespace
}  // namespace sluice::base
