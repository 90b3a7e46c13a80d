"""When the flusher drains, and what it says of it: docs/draining.md, on running daemons."""

import signal

import pytest

from harness import invariants, sql_program
from harness.lab import HOLD
from harness.load import Load, Request
from harness.resp import RespError
from harness.sql_server import PASSWORD, USER, Database
from harness.waiting import until


def sell(proxy, orders):
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", orders) == "OK"
        load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(orders)])
        load.start().finish(within_s=60)
        assert load.accepted() == orders


def state(flusher):
    return flusher.get("/status").json()["state"]


def test_states_by_what_happens(lab):
    """IDLE with nothing to drain, HOLDING with a backlog, PAUSED by hand; the proxy says so too."""
    _, database, proxy, flusher = lab.stack(flusher=HOLD)
    until(lambda: state(flusher) == "IDLE", 10, "IDLE")
    sell(proxy, 20)
    until(lambda: state(flusher) == "HOLDING", 10, "HOLDING")
    told = flusher.get("/status").json()
    assert [trigger["name"] for trigger in told["triggers"]] == [
        "disk_free", "max_age", "backlog_bytes"]
    assert all(trigger["reason"] in told["reason"] for trigger in told["triggers"])
    with proxy.client() as client:
        def said():
            status = client("SECKILL.STATUS")
            return dict(zip(status[::2], status[1::2]))["flusher"]
        until(lambda: said() == "HOLDING", 10, "the proxy says HOLDING")
        assert client("SECKILL.PAUSE", "FLUSH") == "OK"
        until(lambda: said() == "PAUSED", 10, "the proxy says PAUSED")
        assert client("SECKILL.RESUME", "FLUSH") == "OK"
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
        until(lambda: said() == "IDLE", 10, "the proxy says IDLE")
    assert flusher.metrics()['sluice_flusher_state{state="IDLE"}'] == 1
    assert invariants.count_rows(database, "phone") == 20


def test_sigusr1_drains_what_is_there(lab):
    """SIGUSR1 is POST /flush: rows come though no trigger fires, and the flusher goes on; again."""
    _, database, proxy, flusher = lab.stack(flusher=HOLD)
    sell(proxy, 20)
    until(lambda: state(flusher) == "HOLDING", 10, "HOLDING")
    assert invariants.count_rows(database, "phone") == 0
    flusher.process.send(signal.SIGUSR1)
    invariants.wait_rows(database, "phone", 20)
    with proxy.client() as client:
        assert client("SECKILL.RESTOCK", "phone", 1, "REQ", "more")[0] == "OK"
        assert client("SECKILL.BUY", "phone", "late")[0] == "OK"
    flusher.process.send(signal.SIGUSR1)
    invariants.wait_rows(database, "phone", 21)
    assert flusher.stop() == 0


def test_a_pause_outlives_a_killed_flusher(lab):
    """PAUSE FLUSH, kill -9, start: still PAUSED, no row, not by SIGUSR1 either. --once says that it
    was paused, drains, and leaves the pause to the next flusher; RESUME ends it for good."""
    redis, database = lab.redis(), lab.database()
    flusher = lab.flusher(database, start=False)
    proxy = lab.proxy(redis, flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    flusher.start()
    with proxy.client() as client:
        assert client("SECKILL.PAUSE", "FLUSH") == "OK"
        sell(proxy, 20)
        flusher.kill()
        flusher.start()
        until(lambda: state(flusher) == "PAUSED", 10, "PAUSED")
        flusher.process.send(signal.SIGUSR1)
        until(lambda: flusher.get("/status").json()["oldest_age_seconds"] > 1, 10, "max_age")
        assert state(flusher) == "PAUSED"
        assert database.query("SELECT * FROM orders") == ()
        flusher.kill()
        done = flusher.once()
        assert done.returncode == 0, done.stderr
        assert "paused by an operator" in done.stderr
        assert invariants.count_rows(database, "phone") == 20
        flusher.start()
        until(lambda: state(flusher) == "PAUSED", 10, "PAUSED")
        assert client("SECKILL.RESUME", "FLUSH") == "OK"
        flusher.kill()
        flusher.start()
        until(lambda: state(flusher) == "IDLE", 10, "IDLE")


def replicate(primary, replica):
    if sql_program.IS_MARIADB:
        replica.query(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port},"
                      f" MASTER_USER='{USER}', MASTER_PASSWORD='{PASSWORD}'")
    else:
        replica.query("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1',"
                      f" SOURCE_PORT={primary.port}, SOURCE_USER='{USER}',"
                      f" SOURCE_PASSWORD='{PASSWORD}', GET_SOURCE_PUBLIC_KEY=1")
    replica.query("START REPLICA")


@pytest.fixture
def replicated(lab):
    """(primary, replica), the second of which follows the first."""
    servers = []
    for number in (1, 2):
        server = lab.sql_server(start=False, options=[f"--server-id={number}", "--log-bin=log"])
        (server.data / "auto.cnf").unlink(missing_ok=True)  # MySQL's identity, the template's
        servers.append(server.start())
    replicate(*servers)
    return servers


