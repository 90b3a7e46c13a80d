"""The proxy is killed at every step of a purchase and of its own recovery.

Each test kills at one failpoint, looks at what Redis and the journal hold at that very moment,
starts the proxy again, and checks what the outcome table of docs/guarantees.md says must follow.
"""

import pytest

from harness import invariants
from killing import (buy, buy_once, buyers, check, journaled, load, order_of, redis_sold,
                     start_armed, wait_killed)

# Failpoint, whether Redis has sold when it dies there, and whether the journal has the order.
STEPS = [
    ("sale.before-script", False, False),
    ("sale.after-script", True, False),
    ("journal.before-write", True, False),
    ("journal.before-sync", True, True),
    ("journal.after-sync", True, True),
    ("sale.before-reply", True, True),
]


def armed_stack(lab, failpoint, redis=None, **proxy_settings):
    """The usual whole, its proxy armed from the start. CREATE makes the first pass everywhere."""
    redis, database = redis or lab.redis(), lab.database()
    proxy = lab.proxy(redis, start=False, **proxy_settings)
    flusher = lab.flusher(database, start=False)
    start_armed(proxy, failpoint)
    return redis, database, proxy, flusher


@pytest.mark.parametrize("point, in_redis, in_journal", STEPS)
def test_a_purchase_killed_at_each_step_is_bought_once(lab, point, in_redis, in_journal):
    """One BUY, killed exactly there. Before the script nothing happened; after it the order exists
    and is completed by the next start, before any client asks; the retry gets it, and it alone."""
    redis, database, proxy, flusher = armed_stack(lab, f"{point}:2")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5, "LIMIT", 1) == "OK"
    assert buy_once(proxy, "phone", "ann", "r1") is None
    wait_killed(proxy)
    assert redis_sold(redis, "phone") == int(in_redis)
    assert (("ann", "r1") in journaled(lab)) == in_journal

    proxy.start()
    with proxy.client() as client:
        found = order_of(client, "phone", "ann", "r1")
        assert (found is not None) == in_redis
        assert invariants.stock_of(client, "phone")["sold"] == int(in_redis)
    order = int(buy(proxy, "phone", "ann", "r1")[1])
    assert found in (None, order)
    assert int(buy(proxy, "phone", "ann", "r1")[1]) == order
    assert buy(proxy, "phone", "ann", "r2")[:2] == ["LIMIT", 1]
    assert journaled(lab) == {("ann", "r1"): order}
    assert len(check(lab, flusher, database, proxy, "phone", load(proxy, []), given=5)) == 1


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_killed_at_each_step_in_mid_sale(lab, fsync):
    """16 connections buy; the proxy dies at the 20th pass of each step, one life after the other.
    Nobody is told two orders, nothing that was told is lost, the last unit is sold once."""
    redis, database, proxy, flusher = armed_stack(lab, "sale.before-script:20",
                                                  journal__fsync=fsync)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1500, "LIMIT", 1) == "OK"
    sale = load(proxy, buyers("phone", 2000), window=2).start()
    for point, _, _ in STEPS[1:]:
        if fsync != "always" and point == "journal.before-sync":
            continue  # one pass a second there: test_a_sync_that_comes_too_late has it
        wait_killed(proxy)
        start_armed(proxy, f"{point}:20", wait=False)
    wait_killed(proxy)
    proxy.start()
    sale.finish(within_s=60)
    assert sale.outcomes() == {"OK": 1500, "SOLDOUT": 500}
    check(lab, flusher, database, proxy, "phone", sale, given=1500)


@pytest.mark.parametrize("verb", ["cancel", "restock", "close"])
def test_other_changes_killed_between_script_and_journal_are_completed(lab, verb):
    """CANCEL, RESTOCK and CLOSE complete from their receipts as a BUY does, and count once."""
    redis, database, proxy, flusher = armed_stack(lab, "sale.after-script:3")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        order = client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[1]
        ask = {"cancel": ("SECKILL.CANCEL", "phone", "ann", order, "REQ", "r2"),
               "restock": ("SECKILL.RESTOCK", "phone", 3, "REQ", "r2"),
               "close": ("SECKILL.CLOSE", "phone")}[verb]
        with pytest.raises((EOFError, OSError)):
            client(*ask)
    wait_killed(proxy)
    assert len(journaled(lab, verb)) == 0
    proxy.start()
    assert len(journaled(lab, verb)) == 1
    with proxy.client() as client:
        for _ in range(2):
            assert client(*ask) == {"cancel": ["OK", 5], "restock": ["OK", 7], "close": "OK"}[verb]
        stock = invariants.stock_of(client, "phone")
    assert (stock["stock"], stock["sold"]) == {"cancel": (5, 0), "restock": (8, 1),
                                               "close": (5, 1)}[verb]
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=stock["stock"])


