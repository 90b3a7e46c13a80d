"""FLUSHALL, deleted and edited keys, under load and without any: noticed, and rebuilt."""

import re

import pytest

from harness import invariants
from harness.invariants import item_in_redis
from harness.load import start_sale
from harness.shelves import buyers_key, pack_item, shelf_key, shelf_of
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
    items = [f"item-{n}" for n in range(50)]
    with proxy.client() as client, redis.client() as direct:
        for item in items:
            assert client("SECKILL.CREATE", item, "STOCK", 5) == "OK"
            assert client("SECKILL.BUY", item, "ann", "REQ", "r")[0] == "OK"
        assert direct("FLUSHALL") == "OK"
        until(lambda: all((item_in_redis(direct, item) or {}).get("sold") == 1 for item in items),
              20, "the items in Redis again")
        until(proxy.ready, 10, "ready")
        assert invariants.stock_of(client, "item-7")["remaining"] == 4
    told = re.findall(r"replayed (\d+) records into Redis, of (\d+) shelves", proxy.process.log())
    assert sum(int(records) for records, _ in told) == 100
    assert sum(int(shelves) for _, shelves in told) == len({shelf_of(item) for item in items})
    assert proxy.metrics()["sluice_gate_replayed_records_total"] == 100


def overwrite(direct, **numbers):
    """Numbers of the item as somebody writes them who knows nothing of the checksum."""
    item = item_in_redis(direct, "phone")
    edited = pack_item({**item, **numbers})[:-8] + pack_item(item)[-8:]
    direct("HSET", shelf_key("phone"), "phone", edited)


def put_back_what_it_was(direct):
    """Whole, but some purchases older than the buyers are."""
    item = item_in_redis(direct, "phone")
    until(lambda: item_in_redis(direct, "phone")["fields"] > item["fields"], 20, "purchases")
    direct("HSET", shelf_key("phone"), "phone", pack_item(item))


EDITS = {
    "stock_raised": lambda direct: overwrite(direct, stock=2000),
    "nothing_sold": lambda direct: overwrite(direct, sold=0),
    "cut_off": lambda direct: direct("HSET", shelf_key("phone"), "phone", "1000"),
    "older_item": put_back_what_it_was,
    "no_item": lambda direct: direct("HDEL", shelf_key("phone"), "phone"),
    "no_shelf": lambda direct: direct("DEL", shelf_key("phone")),
    "no_buyers": lambda direct: direct("DEL", buyers_key("phone")),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_in_mid_sale_sells_nothing_twice(lab, edit):
    """Somebody edits the keys by hand while 64 connections buy; the invariants hold."""
    redis, database, proxy, flusher = lab.stack()
    load = start_sale(proxy, stock=1000, buyers=3000)
    until(lambda: load.accepted() >= 300, 30, "300 accepted")
    with redis.client() as direct:
        EDITS[edit](direct)
    invariants.check_sale(load, 1000, database, proxy, flusher)
    assert "replayed" in proxy.process.log(), "nobody noticed"
