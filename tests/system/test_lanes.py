"""Several proxies on one item, while Redis loses what one or all of them wrote."""

import random
import shutil

import pytest

from harness import invariants
from harness.invariants import item_in_redis
from harness.load import Load, Request
from harness.resp import RespError
from harness.shelves import shelf_key
from harness.waiting import until


def patient(client, *words, within_s=20):
    """Asks again while the answer is -LOADING."""
    def ask():
        reply = client(*words)
        return None if isinstance(reply, RespError) and reply.prefix == "LOADING" else [reply]
    return until(ask, within_s, f"an answer to {words}", every_s=0.02)[0]


def two_proxies(lab, redis):
    """Proxies 0 and 1, each with a journal of its own, both ready."""
    return [lab.proxy(redis, journal=lab.folder / f"journal{n}", proxy__id=n) for n in (0, 1)]


def drain(lab, database, proxies):
    """All journals into one database."""
    for n, proxy in enumerate(proxies):
        flusher = lab.flusher(database, start=False, journal=proxy.journal)
        done = flusher.once()
        assert done.returncode == 0, done.stdout + done.stderr


def check_sold(lab, database, proxies, loads, given):
    """Everything given was sold, to those who were told so, and everybody says the same of it."""
    drain(lab, database, proxies)
    with proxies[-1].client() as client:
        for load in loads:
            rows = invariants.check_consistent(database, client, "phone", load, given=given)
        assert len(rows) == given


def test_two_proxies_sell_one_item_exactly(lab):
    """4,000 buyers over two proxies, LIMIT 1, both asked with the same REQ: 1,000 orders in all,
    and whoever asks the other proxy again gets the same order."""
    redis, database = lab.redis(), lab.database()
    proxies = two_proxies(lab, redis)
    with proxies[0].client() as client:
        assert patient(client, "SECKILL.CREATE", "phone", "STOCK", 1000, "LIMIT", 1) == "OK"
    loads = [Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(4000)], seed=seed)
             for seed, proxy in enumerate(proxies)]
    for load in loads:
        load.start()
    for load in loads:
        load.finish(within_s=90)
        assert load.errors == {}
    told = [load.order_ids() for load in loads]
    for buyer in told[0].keys() & told[1].keys():
        assert told[0][buyer] == told[1][buyer], buyer
    check_sold(lab, database, proxies, loads, given=1000)


def test_redis_that_loses_the_writes_of_one_lane_only(lab):
    """Proxy 0 sells, the append-only file is copied, proxy 1 sells, Redis is killed and comes back
    with the copy. Proxy 0 has lost nothing, and sells nothing until proxy 1 has brought its orders
    back."""
    redis = lab.redis(appendfsync="always")
    proxies = two_proxies(lab, redis)
    with proxies[0].client() as zero, proxies[1].client() as one:
        assert patient(zero, "SECKILL.CREATE", "phone", "STOCK", 3) == "OK"
        first = patient(zero, "SECKILL.BUY", "phone", "ann", "REQ", "r")[1]
        shutil.copytree(redis.folder / "appendonlydir", redis.folder / "older")
        second = patient(one, "SECKILL.BUY", "phone", "bob", "REQ", "r")[1]
        third = patient(one, "SECKILL.BUY", "phone", "cid", "REQ", "r")[1]
    proxies[1].kill()
    redis.kill()
    shutil.rmtree(redis.folder / "appendonlydir")
    (redis.folder / "older").rename(redis.folder / "appendonlydir")
    redis.start()
    with proxies[0].client() as zero:
        def waits():
            reply = zero("SECKILL.BUY", "phone", "eve", "REQ", "r")
            assert isinstance(reply, RespError), reply
            return "proxy 1" in reply.text
        until(waits, 20, "-LOADING for proxy 1", every_s=0.02)
        proxies[1].start()
        with proxies[1].client() as one:
            assert patient(zero, "SECKILL.BUY", "phone", "eve", "REQ", "r") == ["SOLDOUT", 0]
            assert patient(one, "SECKILL.BUY", "phone", "ann", "REQ", "r")[1] == first
            assert patient(zero, "SECKILL.BUY", "phone", "bob", "REQ", "r")[1] == second
            assert patient(zero, "SECKILL.BUY", "phone", "cid", "REQ", "r")[1] == third


