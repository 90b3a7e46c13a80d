// sluice-ctl journal: exit codes, what it prints, and that every line of a dump is JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "ctl/commands.h"
#include "ctl/record_json.h"
#include "journal/compactor.h"
#include "journal/group_commit.h"
#include "journal/recovery.h"
#include "journal/segment.h"
#include "journal_files.h"
#include "tests/unit/temp_folder.h"

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using journal::Record;
using journal::RecordType;
using testing::HasSubstr;

class JournalCommandTest : public testing::Test {
 protected:
  // Runs it and keeps what it printed in out_ and err_.
  int run(const std::vector<std::string>& args) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = journal_command(args);
    std::fflush(stdout);
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }
  std::vector<json::object> lines() const {
    std::vector<json::object> objects;
    std::istringstream in(out_);
    for (std::string line; std::getline(in, line);) {
      objects.push_back(json::parse(line).as_object());
    }
    return objects;
  }
  void write(const std::vector<Record>& records) { write_journal(dir_, records); }

  const test::TempFolder folder_;
  const std::string dir_ = folder_ / "journal";
  std::string out_, err_;
};

Record buy(std::string_view fields) {
  Record record;
  record.time_ms = 1'700'000'000'000;
  record.lane_sequence = 9;
  record.item = "phone";
  record.user = "alice";
  record.request = "r1";
  record.order_id = 18'000'000'000'000'000'001u;
  record.quantity = 2;
  record.fields = fields;
  return record;
}

TEST_F(JournalCommandTest, ADumpIsOneJsonObjectARecordWhateverTheBytes) {
  std::string fields;
  journal::append_field(fields, "note", "a \"quoted\" line\nand a second\t\x01");
  journal::append_field(fields, "name", "Grüße, 世界 😀");
  journal::append_field(fields, "blob", std::string("\xff\x00\xfe", 3));
  journal::append_field(fields, "lone", "\xed\xa0\x80");
  journal::append_field(fields, "over", "\xc0\xaf");
  Record create;
  create.type = RecordType::kCreate;
  create.item = "phone";
  create.quantity = 100;
  create.limit = 1;
  create.end_ms = 5;
  Record close;
  close.type = RecordType::kClose;
  close.item = "phone";
  write({create, buy(fields), close});
  ASSERT_EQ(run({"dump", dir_}), 0) << err_;
  const auto objects = lines();
  ASSERT_EQ(objects.size(), 3u);
  EXPECT_EQ(objects[0].at("type"), "create");
  EXPECT_EQ(objects[0].at("limit"), 1);
  EXPECT_EQ(objects[0].at("quantity"), 100);
  EXPECT_FALSE(objects[0].contains("user"));
  const json::object& sold = objects[1];
  EXPECT_EQ(sold.at("sequence"), 2);
  EXPECT_EQ(sold.at("order_id"), "18000000000000000001")
      << "a string: JavaScript has no such number";
  EXPECT_EQ(sold.at("user"), "alice");
  const json::object& values = sold.at("fields").as_object();
  EXPECT_EQ(values.at("note"), "a \"quoted\" line\nand a second\t\x01");
  EXPECT_EQ(values.at("name"), "Grüße, 世界 😀");
  EXPECT_EQ(values.at("blob").at("base64"), "/wD+");
  EXPECT_EQ(values.at("lone").at("base64"), "7aCA");
  EXPECT_EQ(values.at("over").at("base64"), "wK8=");
  EXPECT_EQ(objects[2].at("type"), "close");
  EXPECT_FALSE(objects[2].contains("quantity"));
}

TEST_F(JournalCommandTest, ADumpBeginsAndEndsWhereItIsTold) {
  write({buy(""), buy(""), buy(""), buy("")});
  ASSERT_EQ(run({"dump", dir_, "--from", "2", "--limit", "2"}), 0);
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_EQ(lines()[0].at("sequence"), 2);
  ASSERT_EQ(run({"dump", dir_, "--limit", "0"}), 0);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(run({"dump", dir_, "--from", "5"}), 0) << "the record to come";
  EXPECT_EQ(run({"dump", dir_, "--from", "6"}), 2);
  EXPECT_THAT(err_, HasSubstr("1..4"));
}

