"""Items that are sold out: refused without Redis, and never otherwise than Redis would have.

Expected: the flood after the last unit costs Redis next to nothing; who has bought gets his order
and LIMIT; what is done through this proxy shows at once, through another one within
limits.soldout_lease, and a Redis that was flushed under it within that time as well.
"""

import random
import re
import time

from harness.admin import metrics
from harness.resp import RespError, encode
from harness.shelves import buyers_key
from harness.waiting import until

AT_ONCE = "sluice_soldout_at_once_total"


def refused_at_once(proxy):
    return metrics(proxy.admin_port)[AT_ONCE]


def sold_out(proxy, client, item="phone"):
    """Returns once purchases of the item are refused without Redis."""
    before = refused_at_once(proxy)

    def is_known():
        assert client("SECKILL.BUY", item, "asker")[0] == "SOLDOUT"
        return refused_at_once(proxy) > before
    until(is_known, 20, "the buyers are loaded")


def patient(client, *words):
    def ask():
        reply = client(*words)
        return None if isinstance(reply, RespError) and reply.prefix == "LOADING" else [reply]
    return until(ask, 20, f"an answer to {words}")[0]


def script_calls(redis):
    with redis.client() as client:
        found = re.search(r"cmdstat_evalsha:calls=(\d+)", client("INFO", "commandstats"))
    return int(found[1]) if found else 0


def buy_all(client, item, users, chunk=2000):
    """One purchase each, pipelined; the replies."""
    replies = []
    for first in range(0, len(users), chunk):
        part = users[first:first + chunk]
        client.send_raw(b"".join(encode("SECKILL.BUY", item, user, "REQ", "r") for user in part))
        replies += [client.read() for _ in part]
    return replies


def test_the_flood_after_the_last_unit_does_not_reach_redis(lab):
    redis = lab.redis()
    proxy = lab.proxy(redis)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100, "LIMIT", 1) == "OK"
        bought = buy_all(client, "phone", [f"u{n}" for n in range(100)])
        sold_out(proxy, client)
        calls, known, counted = script_calls(redis), refused_at_once(proxy), told(proxy, "soldout")
        late = buy_all(client, "phone", [f"late{n}" for n in range(20_000)])
        assert late == [["SOLDOUT", 0]] * 20_000
        assert buy_all(client, "phone", [f"u{n}" for n in range(100)]) == [
            ["OK", reply[1], 0, "disk"] for reply in bought]
        assert client("SECKILL.BUY", "phone", "u7")[0:2] == ["LIMIT", 1]
        until(lambda: told(proxy, "soldout") == counted + 20_000, 10, "all are counted")
        assert refused_at_once(proxy) - known > 15_000
        assert script_calls(redis) - calls < 500


def told(proxy, result):
    return metrics(proxy.admin_port)[f'sluice_purchases_total{{result="{result}"}}']


def test_every_buyer_of_two_hundred_thousand_gets_his_order_again(lab):
    """The filter is of their number; of 20,000 others hardly anyone is taken for a buyer, and those
    who are get the same answer from Redis."""
    redis = lab.redis()
    proxy = lab.proxy(redis, journal__fsync="no")
    count = 200_000
    users = [f"u{n}" for n in range(count)]
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", count, "LIMIT", 1) == "OK"
        orders = [reply[1] for reply in buy_all(client, "phone", users)]
        assert len(set(orders)) == count
        sold_out(proxy, client)
        again = buy_all(client, "phone", users)
        assert [reply[1] for reply in again] == orders
        known = refused_at_once(proxy)
        assert buy_all(client, "phone", [f"v{n}" for n in range(20_000)]) == [
            ["SOLDOUT", 0]] * 20_000
        until(lambda: refused_at_once(proxy) - known > 18_000, 10, "nearly all at once")


def test_restock_and_cancel_show_in_every_answer_behind_them(lab):
    """In one pipeline, and over another connection once the reply is there."""
    proxy = lab.proxy(lab.redis(), proxy__io_threads=2)
    with proxy.client() as client, proxy.client() as other:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1) == "OK"
        order = client("SECKILL.BUY", "phone", "u")[1]
        user = "u"
        for n in range(30):
            sold_out(proxy, client)
            change = (["SECKILL.RESTOCK", "phone", 1] if n % 2
                      else ["SECKILL.CANCEL", "phone", user, order])
            if n % 3 == 0:
                replies = client.pipeline([change, ["SECKILL.BUY", "phone", f"a{n}", "REQ", "r"]])
            else:
                replies = [client(*change), other("SECKILL.BUY", "phone", f"a{n}", "REQ", "r")]
            assert replies[0] == ["OK", 1]
            assert replies[1][0] == "OK" and replies[1][2] == 0, (n, replies)
            user, order = f"a{n}", replies[1][1]


