#include "base/secret.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/unit/temp_folder.h"

namespace sluice::base {
namespace {

TEST(SecretTest, TheFirstLineWithoutWhatEditorsAdd) {
  const test::TempFolder folder;
  EXPECT_EQ(*read_secret("x.file", folder.write("secret", "\xef\xbb\xbf s3 cret \r\nnot this\n")),
            " s3 cret ")
      << "a blank may be its last character";
  EXPECT_EQ(*read_secret("x.file", folder.write("secret", "s3cret")), "s3cret");
  const std::string longest(1024, 'x');
  EXPECT_EQ(*read_secret("x.file", folder.write("secret", "\xef\xbb\xbf" + longest + "\r\n")),
            longest);
}

TEST(SecretTest, NoSecretIsAnErrorThatNamesItsFile) {
  const test::TempFolder folder;
  for (const std::string text : {"", "\n", " \t\r\nx\n", "\xef\xbb\xbf"}) {
    const auto secret = read_secret("x.file", folder.write("secret", text));
    ASSERT_FALSE(secret.ok());
    EXPECT_NE(secret.error().message().find("is empty"), std::string::npos);
  }
  const auto longer = read_secret("x.file", folder.write("secret", std::string(1025, 'x')));
  ASSERT_FALSE(longer.ok());
  EXPECT_NE(longer.error().message().find("longer than 1024 bytes"), std::string::npos);
  EXPECT_EQ(*read_secret("x.file", ""), "") << "none is configured";
  EXPECT_EQ(*Secret::open("x.file", ""), nullptr);
  EXPECT_FALSE(read_secret("x.file", folder / "").ok()) << "a folder";
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
            "x.file: cannot read /no/such/file; the secret is its first line");
}

}  // namespace
}  // namespace sluice::base