TEST_F(JournalCommandTest, ACleanJournalVerifies) {
  write({buy(""), buy("")});
  ASSERT_EQ(run({"verify", dir_}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("journal-000000000001.segment"));
  EXPECT_THAT(out_, HasSubstr("1..2"));
  EXPECT_THAT(out_, HasSubstr("ok: stopped in an orderly way"));
}

TEST_F(JournalCommandTest, ATornTailIsToldAndIsNoDamage) {
  write({buy(""), buy("")});
  const std::string path = dir_ + "/" + journal::segment_name(1);
  std::ofstream(path, std::ios::app | std::ios::binary) << "half a frame";
  ASSERT_EQ(run({"verify", dir_}), 0);
  EXPECT_THAT(out_, HasSubstr("torn tail: 12 bytes at " + path));
  ASSERT_EQ(run({"dump", dir_}), 0);
  EXPECT_EQ(lines().size(), 2u);
}

TEST_F(JournalCommandTest, DamageIsNamedWithSegmentAndOffset) {
  write({buy(""), buy("")});
  const std::string path = dir_ + "/" + journal::segment_name(1);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(journal::kSegmentHeaderBytes + 50);
    file.put('X');
  }
  for (const char* command : {"verify", "dump"}) {
    EXPECT_EQ(run({command, dir_}), 3);
    EXPECT_THAT(err_, HasSubstr(path + ", offset 80: "));
  }
}

TEST_F(JournalCommandTest, ASnapshotIsVerifiedAndDumped) {
  std::string fields;
  journal::append_field(fields, "note", std::string(1000, 'x'));
  Record create = buy("");
  create.type = RecordType::kCreate;
  create.user = create.request = {};
  create.order_id = 0;
  create.quantity = 5000;
  std::vector<Record> records{create};
  records.resize(1500, buy(fields));
  write(records);
  EXPECT_EQ(run({"dump", dir_, "--items"}), 2);
  EXPECT_THAT(err_, HasSubstr("no snapshot"));
  auto& fs = base::posix_file_system();
  ASSERT_EQ(journal::Compactor(dir_, fs).pass(1501, INT64_MAX, 0)->segments_removed, 1u);

  ASSERT_EQ(run({"verify", dir_}), 0) << err_;
  EXPECT_THAT(out_, testing::ContainsRegex("snapshot 1 covers records 1\\.\\.[0-9]+: 1 items"));
  ASSERT_EQ(run({"dump", dir_, "--items"}), 0) << err_;
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0].at("item"), "phone");
  EXPECT_EQ(lines()[0].at("stock"), 5000);
  EXPECT_EQ(lines()[0].at("created"), true);
  ASSERT_EQ(run({"dump", dir_, "--history"}), 0) << err_;
  ASSERT_EQ(lines().size(), 1500u);
  EXPECT_EQ(lines()[0].at("type"), "create");
  EXPECT_TRUE(lines()[1].at("fields").as_object().empty());
  EXPECT_FALSE(lines()[1499].at("fields").as_object().empty()) << "it is not compacted yet";
  ASSERT_EQ(run({"dump", dir_}), 0) << "what the segments hold, as ever";
  EXPECT_GT(lines()[0].at("sequence").as_int64(), 1);
  EXPECT_EQ(lines().back().at("sequence"), 1500);

  const std::string part = dir_ + "/" + journal::part_name(1);
  {
    std::fstream file(part, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);
    file.put('X');
  }
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"verify", dir_}, {"dump", dir_, "--history"}}) {
    EXPECT_EQ(run(command), 3);
    EXPECT_THAT(err_, HasSubstr(part + ", offset 64: "));
  }
  EXPECT_EQ(run({"dump", dir_}), 0) << "the segments are whole";
}

TEST_F(JournalCommandTest, BadArgumentsAreToldApartFromFailures) {
  EXPECT_EQ(run({"verify", folder_ / "none"}), 2);
  EXPECT_THAT(err_, HasSubstr(folder_ / "none"));
  EXPECT_EQ(run({"dump", folder_ / "none"}), 2);
  EXPECT_EQ(run({"verify", folder_.path()}), 2) << "a folder without a journal";
  EXPECT_THAT(err_, HasSubstr("no journal in"));
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"verify"}), 2);
  EXPECT_EQ(run({"nonsense", dir_}), 2);
  EXPECT_EQ(run({"dump", dir_, "--from", "x"}), 2);
  EXPECT_EQ(run({"dump", dir_, "--from", "-1"}), 2);
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("verify"));
}

}  // namespace
}  // namespace sluice::ctl
