// The parts of sluice-ctl doctor and status that need no server: checks of what was gathered where
// no test can plant it, figures, and a server's lines over time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "ctl/doctor.h"
#include "ctl/figures.h"
#include "ctl/status_view.h"

namespace sluice::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// One journal folder with nothing wrong.
doctor::Gathered good_folder() {
  doctor::Gathered gathered;
  doctor::JournalFacts& journal = gathered.journals.emplace_back();
  journal.dir = "/var/lib/sluice/journal";
  journal.proxies = {"proxy.toml"};
  journal.flushers = {"flusher.toml"};
  journal.is_there = true;
  journal.file_system = "ext";
  journal.free_bytes = journal.max_bytes = 1 << 30;
  journal.sync_us = 200;
  return gathered;
}

std::vector<std::string> whats(const doctor::Gathered& gathered) {
  std::vector<std::string> all;
  for (const doctor::Finding& finding : doctor::examine(gathered)) {
    EXPECT_FALSE(finding.where.empty() || finding.remedy.empty()) << finding.what;
    all.push_back(finding.what);
  }
  return all;
}

TEST(Doctor, FindsNothingOnAGoodFolder) { EXPECT_THAT(whats(good_folder()), IsEmpty()); }

TEST(Doctor, ANetworkFileSystemIsNoPlaceForAJournal) {
  for (const char* name : {"nfs", "cifs", "smb2", "ceph", "fuse", "lustre"}) {
    auto gathered = good_folder();
    gathered.journals[0].file_system = name;
    EXPECT_THAT(whats(gathered), ElementsAre(HasSubstr("network file system (")));
  }
  for (const char* name : {"xfs", "btrfs", "overlay", "other", ""}) {
    auto gathered = good_folder();
    gathered.journals[0].file_system = name;
    EXPECT_THAT(whats(gathered), IsEmpty()) << name;
  }
}

TEST(Doctor, AnFdatasyncOfTwentyMillisecondsIsSlow) {
  auto gathered = good_folder();
  gathered.journals[0].sync_us = 19'999;
  EXPECT_THAT(whats(gathered), IsEmpty());
  gathered.journals[0].sync_us = 20'000;
  EXPECT_THAT(whats(gathered), ElementsAre(HasSubstr("an fdatasync takes 20 ms")));
}

TEST(Doctor, RoomIsWantedForWhatTheJournalMayStillGrowBy) {
  auto gathered = good_folder();
  gathered.journals[0].free_bytes = 1 << 20;
  gathered.journals[0].used_bytes = gathered.journals[0].max_bytes - (1 << 20);
  EXPECT_THAT(whats(gathered), IsEmpty());
  gathered.journals[0].free_bytes -= 1;
  EXPECT_THAT(whats(gathered), ElementsAre(HasSubstr("journal may grow by 1.0 MiB")));
}

TEST(Doctor, AFolderThatIsRefusedDamagedOrNotWritableIsNamed) {
  auto gathered = good_folder();
  gathered.journals[0].refusal = "another history";
  gathered.journals[0].damage = "segment 3: checksum";
  gathered.journals[0].not_writable = "Permission denied";
  EXPECT_THAT(whats(gathered),
              testing::UnorderedElementsAre(HasSubstr("another history"), HasSubstr("checksum"),
                                            HasSubstr("Permission denied")));
}

TEST(Doctor, AJournalThatNobodyDrainsIsNamedOnlyIfFlushersAreGiven) {
  auto gathered = good_folder();
  gathered.journals[0].flushers.clear();
  EXPECT_THAT(whats(gathered), IsEmpty());
}

TEST(Doctor, AClockMayBeOffByHalfASecondAndHowExactlyItWasRead) {
  doctor::Gathered gathered;
  doctor::RedisFacts& redis = gathered.redises.emplace_back();
  redis.save = "3600 1";
  redis.clock = doctor::clock_of(10'600, 10'000, 10'200);
  EXPECT_EQ(redis.clock->ahead_ms, 500);
  EXPECT_EQ(redis.clock->error_ms, 100);
  EXPECT_THAT(whats(gathered), IsEmpty());
  redis.clock->ahead_ms = -601;
  EXPECT_THAT(whats(gathered), ElementsAre(HasSubstr("601 ms behind this machine's")));
}

TEST(Doctor, TheOldestRedisIsSixTwo) {
  doctor::Gathered gathered;
  doctor::RedisFacts& redis = gathered.redises.emplace_back();
  for (const char* version : {"6.2.0", "7.0.15", "10.1.2"}) {
    redis.info = "# Server\r\nredis_version:" + std::string(version) + "\r\naof_enabled:1\r\n";
    EXPECT_THAT(whats(gathered), IsEmpty()) << version;
  }
  for (const char* version : {"6.0.16", "5.0.14", "2.8.0"}) {
    redis.info = "# Server\r\nredis_version:" + std::string(version) + "\r\naof_enabled:1\r\n";
    EXPECT_THAT(whats(gathered), ElementsAre(HasSubstr(version)));
  }
}

TEST(Doctor, AnotherMachinesMysqlIsToBeReachedByTls) {
  doctor::Gathered gathered;
  doctor::MysqlFacts& mysql = gathered.databases.emplace_back();
  mysql.packet_bytes = mysql.batch_bytes = 1 << 20;
  mysql.sql_mode = "STRICT_TRANS_TABLES";
  for (const char* host : {"127.0.0.1", "localhost", "::1"}) {
    mysql.options.host = host;
    EXPECT_THAT(whats(gathered), IsEmpty()) << host;
  }
  mysql.options.host = "db1";
  EXPECT_THAT(whats(gathered), ElementsAre(HasSubstr("in clear")));
  mysql.options.tls = true;
  EXPECT_THAT(whats(gathered), IsEmpty());
  mysql.clock = doctor::Clock{750, 1};
  EXPECT_THAT(whats(gathered), ElementsAre(HasSubstr("750 ms ahead of this machine's")));
  mysql.clock = doctor::Clock{-501, 1};
  EXPECT_THAT(whats(gathered), IsEmpty());
}

TEST(Figures, AreAsPeopleReadThem) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.0 KiB");
  EXPECT_EQ(bytes_text(3 << 20), "3.0 MiB");
  EXPECT_EQ(seconds_text(0.44), "0.4 s");
  EXPECT_EQ(seconds_text(200), "3 min 20 s");
  EXPECT_EQ(seconds_text(7325), "2 h 2 min");
}