def test_a_replica_that_does_not_follow_slows_the_drain(lab, replicated):
    """Its SQL thread is stopped: no run begins by a trigger, HOLDING; one that is asked for is
    PACED; both name the replica. Once it follows again the drain goes on, and all rows are on both.
    """
    primary, replica = replicated
    database = Database(primary, "shop").create()
    flusher = lab.flusher(database, start=False, **HOLD, trigger__backlog_rows=1,
                          pace__replicas=[f"127.0.0.1:{replica.port}"], pace__replica_lag="5s")
    proxy = lab.proxy(lab.redis(), flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    flusher.start()

    def seen(lag_seconds):
        replicas = flusher.get("/status").json()["replicas"]
        return replicas == [{"name": f"127.0.0.1:{replica.port}", "lag_seconds": lag_seconds,
                             "error": ""}]
    until(lambda: seen(0), 20, "the replica follows")
    replica.query("STOP REPLICA SQL_THREAD")
    until(lambda: seen(None), 20, "the replica does not follow")
    suffers = f"replica 127.0.0.1:{replica.port} does not apply what it is sent"
    until(lambda: suffers in flusher.get("/status").json()["reason"] or state(flusher) == "IDLE",
          10, "the load is looked at")
    sell(proxy, 2000)
    until(lambda: state(flusher) == "HOLDING", 10, "HOLDING")
    told = flusher.get("/status").json()
    assert told["reason"] == f"no drain begins while MySQL suffers: {suffers}"
    assert invariants.count_rows(database, "phone") == 0

    assert flusher.post("/flush").status == 200
    until(lambda: state(flusher) == "PACED", 10, "PACED")
    told = flusher.get("/status").json()
    assert told["reason"].startswith(f"trigger: manual; held back: {suffers}"), told
    assert told["pace_rows_per_second"] == 100
    until(lambda: invariants.count_rows(database, "phone") > 0, 10, "it goes on, slowly")
    assert invariants.count_rows(database, "phone") < 2000

    replica.query("START REPLICA")
    invariants.wait_rows(database, "phone", 2000)
    until(lambda: state(flusher) == "IDLE", 10, "IDLE")
    until(lambda: replica.query("SELECT COUNT(*) FROM orders", database="shop") == ((2000,),), 20,
          "the rows on the replica")
    # One that is down counts no more, and is said to be.
    replica.kill()
    until(lambda: "Can't connect" in flusher.get("/status").json()["replicas"][0]["error"], 20,
          "the replica is missed")
    with proxy.client() as client:
        assert client("SECKILL.RESTOCK", "phone", 1, "REQ", "more")[0] == "OK"
        assert client("SECKILL.BUY", "phone", "late")[0] == "OK"
    invariants.wait_rows(database, "phone", 2001)


def test_a_proxy_without_room_is_drained_whatever_the_triggers_say(lab):
    """Nothing configured fires, and twice of what journal.max_bytes holds is sold: what is refused
    with -BUSY is accepted a moment later, since the flusher drains and lets go what it kept."""
    _, database, proxy, flusher = lab.stack(
        proxy={"journal__segment_bytes": "1MiB", "journal__max_bytes": "4MiB"},
        flusher={**HOLD, "trigger__disk_free": "0B", "trigger__backlog_bytes": "0B"})
    fields = ("FIELDS", "a", "x" * 1000, "b", "x" * 1000, "c", "x" * 1000)
    orders, refused = 2800, 0
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", orders) == "OK"
        left = [f"u{n}" for n in range(orders)]
        while left:
            some = left[-50:]
            replies = client.pipeline([("SECKILL.BUY", "phone", user, "REQ", "r", *fields)
                                       for user in some])
            busy = [user for user, reply in zip(some, replies) if not isinstance(reply, list)]
            del left[-50:]
            left += busy
            refused += len(busy)
            if busy:
                until(lambda: not isinstance(buy_again(client, busy[0], fields), RespError), 30,
                      "room again", every_s=0.05)
        assert client("SECKILL.FLUSH", "WAIT", 30_000) == "OK"
    assert refused > 0
    assert invariants.count_rows(database, "phone") == orders
    assert flusher.get("/status").json()["dead_letter_rows"] == 0


def buy_again(client, user, fields):
    return client("SECKILL.BUY", "phone", user, "REQ", "r", *fields)


def test_a_mysql_that_goes_silent_blocks_and_is_said_to(lab):
    """MySQL stands still in mid-drain, as a machine does whose network or disk is gone: BLOCKED and
    not ready although no statement fails before mysql.timeout; SIGTERM ends the flusher at once all
    the same, and the next one goes on with MySQL."""
    server = lab.sql_server()
    database = Database(server, "shop").create()
    flusher = lab.flusher(database)
    proxy = lab.proxy(lab.redis())
    sell(proxy, 20)
    invariants.wait_rows(database, "phone", 20)
    server.process.send(signal.SIGSTOP)
    with proxy.client() as client:
        assert client("SECKILL.RESTOCK", "phone", 1, "REQ", "more")[0] == "OK"
        assert client("SECKILL.BUY", "phone", "late")[0] == "OK"
    until(lambda: state(flusher) == "BLOCKED", 30, "BLOCKED")
    assert flusher.get("/readyz").status == 503
    assert flusher.stop(within_s=15) == 0
    server.process.send(signal.SIGCONT)
    flusher.start()
    invariants.wait_rows(database, "phone", 21)
    until(lambda: state(flusher) == "IDLE" and flusher.ready(), 20, "IDLE")
