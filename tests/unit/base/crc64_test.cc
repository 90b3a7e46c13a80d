#include "base/crc64.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::base {
namespace {

TEST(Crc64Test, KnownVectors) {
  EXPECT_EQ(crc64(""), 0u);
  EXPECT_EQ(crc64("123456789"), 0x995dc9bbdf1939faU);  // CRC-64/XZ
}

TEST(Crc64Test, ItIsCarriedOn) {
  const std::string text = "the journal is the arbiter";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc64(text.substr(cut), crc64(text.substr(0, cut))), crc64(text));
  }
}

}  // namespace
}  // namespace sluice::base