@pytest.mark.parametrize("appendfsync", ["everysec", None])
def test_redis_is_killed_again_and_again_under_two_proxies(lab, appendfsync):
    """Redis with AOF everysec, or without any file, is killed three times while both proxies sell:
    no acknowledged order is lost, none is sold twice."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    redis, database = lab.redis(appendfsync=appendfsync), lab.database()
    proxies = two_proxies(lab, redis)
    with proxies[0].client() as client:
        assert patient(client, "SECKILL.CREATE", "phone", "STOCK", 3000, "LIMIT", 1) == "OK"
    loads = [Load(proxy.port, [Request("phone", f"u{n % 4000}", "r") for n in range(5000)],
                  window=4, seed=seed + k) for k, proxy in enumerate(proxies)]
    for load in loads:
        load.start()
    for sold in (300, 900, 1500):
        until(lambda: sum(load.accepted() for load in loads) >= sold, 60, f"{sold} accepted")
        redis.kill()
        redis.start()
    for load in loads:
        load.finish(within_s=120)
        assert load.errors == {}
    check_sold(lab, database, proxies, loads, given=3000)


def test_failover_to_a_lagging_replica(lab):
    """The replica stands still while the last orders are sold; the master dies, the replica takes
    its port over. Nothing acknowledged is lost, and nothing is sold twice."""
    master, replica = lab.redis(), lab.redis(appendfsync=None)
    with replica.client() as client:
        client("REPLICAOF", "127.0.0.1", master.port)
        until(lambda: "master_link_status:up" in client("INFO", "replication"), 20, "replication")
    proxies = two_proxies(lab, master)
    with proxies[0].client() as zero, proxies[1].client() as one:
        assert patient(zero, "SECKILL.CREATE", "phone", "STOCK", 4) == "OK"
        orders = {"ann": patient(zero, "SECKILL.BUY", "phone", "ann", "REQ", "r")[1]}
        with replica.client() as client:
            until(lambda: (item_in_redis(client, "phone") or {}).get("sold") == 1, 20, "replica")
            client("REPLICAOF", "NO", "ONE")  # it hears of nothing more: the lag
        orders["bob"] = patient(one, "SECKILL.BUY", "phone", "bob", "REQ", "r")[1]
        orders["cid"] = patient(zero, "SECKILL.BUY", "phone", "cid", "REQ", "r")[1]
        master.kill()
        with replica.client() as client:
            assert client("CONFIG", "SET", "port", master.port) == "OK"
        assert patient(one, "SECKILL.BUY", "phone", "eve", "REQ", "r")[0] == "OK"
        assert patient(zero, "SECKILL.BUY", "phone", "fay", "REQ", "r") == ["SOLDOUT", 0]
        for user, order in orders.items():
            assert patient(zero, "SECKILL.BUY", "phone", user, "REQ", "r")[1] == order
            assert patient(one, "SECKILL.BUY", "phone", user, "REQ", "r")[1] == order


def test_a_first_replica_comes_while_two_proxies_sell(lab):
    """Redis keeps its connections and takes a new replication id. Proxies that connected before and
    after it agree about which Redis this is, so that items open and stay open."""
    redis, replica = lab.redis(), lab.redis(appendfsync=None)
    proxies = two_proxies(lab, redis)
    with proxies[0].client() as client:
        assert patient(client, "SECKILL.CREATE", "phone", "STOCK", 100) == "OK"
        assert patient(client, "SECKILL.BUY", "phone", "ann", "REQ", "r")[0] == "OK"
    with replica.client() as client:
        client("REPLICAOF", "127.0.0.1", redis.port)
        until(lambda: "master_link_status:up" in client("INFO", "replication"), 20, "replication")
    proxies[1].stop()
    proxies[1].start()
    with proxies[0].client() as zero, proxies[1].client() as one:
        for n in range(40):
            assert patient(zero, "SECKILL.BUY", "phone", f"zero{n}")[0] == "OK"
            assert patient(one, "SECKILL.BUY", "phone", f"one{n}")[0] == "OK"
        assert patient(one, "SECKILL.STOCK", "phone")[5] == 81


def test_master_that_becomes_a_replica_refuses_and_comes_back(lab):
    """READONLY: -LOADING while it lasts, then the gate, also for what was lost meanwhile."""
    redis, other = lab.redis(), lab.redis()
    proxy = lab.proxy(redis)
    with proxy.client() as client, redis.client() as direct:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        order = client("SECKILL.BUY", "phone", "ann", "REQ", "r")[1]
        direct("REPLICAOF", "127.0.0.1", other.port)
        until(lambda: "master_link_status:up" in direct("INFO", "replication"), 20, "replication")
        reply = client("SECKILL.BUY", "phone", "bob", "REQ", "r")
        assert isinstance(reply, RespError) and reply.prefix == "LOADING", reply
        direct("REPLICAOF", "NO", "ONE")
        assert direct("EXISTS", shelf_key("phone")) == 0, "the other's data: nothing"
        assert patient(client, "SECKILL.BUY", "phone", "ann", "REQ", "r")[1] == order
        assert patient(client, "SECKILL.BUY", "phone", "bob", "REQ", "r")[2] == 3
