#include "base/secret.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/unit/temp_folder.h"

namespace sluice::base {
namespace {

TEST(SecretTest, TheFirstLineWithoutWhatEditorsAdd) {
  const test::TempFolder folder;
  const auto secret = Secret::open("x.file", folder.write("secret", "s3cret \r\nnot this\n"));
  ASSERT_TRUE(secret.ok());
  EXPECT_EQ((*secret)->value(), "s3cret");
}

TEST(SecretTest, AnotherOneIsReadAndWhatCannotBeReadChangesNothing) {
  const test::TempFolder folder;
  const auto secret = Secret::open("x.file", folder.write("secret", "one\n"));
  ASSERT_TRUE(secret.ok());
  EXPECT_FALSE(*(*secret)->reload());
  folder.write("secret", "two\n");
  EXPECT_TRUE(*(*secret)->reload());
  EXPECT_EQ((*secret)->value(), "two");
  folder.write("secret", "");  // as it is for a moment when it is written in place
  EXPECT_FALSE((*secret)->reload().ok());
  std::remove((folder / "secret").c_str());
  EXPECT_FALSE((*secret)->reload_and_tell());
  EXPECT_EQ((*secret)->value(), "two");
}

TEST(SecretTest, AFileThatIsNotThereIsNamedWithItsKey) {
  const auto secret = Secret::open("x.file", "/no/such/file");
  ASSERT_FALSE(secret.ok());
  EXPECT_EQ(secret.error().message(),
            "x.file: cannot read /no/such/file; it must hold the password in its first line");
}

}  // namespace
}  // namespace sluice::base