Reading reading(int64_t at_us, const char* status) {
  Reading one;
  one.at_us = at_us;
  one.status = boost::json::parse(status).as_object();
  return one;
}

TEST(ServerView, ARateIsTheDifferenceOfTwoReadings) {
  ServerView view({ConfigKind::kProxy, "http://h:1", ""});
  view.take(reading(1'000'000, R"({"proxy_id": "3", "intake": "open", "purchases_accepted": 10})"));
  EXPECT_THAT(view.lines(), testing::Contains(HasSubstr("accepted -/s, 10 in all")));
  view.take(reading(3'000'000, R"({"proxy_id": 3, "intake": "open", "purchases_accepted": 5010})"));
  EXPECT_THAT(view.lines().front(), HasSubstr("proxy 3  http://h:1  OPEN"));
  EXPECT_THAT(view.lines(), testing::Contains(HasSubstr("accepted 2,500/s, 5,010 in all")));
  // Started again: it counts from 0.
  view.take(reading(4'000'000, R"({"intake": "open", "purchases_accepted": 7})"));
  EXPECT_THAT(view.lines(), testing::Contains(HasSubstr("accepted -/s, 7 in all")));
}

TEST(ServerView, TheBarIsOfWhatWasWaitingWhenTheDrainBegan) {
  ServerView view({ConfigKind::kFlusher, "http://h:1", ""});
  const auto bar = [&] { return view.lines().at(2); };
  view.take(reading(1, R"({"state": "HOLDING", "backlog_records": 5000})"));
  EXPECT_EQ(view.lines().size(), 2);
  view.take(reading(2, R"({"state": "DRAINING", "backlog_records": 1000, "eta_seconds": 4})"));
  EXPECT_THAT(bar(), HasSubstr("[..............................] 0 %, 1,000 records left"));
  view.take(reading(3, R"({"state": "DRAINING", "backlog_records": 250, "eta_seconds": 1.5})"));
  EXPECT_THAT(bar(), HasSubstr("[######################........] 75 %, 250 records left, ETA 1.5"));
  view.take(reading(4, R"({"state": "DRAINING", "backlog_records": 2000, "eta_seconds": null})"));
  EXPECT_THAT(bar(), HasSubstr("] 0 %, 2,000 records left, ETA unknown"));
  view.take(reading(5, R"({"state": "IDLE", "backlog_records": 0})"));
  EXPECT_EQ(view.lines().size(), 2);
}

TEST(ServerView, WhatNoFlusherWouldAnswerDoesNoHarm) {
  ServerView view({ConfigKind::kFlusher, "http://h:1", ""});
  view.take(reading(1, R"({"state": "DRAINING", "backlog_records": 100})"));
  view.take(reading(2, R"({"state": "DRAINING", "backlog_records": -100})"));
  EXPECT_THAT(view.lines().at(2), HasSubstr("[##############################] 100 %"));
  view.take(reading(3, R"({"state": "DRAINING", "backlog_records": 1e999, "eta_seconds": 1e308})"));
  EXPECT_THAT(view.lines().at(2), HasSubstr("100 %, 0 records left"));
  view.take(reading(4, "{\"state\": \"IDLE\", \"reason\": \"a\\u001b[2Jb\\nc\\u009bd é\"}"));
  EXPECT_THAT(view.lines().front(), HasSubstr("IDLE: a?[2Jb?c??d é"));
}

TEST(ServerView, OneThatDoesNotAnswerIsOneLine) {
  ServerView view({ConfigKind::kFlusher, "http://h:1", ""});
  Reading lost;
  lost.at_us = 1;
  lost.trouble = "connecting: Connection refused";
  view.take(lost);
  EXPECT_THAT(view.lines(), ElementsAre("flusher  http://h:1  DOES NOT ANSWER: " + lost.trouble));
  EXPECT_FALSE(view.answered());
}

}  // namespace
}  // namespace sluice::ctl
