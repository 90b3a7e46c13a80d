"""A REQ asked again while its first purchase is still on its way to the disk."""

import time

from harness.waiting import until
from killing import buy, buy_once, redis_sold, start_armed, wait_killed

DELAY_S = 1.5


def test_a_repeated_req_is_answered_no_sooner_than_its_purchase_is_on_disk(lab):
    """fdatasync takes 1.5 s. Redis has sold and knows the REQ, so asking again is decided at once,
    but a crash could still take the order back: nobody is told of it before."""
    redis = lab.redis()
    proxy = lab.proxy(redis, start=False)
    start_armed(proxy, f"journal.before-sync:2:delay {int(DELAY_S * 1000)}")
    with proxy.client() as first, proxy.client() as second:
        assert first("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        begin = time.monotonic()
        first.send("SECKILL.BUY", "phone", "ann", "REQ", "r1")
        until(lambda: redis_sold(redis, "phone") == 1, 10, "the purchase in Redis")
        told = second("SECKILL.BUY", "phone", "ann", "REQ", "r1")
        assert time.monotonic() - begin >= DELAY_S, f"told too early: {told}"
        assert first.read()[:2] == told[:2]


def test_what_another_proxy_sold_is_not_told_before_it_is_durable_there(lab):
    """The first proxy dies between Redis and its journal. Until it is back only Redis knows of the
    order, and Redis then loses its memory: the second proxy must not have told the buyer of it."""
    redis = lab.redis(appendfsync=None)
    first = lab.proxy(redis, start=False, journal=lab.folder / "first", proxy__id=1)
    start_armed(first, "sale.after-script:2")
    with first.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    second = lab.proxy(redis, journal=lab.folder / "second", proxy__id=2)
    assert buy_once(first, "phone", "ann", "r1") is None
    wait_killed(first)
    told = buy_once(second, "phone", "ann", "r1")
    redis.kill()
    redis.start()
    first.start(wait=False)
    order = buy(first, "phone", "ann", "r1")[1]
    assert not isinstance(told, list) or told[1] == order, f"told {told}, later {order}"
