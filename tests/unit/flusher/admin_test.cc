// The daemon as an operator sees it: triggers on a real journal, HTTP routes, pause, stop.
#include "flusher/admin.h"
#include "orders/schema.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "tests/unit/flusher/flusher_fixture.h"

namespace sluice::flusher {
namespace {

// Triggers that never fire by themselves.
TriggerOptions never() {
  TriggerOptions trigger;
  trigger.load_below_per_s = 0;
  trigger.backlog_bytes = 0;
  trigger.max_age_us = 0;
  trigger.disk_free_bytes = 0;
  return trigger;
}

class AdminTest : public FlusherTest {
 protected:
  void start() {
    flusher_ = std::make_unique<RunningFlusher>(options, false);
    register_status_metrics(flusher_->registry, flusher_->status);
    auto created = http::Server::create({"127.0.0.1:0"});
    ASSERT_TRUE(created.ok());
    server_ = std::move(*created);
    add_admin_routes(*server_, {flusher_->loop, flusher_->status, flusher_->registry,
                                base::posix_file_system(), options, flush_seconds_});
    server_->start();
  }
  ~AdminTest() override {
    if (flusher_) flusher_->stop();
    if (server_) server_->stop();
  }

  http::Response ask(std::string_view method, std::string_view path) {
    auto response = http::fetch(method, "http://127.0.0.1:" + std::to_string(server_->port()), path,
                                "", 20'000);
    if (!response) ADD_FAILURE() << response.error().message();
    return response ? *response : http::Response{0, "", ""};
  }
  boost::json::value status() { return boost::json::parse(ask("GET", "/status").body); }
  std::string state() { return std::string(status().at("state").as_string()); }
  bool eventually_state(std::string_view wanted) {
    return eventually([&] { return state() == wanted; });
  }
  std::string rows() const { return database.ask("SELECT COUNT(*) FROM orders"); }

  uint64_t last_id_ = 0;
  base::Histogram flush_us_{1e-6};
  base::RecentQuantiles flush_seconds_{flush_us_, 60'000'000};
  std::unique_ptr<RunningFlusher> flusher_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(AdminTest, HoldsUntilFlushedByHand) {
  options.trigger = never();
  journal().create("phone", 10);
  for (uint64_t id = 1; id <= 9; ++id) journal().buy("phone", "u" + std::to_string(id), id);
  journal().commit();
  start();
  ASSERT_TRUE(eventually_state("HOLDING"));
  EXPECT_TRUE(eventually([&] { return status().at("backlog_records").to_number<int>() == 10; }));
  EXPECT_GT(status().at("backlog_bytes").to_number<int64_t>(), 100);
  EXPECT_EQ(status().at("position").to_number<int>(), 1);
  EXPECT_EQ(status().at("reason").as_string(), "no trigger fires");
  EXPECT_EQ(rows(), "0");

  const http::Response flushed = ask("POST", "/flush?wait_ms=20000");
  EXPECT_EQ(flushed.status, 200);
  EXPECT_EQ(flushed.body, "{\"drained\":true,\"backlog\":0}\n");
  EXPECT_EQ(rows(), "9");
  const auto now = status();
  EXPECT_EQ(now.at("position").to_number<int>(), 11);
  EXPECT_EQ(now.at("trigger").as_string(), "manual");
  EXPECT_EQ(now.at("rows_total").to_number<int>(), 9);
  EXPECT_TRUE(now.at("mysql").at("connected").as_bool());
  EXPECT_GT(now.at("last_commit_ms").to_number<int64_t>(), 0);
}

TEST_F(AdminTest, ItemsAreWhatMysqlHasOfThem) {
  journal().create("phone", 10);
  for (uint64_t id = 1; id <= 3; ++id) journal().buy("phone", "u" + std::to_string(id), id);
  journal().commit();
  start();
  ASSERT_EQ(ask("POST", "/flush?wait_ms=20000").status, 200);
  EXPECT_EQ(ask("GET", "/items?item=phone&item=radio").body,
            "{\"phone\":{\"stock\":10,\"sold\":3}}\n");
  EXPECT_EQ(ask("GET", "/items").body, "{}\n");
  EXPECT_EQ(ask("GET", "/items?item=it's").body, "{}\n");
  EXPECT_EQ(ask("GET", "/items?name=phone").status, 400);
  std::string many = "/items?item=phone";
  for (int i = 1; i < 100; ++i) many += "&item=i" + std::to_string(i);
  EXPECT_EQ(ask("GET", many).status, 200);
  EXPECT_EQ(ask("GET", many + "&item=i100").status, 400);
}

TEST_F(AdminTest, TellsWhenTheScheduleDrainsNext) {
  start();
  EXPECT_TRUE(eventually([&] { return status().at("next_scheduled_ms").is_null(); }));
  EXPECT_EQ(status().at("flush_seconds").at("count").to_number<int>(), 0);
  flush_us_.observe(1000);
  EXPECT_GT(status().at("flush_seconds").at("p99").to_number<double>(), 0.0005);
}

TEST_F(AdminTest, EachTriggerDrainsByItself) {
  const auto drains = [&](const TriggerOptions& trigger, std::string_view cause) {
    static uint64_t id = 0;
    options.trigger = trigger;
    journal().time_ms = base::wall_ms();
    journal().buy("phone", "u", ++id);
    journal().buy("phone", "u", ++id);
    journal().commit();
    start();  // with a backlog: a cron line that fires without one is over
    EXPECT_TRUE(eventually([&] { return rows() == std::to_string(id); })) << cause;
    EXPECT_EQ(status().at("trigger").as_string(), cause);
    flusher_->stop();
    server_->stop();
  };
  journal().create("phone", 1000);
  journal().commit();
  TriggerOptions trigger = never();
  trigger.backlog_rows = 2;
  drains(trigger, "backlog_rows");
  trigger = never();
  trigger.backlog_bytes = 50;
  drains(trigger, "backlog_bytes");
  trigger = never();
  trigger.max_age_us = 300'000;
  drains(trigger, "max_age");
  trigger = never();
  trigger.schedule = *Schedule::parse({"00:00-24:00"});
  drains(trigger, "window");
  trigger.schedule = *Schedule::parse({"* * * * *"});
  drains(trigger, "schedule");
  trigger = never();
  trigger.load_below_per_s = 500;
  trigger.load_for_us = 100'000;
  drains(trigger, "load");
  trigger = never();
  trigger.disk_free_bytes = INT64_MAX;
  drains(trigger, "disk_free");
}

TEST_F(AdminTest, PauseHoldsWhatTriggersWant) {
  options.trigger = never();
  options.trigger.backlog_rows = 1;
  journal().create("phone", 10);
  journal().commit();
  start();
  ASSERT_TRUE(eventually([&] { return status().at("position").to_number<int>() == 2; }));
  EXPECT_EQ(ask("POST", "/pause").status, 200);
  journal().buy("phone", "u1", 1);
  journal().commit();
  ASSERT_TRUE(eventually_state("PAUSED"));
  EXPECT_TRUE(eventually([&] { return status().at("backlog_records").to_number<int>() == 1; }));
  EXPECT_EQ(ask("POST", "/flush?wait_ms=100").status, 409);
  EXPECT_EQ(rows(), "0");
  EXPECT_EQ(ask("POST", "/resume").body, "{\"paused\":false}\n");
  EXPECT_TRUE(eventually([&] { return rows() == "1"; }));
}

TEST_F(AdminTest, APauseOutlivesTheFlusher) {
  options.trigger = never();
  options.trigger.backlog_rows = 1;
  start();
  // Before there is a folder, too.
  EXPECT_EQ(ask("POST", "/pause").body, "{\"paused\":true}\n");
  journal().create("phone", 10);
  journal().buy("phone", "u1", 1);
  journal().commit();
  ASSERT_TRUE(eventually_state("PAUSED"));
  ASSERT_TRUE(eventually([&] { return status().at("backlog_records").to_number<int>() == 2; }));
  flusher_->stop();
  server_->stop();
  start();
  ASSERT_TRUE(eventually_state("PAUSED"));
  ASSERT_TRUE(eventually([&] { return status().at("backlog_records").to_number<int>() == 2; }));
  EXPECT_EQ(rows(), "0");
  flusher_->stop();
  server_->stop();
  // Who says --once means it; the pause is the daemon's.
  EXPECT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(rows(), "1");
  journal().buy("phone", "u2", 2);
  journal().commit();
  start();
  ASSERT_TRUE(eventually_state("PAUSED"));
  EXPECT_EQ(ask("POST", "/resume").status, 200);
  EXPECT_TRUE(eventually([&] { return rows() == "2"; }));
  flusher_->stop();
  server_->stop();
  start();
  EXPECT_TRUE(eventually_state("IDLE"));
}

TEST_F(AdminTest, NothingBeginsWhileMysqlSuffersButByHand) {
  options.trigger = never();
  options.trigger.backlog_rows = 1;
  sql::Connection other;
  std::vector<sql::Row> running;
  ASSERT_FALSE(other.connect(options.mysql));
  ASSERT_FALSE(other.query("SHOW GLOBAL STATUS LIKE 'Threads_running'", running));
  // With the one who asks; one more or less for connections that come and go.
  options.pace.threads_running = std::stoi(running[0][1].value()) + 1;
  journal().create("phone", 10);
  start();
  ASSERT_TRUE(eventually_state("IDLE"));
  ASSERT_FALSE(other.exec("SELECT GET_LOCK('busy', 0)"));
  sql::Connection busy[3];
  std::vector<std::thread> threads;
  for (sql::Connection& each : busy) {
    ASSERT_FALSE(each.connect(options.mysql));
    threads.emplace_back([&each] {
      EXPECT_FALSE(each.exec("SELECT GET_LOCK('busy', 600)"));
      each.close();  // and with it goes the lock
    });
  }
  // Whatever it has seen so far, it has looked once more by now.
  const auto suffers = [&] {
    journal().buy("phone", "u", ++last_id_);
    journal().commit();
    return eventually(
        [&] {
          return state() == "HOLDING" &&
                 status().at("reason").as_string().starts_with(
                     "no drain begins while MySQL suffers: Threads_running is ");
        },
        2'000);
  };
  EXPECT_TRUE(eventually(suffers));
  EXPECT_NE(rows(), std::to_string(last_id_));
  EXPECT_EQ(ask("POST", "/flush?wait_ms=20000").body, "{\"drained\":true,\"backlog\":0}\n");
  EXPECT_EQ(rows(), std::to_string(last_id_));
  other.close();
  for (std::thread& thread : threads) thread.join();
}

TEST_F(AdminTest, ALimitFarBelowABatchIsKeptAllTheTime) {
  constexpr int64_t kLimit = 100, kOrders = 250;
  options.trigger = never();
  options.pace.rows_per_s = kLimit;
  for (uint64_t n = 1; n <= kOrders; ++n) {
    journal().buy("phone", "u" + std::to_string(n), testing_support::spread_id(n));
  }
  journal().commit();
  start();
  ASSERT_TRUE(eventually_state("HOLDING"));
  const int64_t began_us = base::monotonic_us();
  ask("POST", "/flush");
  ASSERT_TRUE(eventually_state("PACED"));
  EXPECT_EQ(status().at("reason").as_string(),
            "trigger: manual; held back: pace.rows_per_second is 100");
  int64_t drained = 0, looks = 0;
  while (drained < kOrders) {
    drained = static_cast<int64_t>(flusher_->status.read().rows_total);
    const int64_t elapsed_us = base::monotonic_us() - began_us;
    // Each writer may be a batch ahead.
    const int64_t allowed = kLimit * elapsed_us / 1'000'000 + options.batch.rows_min * 2;
    ASSERT_LE(drained, allowed) << "after " << elapsed_us << " us";
    ASSERT_LT(elapsed_us, 60'000'000);
    if (drained > 50 && looks++ == 0) {
      EXPECT_TRUE(eventually([&] { return !status().at("eta_seconds").is_null(); }));
      EXPECT_EQ(status().at("pace_rows_per_second").to_number<int>(), kLimit);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(eventually_state("IDLE"));
}

TEST_F(AdminTest, SlowCommitsSlowTheDrainDown) {
  constexpr uint64_t kOrders = 12'000;
  options.trigger = never();
  options.pace.rows_per_s = 5000;      // so that it is not over before it is judged
  options.pace.commit_latency_us = 1;  // every COMMIT is slower
  for (uint64_t n = 1; n <= kOrders; ++n) {
    journal().buy("phone", "u" + std::to_string(n), testing_support::spread_id(n));
  }
  journal().commit();
  start();
  ASSERT_TRUE(eventually_state("HOLDING"));
  ask("POST", "/flush");
  ASSERT_TRUE(
      eventually([&] { return status().at("pace_rows_per_second").to_number<int64_t>() == 100; }));
  EXPECT_LT(flusher_->status.read().rows_total, kOrders);
  EXPECT_EQ(state(), "PACED");
  EXPECT_TRUE(
      status().at("reason").as_string().starts_with("trigger: manual; held back: a COMMIT took "));
  Options healthy = options;
  healthy.pace = PaceOptions();
  flusher_->loop.set_options(healthy);
  EXPECT_TRUE(eventually([&] { return rows() == std::to_string(kOrders); }, 60'000));
}

TEST_F(AdminTest, StatusTellsTriggersAndFailuresByClass) {
  options.trigger = never();
  options.trigger.backlog_rows = 1000;
  options.trigger.max_age_us = 3600'000'000;
  journal().create("phone", 10);
  journal().buy("phone", "u1", 1);
  journal().commit();
  start();
  ASSERT_TRUE(eventually_state("HOLDING"));
  const auto triggers = status().at("triggers").as_array();
  ASSERT_EQ(triggers.size(), 2u);
  EXPECT_EQ(triggers[0].at("name").as_string(), "max_age");
  EXPECT_FALSE(triggers[0].at("fires").as_bool());
  EXPECT_EQ(boost::json::serialize(triggers[1]),
            "{\"name\":\"backlog_rows\",\"fires\":false,\"reason\":\"2 records of 1000\"}");
  EXPECT_TRUE(status().at("errors").as_object().empty());
  EXPECT_TRUE(status().at("eta_seconds").is_null());

  sql::Connection other;
  std::vector<sql::Row> ignored;
  ASSERT_FALSE(other.connect(options.mysql));
  ASSERT_FALSE(other.query("SELECT * FROM sluice_checkpoint FOR UPDATE", ignored));
  EXPECT_EQ(ask("POST", "/flush?wait_ms=1").status, 200);
  ASSERT_TRUE(eventually_state("BLOCKED"));
  ASSERT_TRUE(eventually([&] { return status().at("errors").as_object().contains("lock_wait"); }));
  const auto failure = status().at("errors").at("lock_wait");
  EXPECT_GE(failure.at("count").to_number<int>(), 1);
  EXPECT_TRUE(failure.at("text").as_string().starts_with("MySQL error 1205: "));
  EXPECT_GT(failure.at("at_ms").to_number<int64_t>(), 0);
  const std::string metrics = ask("GET", "/metrics").body;
  EXPECT_NE(metrics.find("sluice_flusher_state{state=\"BLOCKED\"} 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("sluice_flusher_state{state=\"DRAINING\"} 0\n"), std::string::npos);
  other.rollback();
  EXPECT_TRUE(eventually_state("IDLE"));
  // What was, stays known.
  EXPECT_TRUE(status().at("errors").as_object().contains("lock_wait"));
  EXPECT_EQ(status().at("mysql").at("error").as_string(), "");
}

TEST_F(AdminTest, ReadinessFollowsMysql) {
  journal().create("phone", 10);
  journal().commit();
  start();
  EXPECT_TRUE(eventually([&] { return ask("GET", "/readyz").status == 200; }));
  testing_support::server().stop(SIGKILL);
  EXPECT_TRUE(eventually([&] { return ask("GET", "/readyz").status == 503; }));
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
  EXPECT_FALSE(status().at("mysql").at("connected").as_bool());
  EXPECT_NE(status().at("mysql").at("error").as_string(), "");
  testing_support::server().start();
  EXPECT_TRUE(eventually([&] { return ask("GET", "/readyz").status == 200; }));
  EXPECT_EQ(status().at("mysql").at("error").as_string(), "");
}

TEST_F(AdminTest, FlushWaitEndsAtItsTime) {
  options.trigger = never();
  journal().create("phone", 10);
  journal().commit();
  start();
  ASSERT_TRUE(eventually_state("HOLDING"));
  testing_support::server().stop(SIGKILL);
  journal().buy("phone", "u1", 1);
  journal().commit();
  EXPECT_EQ(ask("POST", "/flush?wait_ms=50").body, "{\"drained\":false,\"backlog\":2}\n");
  testing_support::server().start();
  for (const char* bad : {"wait_ms=", "wait_ms=-1", "wait_ms=600001", "wait=5", "wait_ms=5&x"}) {
    EXPECT_EQ(ask("POST", std::string("/flush?") + bad).status, 400) << bad;
  }
  EXPECT_EQ(ask("POST", "/flush?wait_ms=20000").body, "{\"drained\":true,\"backlog\":0}\n");
}

TEST_F(AdminTest, DeadLettersAreRetriedOneByOne) {
  options.trigger = never();
  sql::Connection connection;
  ASSERT_FALSE(connection.connect(options.mysql));
  ASSERT_FALSE(orders::apply_schema(connection, {}));
  database.run("ALTER TABLE orders ADD CONSTRAINT small CHECK (quantity < 5)");
  std::string fields;
  journal::append_field(fields, "note", "\xff");
  journal().create("phone", 100);
  journal().buy("phone", "u1", 1, 5, "r1", fields);
  journal().buy("phone", "u2", 2, 6);
  journal().buy("phone", "u3", 3, 7);
  journal().buy("phone", "u4", 4, 1);
  journal().commit();
  start();
  ASSERT_EQ(ask("POST", "/flush?wait_ms=20000").status, 200);
  journal().cancel("phone", "u2", 2, 6);
  journal().commit();
  ASSERT_EQ(ask("POST", "/flush?wait_ms=20000").status, 200);
  EXPECT_EQ(ask("POST", "/dlq/retry").body, "{\"tried\":3,\"inserted\":0}\n");
  EXPECT_EQ(status().at("dead_letter_rows").to_number<int>(), 3);
  database.run("ALTER TABLE orders DROP CONSTRAINT small");
  database.run("ALTER TABLE orders ADD CONSTRAINT small CHECK (quantity < 7)");
  EXPECT_EQ(ask("POST", "/dlq/retry").body, "{\"tried\":3,\"inserted\":2}\n");
  EXPECT_EQ(database.ask("SELECT order_id, status, request_id,"
                         " JSON_VALUE(fields, '$.note.base64') FROM orders ORDER BY order_id"),
            "1,placed,r1,/w==;2,cancelled,NULL,NULL;4,placed,NULL,NULL");
  EXPECT_EQ(database.ask("SELECT order_id FROM sluice_dead_letter"), "3");
  EXPECT_EQ(broken_invariants(), "");
  EXPECT_EQ(status().at("dead_letter_rows").to_number<int>(), 1);
}

TEST_F(AdminTest, MetricsHaveTheNamesOfTheContract) {
  journal().create("phone", 10);
  journal().commit();
  start();
  const std::string text = ask("GET", "/metrics").body;
  for (const char* name :
       {"sluice_backlog_records", "sluice_backlog_bytes", "sluice_backlog_oldest_age_seconds",
        "sluice_flush_rows_total", "sluice_flush_seconds", "sluice_flush_retries_total",
        "sluice_dead_letter_rows", "sluice_build_info", "sluice_flusher_state",
        "sluice_flush_eta_seconds"}) {
    EXPECT_NE(text.find("# HELP " + std::string(name) + " "), std::string::npos) << name;
    EXPECT_NE(text.find("# TYPE " + std::string(name) + " "), std::string::npos) << name;
  }
  EXPECT_NE(text.find("sluice_build_info{version=\"" SLUICE_VERSION "\",program=\"flusher\"} 1"),
            std::string::npos);
}

TEST_F(AdminTest, StopsInMidDrainAndGoesOnLater) {
  options.batch.rows = 50;
  options.pace.rows_per_s = 2000;
  for (uint64_t id = 1; id <= 5000; ++id) journal().buy("phone", "u" + std::to_string(id), id);
  journal().commit();
  start();
  ask("POST", "/flush");
  ASSERT_TRUE(eventually([&] { return flusher_->status.read().rows_total > 200; }));
  const int64_t began_us = base::monotonic_us();
  EXPECT_EQ(flusher_->stop().exit_code, 0);
  EXPECT_LT(base::monotonic_us() - began_us, 3'000'000);
  EXPECT_LT(std::stoi(rows()), 5000);
  options.pace = {};
  EXPECT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(rows(), "5000");
}

}  // namespace
}  // namespace sluice::flusher
