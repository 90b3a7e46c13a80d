"""FLUSHALL, deleted and edited keys, under load and without any: noticed, and rebuilt."""

import pytest

from harness import invariants
from harness.load import start_sale
from harness.waiting import until


def test_flushall_in_mid_sale_loses_and_oversells_nothing(lab):
    """Redis is flushed three times while 64 connections buy; the invariants hold."""
    redis, database, proxy, flusher = lab.stack()
    load = start_sale(proxy, stock=3000, buyers=6000)
    for sold in (300, 1200, 2000):
        until(lambda: load.accepted() >= sold, 30, f"{sold} accepted")
        with redis.client() as direct:
            assert direct("FLUSHALL") == "OK"
    invariants.check_sale(load, 3000, database, proxy, flusher)


def test_flushall_without_traffic_is_noticed(lab):
    """Nobody buys, Redis is flushed: within seconds it holds the items again, and the log says what
    was rebuilt."""
    redis = lab.redis()
    proxy = lab.proxy(redis)
    with proxy.client() as client, redis.client() as direct:
        for n in range(50):
            assert client("SECKILL.CREATE", f"item-{n}", "STOCK", 5) == "OK"
            assert client("SECKILL.BUY", f"item-{n}", "ann", "REQ", "r")[0] == "OK"
        assert direct("FLUSHALL") == "OK"
        until(lambda: all(direct("HGET", f"sluice:{{item-{n}}}:item", "sold") == "1"
                          for n in range(50)), 20, "the items in Redis again")
        until(proxy.ready, 10, "ready")
        assert invariants.stock_of(client, "item-7")["remaining"] == 4
    assert "50 items rebuilt with 100 records" in proxy.process.log()
    assert proxy.metrics()["sluice_gate_replayed_records_total"] == 100


@pytest.mark.parametrize("edit", [
    ("HINCRBY", "sluice:{phone}:item", "stock", 1000),
    ("HSET", "sluice:{phone}:item", "sold", 0),
    ("DEL", "sluice:{phone}:item"),
    ("DEL", "sluice:{phone}:buyers"),
])
def test_an_edit_in_mid_sale_sells_nothing_twice(lab, edit):
    """Somebody edits the keys by hand while 64 connections buy; the invariants hold."""
    redis, database, proxy, flusher = lab.stack()
    load = start_sale(proxy, stock=1000, buyers=3000)
    until(lambda: load.accepted() >= 300, 30, "300 accepted")
    with redis.client() as direct:
        direct(*edit)
    invariants.check_sale(load, 1000, database, proxy, flusher)
