"""A REQ asked again while its first purchase is still on its way to the disk."""

import time

from harness.waiting import until
from killing import redis_sold, start_armed

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
