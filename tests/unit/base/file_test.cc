// The real file system behind the seam.
#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "tests/unit/temp_folder.h"

namespace sluice::base {
namespace {

using testing::HasSubstr;

class FileTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }

  const test::TempFolder folder_;
  const std::string dir_ = folder_.path();
  FileSystem& fs_ = posix_file_system();
};

TEST_F(FileTest, WhatIsWrittenIsReadAndTheEndIsShort) {
  auto file = *fs_.open(path("a"), OpenMode::kCreate);
  ASSERT_TRUE(file->pwrite(3, "hello").ok());
  ASSERT_TRUE(file->sync().ok());
  EXPECT_EQ(*file->size(), 8u);
  std::string buffer(10, 'x');
  EXPECT_EQ(*file->pread(0, buffer.data(), buffer.size()), 8u);
  EXPECT_EQ(buffer.substr(0, 8), std::string("\0\0\0hello", 8));
  EXPECT_EQ(*file->pread(8, buffer.data(), buffer.size()), 0u);
  ASSERT_TRUE(file->truncate(4).ok());
  EXPECT_EQ(*file->size(), 4u);
  ASSERT_TRUE(file->close().ok());
  EXPECT_FALSE(file->size().ok());
}

TEST_F(FileTest, ModesSayWhatMustAndMustNotExist) {
  EXPECT_EQ(fs_.open(path("a"), OpenMode::kRead).error().cls(), ErrorClass::kNotFound);
  EXPECT_EQ(fs_.open(path("a"), OpenMode::kReadWrite).error().cls(), ErrorClass::kNotFound);
  EXPECT_TRUE(fs_.open(path("a"), OpenMode::kCreate).ok());
  const auto again = fs_.open(path("a"), OpenMode::kCreate);
  EXPECT_EQ(again.error().cls(), ErrorClass::kExists);
  EXPECT_THAT(again.error().message(), HasSubstr(path("a")));
  ASSERT_TRUE(write_file(fs_, path("a"), "long content").ok());
  EXPECT_EQ(*(*fs_.open(path("a"), OpenMode::kReadWrite))->size(), 12u);
  EXPECT_EQ(*(*fs_.open(path("a"), OpenMode::kReplace))->size(), 0u);
  auto read_only = *fs_.open(path("a"), OpenMode::kRead);
  EXPECT_FALSE(read_only->pwrite(0, "x").ok());
  EXPECT_TRUE(read_only->sync().ok()) << "the reader syncs what it only reads";
}

TEST_F(FileTest, AllocatedRoomIsZerosAndKeepsWhatWasWritten) {
  auto file = *fs_.open(path("a"), OpenMode::kCreate);
  ASSERT_TRUE(file->pwrite(0, "head").ok());
  ASSERT_TRUE(file->allocate(1 << 20).ok());
  EXPECT_EQ(*file->size(), size_t{1} << 20);
  std::string bytes = *read_file(fs_, path("a"), 1 << 20);
  EXPECT_EQ(bytes.substr(0, 4), "head");
  EXPECT_EQ(bytes.find_first_not_of('\0', 4), std::string::npos);
}

TEST_F(FileTest, AFullDiskIsToldFromABrokenOne) {
  auto full = *fs_.open("/dev/full", OpenMode::kReadWrite);
  const Status written = full->pwrite(0, "x");
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().cls(), ErrorClass::kNoSpace);
  EXPECT_THAT(written.error().message(), HasSubstr("/dev/full"));
  EXPECT_GT(*fs_.free_bytes(dir_), 0u);
}

TEST_F(FileTest, FoldersAreListedSorted) {
  ASSERT_TRUE(fs_.make_dir(path("z-dir")).ok());
  EXPECT_TRUE(fs_.make_dir(path("z-dir")).ok()) << "one that exists is fine";
  ASSERT_TRUE(write_file(fs_, path("b"), "22").ok());
  ASSERT_TRUE(write_file(fs_, path("a"), "1").ok());
  EXPECT_FALSE(fs_.make_dir(path("a")).ok()) << "a file is in the way";
  const auto entries = *fs_.list(dir_);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[0].bytes, 1u);
  EXPECT_EQ(entries[1].name, "b");
  EXPECT_FALSE(entries[1].is_directory);
  EXPECT_EQ(entries[2].name, "z-dir");
  EXPECT_TRUE(entries[2].is_directory);
  EXPECT_EQ(fs_.list(path("none")).error().cls(), ErrorClass::kNotFound);
}

TEST_F(FileTest, RenameReplacesAndRemoveTellsOfNothingThere) {
  ASSERT_TRUE(write_file(fs_, path("a"), "new").ok());
  ASSERT_TRUE(write_file(fs_, path("b"), "old").ok());
  ASSERT_TRUE(fs_.rename(path("a"), path("b")).ok());
  EXPECT_TRUE(fs_.sync_dir(dir_).ok());
  EXPECT_EQ(*read_file(fs_, path("b"), 10), "new");
  EXPECT_TRUE(fs_.remove(path("b")).ok());
  EXPECT_EQ(fs_.remove(path("b")).error().cls(), ErrorClass::kNotFound);
}

TEST_F(FileTest, AFileLargerThanAllowedIsNotRead) {
  ASSERT_TRUE(write_file(fs_, path("a"), "12345").ok());
  EXPECT_EQ(*read_file(fs_, path("a"), 5), "12345");
  EXPECT_EQ(read_file(fs_, path("a"), 4).error().cls(), ErrorClass::kInvalid);
}

TEST_F(FileTest, ALockHeldByAnotherProcessIsRefusedWithItsIdAndEndsWithIt) {
  int ready[2], finish[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(finish), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto held = fs_.lock(path("LOCK"));
    char byte = held ? 'y' : 'n';
    (void)!::write(ready[1], &byte, 1);
    (void)!::read(finish[0], &byte, 1);
    ::_exit(0);  // without unlocking, as a killed process would
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  auto refused = fs_.lock(path("LOCK"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().cls(), ErrorClass::kExists);
  EXPECT_THAT(refused.error().message(), HasSubstr("process " + std::to_string(child)));
  ASSERT_EQ(::write(finish[1], "x", 1), 1);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  auto held = fs_.lock(path("LOCK"));
  ASSERT_TRUE(held.ok());
  EXPECT_FALSE(fs_.lock(path("LOCK")).ok()) << "also within one process";
  held->reset();
  EXPECT_TRUE(fs_.lock(path("LOCK")).ok());
  for (const int fd : {ready[0], ready[1], finish[0], finish[1]}) ::close(fd);
}

}  // namespace
}  // namespace sluice::base
