"""The harness itself: what every other test relies on."""

import pytest

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
