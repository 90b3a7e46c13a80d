"""Redis is killed, loses its newest writes or everything, or is replaced by a replica that lags.

What it lost of acknowledged orders comes back from the journal before anything more is sold: no
order is lost and no unit is sold twice, whatever Redis's own durability is.
"""

import pytest

from harness import invariants
from harness.resp import RespError
from harness.waiting import until
from killing import buy, buyers, check, journaled, load, redis_sold


def lose_newest_bytes(redis, share):
    """What a power cut does to an append-only file under everysec: its newest bytes are gone."""
    (aof,) = redis.folder.glob("appendonlydir/*.incr.aof")
    with open(aof, "r+b") as file:
        size = file.seek(0, 2)
        file.truncate(int(size * (1 - share)))
    return size


@pytest.mark.parametrize("policy, lost", [("always", 0), ("everysec", 0), ("everysec", 0.3),
                                          (None, 1)])
def test_redis_killed_loses_no_order_and_oversells_nothing(lab, policy, lost):
    """Redis is SIGKILLed twice in mid-sale; under everysec the newest third of its append-only file
    is gone as well, without one everything is."""
    redis, database = lab.redis(appendfsync=policy), lab.database()
    proxy = lab.proxy(redis)
    flusher = lab.flusher(database, start=False)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 3000, "LIMIT", 1) == "OK"
    sale = load(proxy, buyers("phone", 5000), connections=32, window=4).start()
    for sold in (500, 1500):
        until(lambda: sale.accepted() >= sold, 30, f"{sold} accepted")
        redis.kill()
        if policy and lost:
            lose_newest_bytes(redis, lost)
        redis.start()
    sale.finish(within_s=60)
    assert sale.outcomes() == {"OK": 3000, "SOLDOUT": 2000}
    check(lab, flusher, database, proxy, "phone", sale, given=3000)
    replayed = "replayed" in proxy.process.log()
    assert replayed == (lost > 0), proxy.process.log_tail()


def test_buyers_limits_and_requests_survive_the_loss_of_redis(lab):
    """After a rebuild LIMIT still counts the old orders, a REQ still gets its old order, a
    cancelled order is cancelled and its unit on sale again."""
    redis, database, proxy, flusher = lab.stack()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5, "LIMIT", 2) == "OK"
        first = client("SECKILL.BUY", "phone", "ann", "REQ", "a1")[1]
        gone = client("SECKILL.BUY", "phone", "bob", "REQ", "b1")[1]
        assert client("SECKILL.CANCEL", "phone", "bob", gone) == ["OK", 4]
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "a2")[0] == "OK"
        proxy.kill()
        with redis.client() as direct:
            assert direct("FLUSHALL") == "OK"
        proxy.start()
    with proxy.client() as client:
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "a1")[:2] == ["OK", first]
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "a3")[:2] == ["LIMIT", 2]
        assert client("SECKILL.CANCEL", "phone", "bob", gone) == ["ALREADY"]
        assert invariants.stock_of(client, "phone")["remaining"] == 3
        assert client("SECKILL.BUY", "phone", "eve", "QTY", 2)[0] == "OK"
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=5)


class Pair:
    """A master and a replica whose replication passes through a link that a test can hold."""

    def __init__(self, lab, fault):
        self.master = lab.redis(options=["--repl-diskless-sync-delay", "0"])
        self.link = fault(self.master.port, protocol="raw")
        self.replica = lab.redis(options=["--replicaof", f"127.0.0.1 {self.link.port}",
                                          "--repl-diskless-sync-delay", "0"])
        self.front = fault(self.master.port)
        until(self._in_step, 20, "the replica is in step")

    def _in_step(self):
        with self.replica.client() as client:
            return "master_link_status:up" in client("INFO", "replication")

    def fail_over(self, kill_master=True):
        """The replica as it is becomes the master, and what users point at the master moves."""
        if kill_master:
            self.master.kill()
        self.link.cut()
        self.link.refuse()
        with self.replica.client() as client:
            assert client("REPLICAOF", "NO", "ONE") == "OK"
        self.front.switch(self.replica.port)


@pytest.mark.parametrize("master_dies", [True, False])
def test_failover_to_a_lagging_replica_loses_no_order(lab, fault, master_dies):
    """The link to the replica is held in mid-sale, hundreds of acknowledged orders later the
    replica becomes master: all it lacks is replayed. A master that lives on changes nothing."""
    pair, database = Pair(lab, fault), lab.database()
    proxy = lab.proxy(pair.front)
    flusher = lab.flusher(database, start=False)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 3000, "LIMIT", 1) == "OK"
    sale = load(proxy, buyers("phone", 5000), connections=32, window=4).start()
    until(lambda: sale.accepted() >= 500, 30, "500 accepted")
    pair.link.hold()
    seen = sale.accepted()
    until(lambda: sale.accepted() >= seen + 800, 30, "800 more accepted")
    pair.fail_over(kill_master=master_dies)
    sale.finish(within_s=60)
    assert sale.outcomes() == {"OK": 3000, "SOLDOUT": 2000}
    assert "replayed" in proxy.process.log()
    check(lab, flusher, database, proxy, "phone", sale, given=3000)
    assert redis_sold(pair.replica, "phone") == 3000


def test_failover_to_a_replica_that_lacks_the_item(lab, fault):
    """The replica never heard of the item: one order was acknowledged, its REQ gets it again."""
    pair, database = Pair(lab, fault), lab.database()
    proxy = lab.proxy(pair.front)
    flusher = lab.flusher(database, start=False)
    pair.link.hold()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 3, "LIMIT", 1) == "OK"
        order = client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[1]
    pair.fail_over()
    assert buy(proxy, "phone", "ann", "r1")[:2] == ["OK", order]
    assert [buy(proxy, "phone", user, "r")[0] for user in ("bob", "eve", "joe")] == [
        "OK", "OK", "SOLDOUT"]
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=3)


def test_a_master_that_became_a_replica_is_not_sold_on(lab, fault):
    """The old master is demoted under the proxy (-READONLY): purchases are refused until the
    address leads to a master again, and nothing that was refused was sold."""
    pair, database = Pair(lab, fault), lab.database()
    proxy = lab.proxy(pair.front)
    flusher = lab.flusher(database, start=False)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[0] == "OK"
        until(lambda: redis_sold(pair.replica, "phone") == 1, 10, "the replica has the order")
        with pair.replica.client() as direct:
            assert direct("REPLICAOF", "NO", "ONE") == "OK"
        with pair.master.client() as direct:
            assert direct("REPLICAOF", "127.0.0.1", pair.replica.port) == "OK"
        until(lambda: isinstance(client("SECKILL.BUY", "phone", "bob", "REQ", "r2"), RespError), 10,
              "purchases are refused")
        pair.front.switch(pair.replica.port)
    assert buy(proxy, "phone", "bob", "r2")[0] == "OK"
    assert set(journaled(lab)) == {("ann", "r1"), ("bob", "r2")}
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=10)