def test_another_proxys_restock_shows_within_the_lease(lab):
    redis = lab.redis()
    lease_s = 0.5
    one, two = [lab.proxy(redis, journal=lab.folder / f"journal{n}", proxy__id=n,
                          limits__soldout_lease="500ms") for n in (0, 1)]
    with one.client() as here, two.client() as there:
        assert patient(there, "SECKILL.CREATE", "phone", "STOCK", 1) == "OK"
        assert patient(there, "SECKILL.BUY", "phone", "ann", "REQ", "r")[0] == "OK"
        assert patient(here, "SECKILL.BUY", "phone", "zoe")[0] == "SOLDOUT"
        for n in range(4):
            sold_out(one, here)
            assert there("SECKILL.RESTOCK", "phone", 1) == ["OK", 1]
            restocked = time.monotonic()
            # With a REQ there is no lease: the other proxy might have sold it.
            with_req = ["REQ", "r"] if n % 2 else []
            asked, reply = restocked, ["SOLDOUT", 0]
            while reply[0] == "SOLDOUT":
                asked, reply = time.monotonic(), here("SECKILL.BUY", "phone", f"a{n}", *with_req)
                assert not (with_req and reply[0] == "SOLDOUT")
            assert reply[0] == "OK" and asked - restocked < lease_s


def test_flushall_of_a_sold_out_item_is_noticed_and_repaired(lab):
    redis = lab.redis()
    proxy = lab.proxy(redis)
    with proxy.client() as client, redis.client() as direct:
        assert client("SECKILL.CREATE", "phone", "STOCK", 3, "LIMIT", 1) == "OK"
        orders = [reply[1] for reply in buy_all(client, "phone", ["a", "b", "c"])]
        sold_out(proxy, client)
        assert direct("FLUSHALL") == "OK"
        for n in range(200):
            assert patient(client, "SECKILL.BUY", "phone", f"late{n}", "REQ", "r") == ["SOLDOUT", 0]
        for user, order in zip("abc", orders):
            assert patient(client, "SECKILL.BUY", "phone", user, "REQ", "r")[1] == order
        assert patient(client, "SECKILL.BUY", "phone", "a")[:2] == ["LIMIT", 1]
        # Three buyers, and the field by which the key is always there.
        until(lambda: direct("HLEN", buyers_key("phone")) == 4, 10, "it is rebuilt")
        assert patient(client, "SECKILL.RESTOCK", "phone", 1) == ["OK", 1]
        # Still patiently: the heartbeat may see the flush a beat after the purchases did.
        assert patient(client, "SECKILL.BUY", "phone", "late1", "REQ", "r")[0] == "OK"
        assert patient(client, "SECKILL.BUY", "phone", "late2", "REQ", "r") == ["SOLDOUT", 0]


def test_without_lease_or_memory_redis_refuses(lab):
    """On both sides of the memory that an item with one buyer takes: 3,104 bytes."""
    redis = lab.redis()
    for n, (lease, memory, known) in enumerate([("0s", "64MiB", False), ("100ms", "3103B", False),
                                                ("100ms", "3104B", True)]):
        proxy = lab.proxy(redis, journal=lab.folder / "journal", limits__soldout_lease=lease,
                          limits__soldout_memory=memory)
        with proxy.client() as client:
            item = f"phone{n}"
            assert patient(client, "SECKILL.CREATE", item, "STOCK", 1) == "OK"
            assert client("SECKILL.BUY", item, "ann")[0] == "OK"
            calls = script_calls(redis)
            for user in range(300):
                assert client("SECKILL.BUY", item, f"u{user}") == ["SOLDOUT", 0]
            assert (refused_at_once(proxy) > 0) == known
            assert (script_calls(redis) - calls < 300) == known
        proxy.stop()


def test_buyers_and_latecomers_together_while_units_come_back(lab):
    """Random buyers, latecomers, cancels and restocks over four connections, replies in hand: every
    unit that came back is sold, each REQ keeps its order."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    proxy = lab.proxy(lab.redis(), proxy__io_threads=2)
    clients = [proxy.client() for _ in range(4)]
    first = clients[0]
    assert first("SECKILL.CREATE", "phone", "STOCK", 20, "LIMIT", 1) == "OK"
    holders, cancelled, left = {}, set(), 20
    for n in range(3000):
        client = chance.choice(clients)
        kind = chance.random()
        if kind < 0.05 and holders:
            user = chance.choice(sorted(holders))
            left += 1
            assert client("SECKILL.CANCEL", "phone", user, holders.pop(user)) == ["OK", left]
            cancelled.add(user)
        elif kind < 0.08:
            left += 2
            assert client("SECKILL.RESTOCK", "phone", 2) == ["OK", left]
        elif kind < 0.3 and holders:
            user = chance.choice(sorted(holders))
            assert client("SECKILL.BUY", "phone", user, "REQ", "r")[1] == holders[user], n
        else:
            user = f"u{n}"
            reply = client("SECKILL.BUY", "phone", user, "REQ", "r")
            if left > 0:
                left -= 1
                assert reply[0] == "OK" and reply[2] == left, (n, reply)
                holders[user] = reply[1]
            else:
                assert reply == ["SOLDOUT", 0], n
    assert refused_at_once(proxy) > 0
    for client in clients:
        client.close()
