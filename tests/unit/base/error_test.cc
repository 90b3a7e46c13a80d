#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace sluice::base {
namespace {

Status fail_if(bool fail) {
  if (fail) return Error(ErrorClass::kInvalid, "inner");
  return {};
}

Result<int> seven_unless(bool fail) {
  SLUICE_TRY(fail_if(fail));
  return 7;
}

TEST(ErrorTest, TryHandsTheErrorUpwards) {
  EXPECT_EQ(*seven_unless(false), 7);
  EXPECT_EQ(seven_unless(true).error().message(), "inner");
}

TEST(ErrorTest, ThePlaceIsPutInFront) {
  const Error error = Error(ErrorClass::kCorrupt, "what").at("where");
  EXPECT_EQ(error.cls(), ErrorClass::kCorrupt);
  EXPECT_EQ(error.message(), "where: what");
}

TEST(ErrorTest, AFullDiskIsToldFromABrokenOne) {
  EXPECT_EQ(errno_error(ENOSPC, "write a").cls(), ErrorClass::kNoSpace);
  EXPECT_EQ(errno_error(EDQUOT, "write a").cls(), ErrorClass::kNoSpace);
  EXPECT_EQ(errno_error(EIO, "write a").cls(), ErrorClass::kIo);
  EXPECT_EQ(errno_error(EIO, "write a").message(), "write a: Input/output error");
}

TEST(ErrorTest, AResultHoldsMoveOnlyValues) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(3));
  ASSERT_TRUE(result);
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 3);
}

TEST(ErrorDeathTest, AnAssertionTellsWhereAndWhy) {
  EXPECT_DEATH(SLUICE_ASSERT(1 > 2, "numbers"), "error_test.cc.*assertion failed: 1 > 2: numbers");
}

}  // namespace
}  // namespace sluice::base