@pytest.mark.parametrize("point", ["segment.before-rename", "segment.after-rename"])
def test_killed_while_the_next_segment_begins(lab, point):
    """The first pass is the journal's first segment, the second the switch to the next one, in
    mid-sale: both starts recover, nothing is lost."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis, start=False, journal__segment_bytes="1MiB")
    flusher = lab.flusher(database, start=False)
    start_armed(proxy, f"{point}:1", wait=False)
    wait_killed(proxy)
    start_armed(proxy, f"{point}:{2 if point == 'segment.before-rename' else 1}")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1500) == "OK"
    fields = ("FIELDS", "note", "x" * 1000)
    sale = load(proxy, buyers("phone", 2000, more=fields)).start()
    wait_killed(proxy)
    proxy.start()
    sale.finish(within_s=60)
    assert sale.outcomes() == {"OK": 1500, "SOLDOUT": 500}
    assert len(list(lab.journal.glob("journal-*.segment"))) >= 2
    check(lab, flusher, database, proxy, "phone", sale, given=1500)


def dead_in_mid_sale(lab, redis, proxy, failpoint, count=800):
    """A sale whose proxy has died with receipts that the journal lacks and a tail not rewritten."""
    start_armed(proxy, failpoint)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 500, "LIMIT", 1) == "OK"
    sale = load(proxy, buyers("phone", count), window=2).start()
    wait_killed(proxy)
    return sale


@pytest.mark.parametrize("point", ["recovery.before-rename", "recovery.after-rename",
                                   "gate.after-epoch", "gate.import"])
def test_killed_while_it_recovers_from_a_kill(lab, point):
    """Recovery and gate are killed too, twice, while a batch waits to be completed from its
    receipt: whatever they had done by then, the next start does the rest, once. (Behind its rename
    a recovery is done but for giving back room: the next start finds nothing to rewrite.)"""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis, start=False)
    flusher = lab.flusher(database, start=False)
    sale = dead_in_mid_sale(lab, redis, proxy, "sale.after-script:12")
    sold = redis_sold(redis, "phone")
    assert sold > len(journaled(lab)) > 0
    for _ in range(1 if point == "recovery.after-rename" else 2):
        start_armed(proxy, f"{point}:1", wait=False)
        wait_killed(proxy)
        assert redis_sold(redis, "phone") == sold
    proxy.start()
    assert len(journaled(lab)) >= sold
    sale.finish(within_s=60)
    assert sale.outcomes() == {"OK": 500, "SOLDOUT": 300}
    check(lab, flusher, database, proxy, "phone", sale, given=500)


@pytest.mark.parametrize("passes", [1, 5])
def test_killed_in_the_middle_of_a_replay(lab, passes):
    """Redis has lost everything and the proxy dies after some chunks of the replay, twice: the
    replay of the next start goes on where Redis is and counts nothing twice."""
    redis, database = lab.redis(appendfsync=None), lab.database()
    proxy = lab.proxy(redis)
    flusher = lab.flusher(database, start=False)
    # More items than chunks may be under way, and one item of several chunks.
    pens = [f"pen{n}" for n in range(40)]
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 7000, "LIMIT", 1) == "OK"
        for pen in pens:
            assert client("SECKILL.CREATE", pen, "STOCK", 1) == "OK"
            assert client("SECKILL.BUY", pen, "ann", "REQ", "r")[0] == "OK"
    sale = load(proxy, buyers("phone", 6000), window=50).start().finish(within_s=60)
    redis.kill()
    for _ in range(2):
        proxy.kill()
        redis.kill()
        redis.start()
        start_armed(proxy, f"replay.chunk:{passes}", wait=False)
        wait_killed(proxy)
    restored = sum(redis_sold(redis, item) for item in ["phone", *pens])
    assert 0 < restored < 6040
    start_armed(proxy, f"replay.chunk:{passes}", wait=False)
    wait_killed(proxy)
    proxy.start()
    more = load(proxy, buyers("phone", 6000) + buyers("phone", 2000, first=6000), window=50)
    more.start().finish(within_s=60)
    assert more.outcomes() == {"OK": 7000, "SOLDOUT": 1000}
    told = sale.order_ids()
    assert {key: ids for key, ids in more.order_ids().items() if key in told} == told
    check(lab, flusher, database, proxy, "phone", more, given=7000)
    assert sum(redis_sold(redis, item) for item in pens) == 40
