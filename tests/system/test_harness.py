"""The harness itself: what every other test relies on."""

import importlib.machinery
import importlib.util

import pytest

from harness import daemons
from harness.waiting import TimedOut, until


def test_until_gives_up_and_says_what_it_saw():
    with pytest.raises(TimedOut, match="the moon did not come within 0.05 s; last seen: 0"):
        until(lambda: 0, 0.05, "the moon")


def test_redis_comes_back_on_the_same_port_with_its_data(lab):
    """SIGKILL, then start(): the port is the same, and with appendfsync always the data is."""
    redis = lab.redis(appendfsync="always")
    with redis.client() as client:
        assert client("SET", "k", "v") == "OK"
    redis.kill()
    assert redis.process.exit_code() == -9
    redis.start()
    with redis.client() as client:
        assert client("GET", "k") == "v"


def test_the_sql_server_comes_back_on_the_same_port_with_its_data(lab):
    """SIGKILL, then start(): what was committed is there."""
    server = lab.sql_server()
    server.query("CREATE DATABASE d")
    server.query("CREATE TABLE d.t (n INT PRIMARY KEY)")
    server.query("INSERT INTO d.t VALUES (1), (2)")
    server.kill()
    server.start()
    assert server.query("SELECT COUNT(*) FROM d.t") == ((2,),)


def test_each_database_of_the_shared_server_is_empty(lab):
    database = lab.database()
    assert database.query("SHOW TABLES") == ()
    assert database.name != lab.database().name


def test_a_skipped_unit_test_is_counted_with_its_reason(tmp_path):
    """scripts/test reads GoogleTest's own report of a skipped, a passed and a failed test."""
    path = daemons.ROOT / "scripts" / "test"
    loader = importlib.machinery.SourceFileLoader("scripts_test", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    report = tmp_path / "result.xml"
    report.write_text("""<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="AllTests"><testsuite name="Bulk">
  <testcase name="Passes" status="run" result="completed" classname="Bulk" />
  <testcase name="Fails" status="run" result="completed" classname="Bulk">
    <failure message="no"><![CDATA[no]]></failure></testcase>
  <testcase name="DISABLED" status="notrun" result="suppressed" classname="Bulk" />
  <testcase name="IsSkipped" status="run" result="skipped" classname="Bulk">
    <skipped message="bulk_rows_test.cc:9&#x0A;this server takes text only"/></testcase>
</testsuite></testsuites>
""")
    assert module.gtest_counts(report) == (
        1, ["Bulk.Fails"], [("Bulk.IsSkipped", "this server takes text only")])
