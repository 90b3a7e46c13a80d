"""SECKILL.DELETE: an item that is over leaves Redis, journal and MySQL; its orders stay."""

from harness import invariants
from harness.lab import HOLD
from harness.shelves import buyers_key, shelf_key
from harness.waiting import until


def sell(client, item, users, stock=10):
    assert client("SECKILL.CREATE", item, "STOCK", stock) == "OK"
    for user in users:
        assert client("SECKILL.BUY", item, user, "REQ", "r")[0] == "OK"


def drain(client):
    assert client("SECKILL.FLUSH", "WAIT", 20_000) == "OK"


def test_an_item_is_deleted_once_mysql_has_all_of_it_and_its_name_is_free_again(lab):
    redis, database, proxy, flusher = lab.stack(flusher=HOLD)
    with proxy.client() as client, redis.client() as direct:
        assert client("SECKILL.DELETE", "phone") == ["NOITEM"]
        sell(client, "phone", ["ann", "bob"])
        assert client("SECKILL.DELETE", "phone") == ["OPEN"]
        assert client("SECKILL.CLOSE", "phone") == "OK"
        word, records = client("SECKILL.DELETE", "phone")
        assert word == "PENDING" and records >= 1
        assert invariants.stock_of(client, "phone")["sold"] == 2, "it is all there meanwhile"
        drain(client)
        until(lambda: client("SECKILL.DELETE", "phone") == "OK", 20, "the deletion")
        assert client("SECKILL.STOCK", "phone") == ["NOITEM"]
        assert client("SECKILL.LIST") == ["0", []]
        assert direct("EXISTS", buyers_key("phone")) == 0

        drain(client)
        until(lambda: direct("HEXISTS", shelf_key("phone"), "phone") == 0, 20, "the item's end")
        assert database.one("SELECT COUNT(*) FROM items") == (0,)
        assert database.one("SELECT COUNT(*) FROM orders") == (2,)
        until(lambda: client("SECKILL.CREATE", "phone", "STOCK", 3) == "OK", 20, "a free name")
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r")[0] == "OK", "another sale"
        drain(client)
        assert database.one("SELECT stock, sold FROM items") == (5, 3)
        direct("FLUSHALL")
        until(lambda: isinstance(client("SECKILL.STOCK", "phone"), list), 20, "the rebuild")
        assert invariants.stock_of(client, "phone")["remaining"] == 2


def test_a_deleted_item_leaves_nothing_after_a_restart_and_a_rebuild(lab):
    redis, database, proxy, flusher = lab.stack()
    with proxy.client() as client, redis.client() as direct:
        for number in range(5):
            sell(client, f"item-{number}", ["ann"])
            assert client("SECKILL.CLOSE", f"item-{number}") == "OK"
        sell(client, "kept", ["ann"])
        drain(client)
        for number in range(5):
            item = f"item-{number}"
            until(lambda one=item: client("SECKILL.DELETE", one) == "OK", 20, "the deletion")
        proxy.stop()
        direct("FLUSHALL")
    proxy.start()
    with proxy.client() as client:
        until(lambda: client("SECKILL.LIST") == ["0", ["kept"]], 20, "the rebuild")
        assert invariants.stock_of(client, "kept")["sold"] == 1


def test_it_goes_through_every_proxy(lab):
    """One that is asked says OK when the other, which has sold it too, has followed by itself."""
    redis, database = lab.redis(), lab.database()
    proxies, flushers = [], []
    for number in range(2):
        folder = lab.folder / f"journal-{number}"
        flushers.append(lab.flusher(database, start=False, journal=folder, **HOLD))
        admin = f"http://127.0.0.1:{flushers[-1].admin_port}"
        proxies.append(lab.proxy(redis, journal=folder, proxy__id=number, flusher__admin=admin))
        flushers[-1].start()
    with proxies[0].client() as one, proxies[1].client() as two:
        until(lambda: one("SECKILL.CREATE", "phone", "STOCK", 5) == "OK", 20, "the first proxy")
        until(lambda: isinstance(two("SECKILL.BUY", "phone", "bob"), list), 20, "the second")
        assert one("SECKILL.CLOSE", "phone") == "OK"
        assert one("SECKILL.DELETE", "phone")[0] == "PENDING"
        drain(one)
        assert one("SECKILL.DELETE", "phone")[0] == "PENDING", "the other's order is missing"
        drain(two)

        def is_deleted():
            drain(one)  # its own mark is a record too
            return one("SECKILL.DELETE", "phone") == "OK"
        until(is_deleted, 20, "the other lane's mark")
        assert two("SECKILL.STOCK", "phone") == ["NOITEM"]
        for client in (one, two):
            drain(client)
    assert database.one("SELECT COUNT(*) FROM items") == (0,)
    assert database.one("SELECT COUNT(*) FROM orders") == (1,)
