// Replays every kept input of every fuzz target: one test a file, named TARGET.FILE. What a target
// asserts aborts the program; the test that was running is the input's name.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/targets.h"

namespace sluice::fuzz {
namespace {

struct NamedTarget {
  const char* name;
  void (*run)(std::string_view input);
};

constexpr NamedTarget kTargets[] = {
    {"config_reader", config_reader},       {"journal_decoder", journal_decoder},
    {"journal_folder", journal_folder},     {"purchase_command", purchase_command},
    {"reply_rewriter", reply_rewriter},     {"reply_scanner", reply_scanner},
    {"request_parser", request_parser},     {"users_file", users_file},
};

class Replay : public testing::Test {
 public:
  Replay(const NamedTarget& target, std::filesystem::path path)
      : target_(target), path_(std::move(path)) {}

  void TestBody() override {
    std::ifstream file(path_, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    ASSERT_TRUE(file.good() || file.eof()) << path_;
    target_.run(input);
  }

 private:
  const NamedTarget& target_;
  const std::filesystem::path path_;
};

// Registers the files of one folder; returns how many.
size_t register_folder(const NamedTarget& target, const char* kind) {
  const auto folder = std::filesystem::path(SLUICE_FUZZ_DIR) / kind / target.name;
  if (!std::filesystem::exists(folder)) return 0;
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = std::string(kind) + "/" + entry.path().filename().string();
    testing::RegisterTest(target.name, name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [&target, path = entry.path()] { return new Replay(target, path); });
    ++count;
  }
  return count;
}

// A folder that was renamed would otherwise go without being replayed, and nobody would notice.
class EveryTargetHasACorpus : public testing::Test {
 public:
  explicit EveryTargetHasACorpus(std::vector<std::string> empty) : empty_(std::move(empty)) {}
  void TestBody() override { EXPECT_EQ(empty_, std::vector<std::string>()); }

 private:
  const std::vector<std::string> empty_;
};

}  // namespace
}  // namespace sluice::fuzz

int main(int argc, char** argv) {
  using namespace sluice::fuzz;
  testing::InitGoogleTest(&argc, argv);
  std::vector<std::string> empty;
  for (const NamedTarget& target : kTargets) {
    if (register_folder(target, "corpus") == 0) empty.emplace_back(target.name);
    register_folder(target, "regressions");
  }
  testing::RegisterTest("Fuzz", "EveryTargetHasACorpus", nullptr, nullptr, __FILE__, __LINE__,
                        [empty] { return new EveryTargetHasACorpus(empty); });
  return RUN_ALL_TESTS();
}
