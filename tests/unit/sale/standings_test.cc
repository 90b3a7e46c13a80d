#include "proxy/sale/standings.h"

#include <gtest/gtest.h>

#include <fstream>
#include <future>

#include "tests/unit/temp_folder.h"

namespace sluice::proxy::sale {
namespace {

class StandingsTest : public testing::Test {
 protected:
  std::unique_ptr<Standings> open() {
    auto opened = Standings::open(folder_.path(), base::posix_file_system(),
                                  [](const Error& error) { ADD_FAILURE() << error.message(); });
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    return opened ? std::move(*opened) : nullptr;
  }
  static void note(Standings& standings, uint32_t shelf, uint64_t epoch, uint64_t sequence) {
    std::promise<void> done;
    standings.note(shelf, epoch, sequence, [&done] { done.set_value(); });
    done.get_future().wait();
  }

  test::TempFolder folder_;
};

TEST_F(StandingsTest, WhatIsNotedIsThereAfterARestart) {
  {
    const auto standings = open();
    EXPECT_EQ(standings->of(3), "");
    note(*standings, 3, 100, 7);
    note(*standings, 3, 200, 9);
    note(*standings, 4, 150, 0);
    EXPECT_EQ(standings->of(3), "100:7 200:9");
  }
  const auto standings = open();
  EXPECT_EQ(standings->of(3), "100:7 200:9");
  EXPECT_EQ(standings->of(4), "150:0");
  EXPECT_EQ(standings->of(5), "");
  EXPECT_EQ(standings->forgotten(3), 0u);
}

TEST_F(StandingsTest, OfManyTheOldestAreForgottenAndThatIsKept) {
  const auto standings = open();
  for (uint64_t epoch = 1; epoch <= 40; ++epoch) note(*standings, 0, epoch, epoch);
  EXPECT_EQ(standings->forgotten(0), 9u);
  EXPECT_TRUE(standings->of(0).starts_with("9:9 10:10"));
}

TEST_F(StandingsTest, ADamagedFileIsRefused) {
  note(*open(), 3, 100, 7);
  std::fstream file(folder_.path() + "/standings", std::ios::in | std::ios::out);
  file.seekp(30);
  file.put('9');
  file.close();
  const auto opened =
      Standings::open(folder_.path(), base::posix_file_system(), [](const Error&) {});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().cls(), ErrorClass::kCorrupt);
}

}  // namespace
}  // namespace sluice::proxy::sale
