"""SIGTERM and SIGINT: stop taking new work, make everything acknowledged durable, exit 0."""

import signal
import time

import pytest

from harness import invariants
from harness.load import Load, Request, start_sale
from harness.sql_server import Database
from harness.resp import RespError, encode
from harness.waiting import until


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_sigterm_in_mid_sale_keeps_every_acknowledged_order(lab, fsync):
    """The proxy gets SIGTERM while 64 connections buy: exit 0 within seconds, and every order that
    was acknowledged is in MySQL after the drain, whatever the policy."""
    _, database, proxy, flusher = lab.stack(proxy={"journal__fsync": fsync})
    load = start_sale(proxy, stock=5000, buyers=8000)
    until(lambda: load.accepted() > 500, 30, "500 accepted")
    assert proxy.stop(within_s=15) == 0
    proxy.start()
    invariants.check_sale(load, 5000, database, proxy, flusher)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_daemons_end_at_once_with_0(lab, number):
    """Nothing under way, a client connected: both are gone within seconds, exit 0."""
    _, _, proxy, flusher = lab.stack()
    with proxy.client() as client:
        assert client("PING") == "PONG"
        started = time.monotonic()
        for daemon in (proxy, flusher):
            daemon.process.send(number)
        for daemon in (proxy, flusher):
            assert daemon.process.wait(10) == 0, daemon.process.log_tail()
        assert time.monotonic() - started < 8
        assert client.closed_by_peer()


def test_sigterm_does_not_wait_for_mysql(lab):
    """MySQL is down and there is a backlog: the flusher still ends with 0 within seconds."""
    server = lab.sql_server()
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(Database(server, "shop").create())
    server.kill()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
    assert flusher.stop(within_s=15) == 0


def test_the_flusher_killed_between_batches_neither_loses_nor_doubles(lab):
    """SIGKILL every few batches of 20 rows until all 3,000 are there: each exactly once."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 3000) == "OK"
        load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(3000)])
        load.start().finish(within_s=60)
        flusher = lab.flusher(database, batch__rows=20)
        until(lambda: invariants.count_rows(database, "phone") > 0, 20, "the first rows")
        for _ in range(6):
            rows = invariants.count_rows(database, "phone")
            until(lambda: invariants.count_rows(database, "phone") > rows or rows == 3000, 20,
                  "more rows", every_s=0.001)
            flusher.kill()
            flusher.start()
        invariants.wait_rows(database, "phone", 3000)
        invariants.check_consistent(database, client, "phone", load, given=3000)


def test_two_flushers_on_one_journal_do_not_both_write(lab):
    """One loses the checkpoint (or the lock) and ends with a message; no row is doubled."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis)
    first = lab.flusher(database)
    second = lab.flusher(database, start=False)
    second.start(wait=False)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1000) == "OK"
        load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(1000)])
        load.start().finish(within_s=30)
        invariants.wait_rows(database, "phone", 1000)
        until(lambda: not (first.process.alive() and second.process.alive()), 20,
              "one of the two flushers has ended")
        invariants.check_consistent(database, client, "phone", load, given=1000)


def test_purchases_during_a_restart_are_refused_or_kept_never_lost(lab):
    """A client buys without REQ across five SIGTERM restarts: every acknowledged order is a row
    (where the reply was lost there may be more), and the stock adds up."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis)
    flusher = lab.flusher(database)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100_000) == "OK"
    told = set()
    for turn in range(5):
        client = proxy.client()
        client.send_raw(b"".join(_buy(turn, n) for n in range(200)))
        proxy.process.send(signal.SIGTERM)
        try:
            for _ in range(200):
                reply = client.read()
                if not isinstance(reply, RespError):
                    told.add(int(reply[1]))
        except (EOFError, OSError):
            pass
        client.close()
        assert proxy.process.wait(15) == 0
        proxy.start()
    invariants.drain(flusher)
    rows = {order for (order,) in database.query("SELECT order_id FROM orders")}
    assert told <= rows
    with proxy.client() as client:
        assert invariants.stock_of(client, "phone")["sold"] == len(rows)


def _buy(turn, n):
    return encode("SECKILL.BUY", "phone", f"u{turn}-{n}")
