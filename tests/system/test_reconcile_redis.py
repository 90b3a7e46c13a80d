"""What sluice-ctl reconcile finds edited in Redis, and has the proxy rebuild there."""

import pytest

from harness import invariants
from harness.shelves import buyers_key, receipts_key, shelf_key, shelf_of
from reconcile_fixture import Sale, edit, hurt_sold, open_again

SHELF, BUYERS, RECEIPTS = shelf_key("phone"), buyers_key("phone"), receipts_key("phone", 0)


def test_what_redis_has_edited_is_seen(lab):
    """sold, stock, buyers and the whole item: each is named."""
    sale = Sale(lab).drained()
    with sale.redis.client() as client:
        edit(client, sold=5)
        sale.differs("redis sold")
        edit(client, sold=-5, stock=-1)
        found = sale.table()
        assert "Redis: stock is 99, the journal says 100" in found.stdout
        edit(client, stock=1)
        sale.agrees()
        buyer = client("HGET", BUYERS, "a3")
        client("HDEL", BUYERS, "a3")
        sale.differs("redis buyers")
        client("HSET", BUYERS, "eve", buyer)
        sale.differs("redis buyers")
        client("HDEL", SHELF, "phone")
        sale.differs("redis missing_item")


def test_settings_that_redis_has_edited_are_seen(lab):
    """Limit, times, state, born, fields that are no buyers; and what no script can have written."""
    sale = Sale(lab).drained()
    with sale.redis.client() as client:
        for changes, kind in [({"limit": 1}, "settings"), ({"start": 7, "end": 9}, "settings"),
                              ({"hold": 60_000}, "settings"), ({"initial": 1}, "settings"),
                              ({"state": 1}, "state"), ({"born": 1}, "born"),
                              ({"fields": 1}, "buyers")]:
            edit(client, **changes)
            sale.differs(f"redis {kind}")
            edit(client, **{name: -number for name, number in changes.items()})
        sale.agrees()
        edit(client, limit=-1)
        assert "Redis: limit is 4, the journal says 5" in sale.table().stdout
        client("HSET", SHELF, "phone", "not packed")
        found = sale.differs("redis edited")
        assert found.item("phone")["redis"]["sold"] is None
        sale.check_fixed()


def test_items_of_one_shelf_are_told_apart(lab):
    """They share their lane's sequence: sales of one item are no batches that the other lacks, and
    only the one that differs is named. Its repair brings back the other, too."""
    other = next(name for name in map("item-{}".format, range(1000))
                 if shelf_of(name) == shelf_of("phone"))
    sale = Sale(lab)
    with sale.proxy.client() as client:
        assert client("SECKILL.CREATE", other, "STOCK", 9) == "OK"
        order = client("SECKILL.BUY", other, "ann", "REQ", "r")[1]
    sale.drained().agrees()
    with sale.redis.client() as client:
        hurt_sold(client)
        found = sale.differs("redis sold")
        assert found.item(other)["agrees"]
        fixed = sale.check_fixed()
        assert fixed.json["fix"]["redis_items"] == ["phone"]
        assert sale.agrees("--item", other).item(other)["redis"]["orders"] == 1
    with sale.proxy.client() as client:
        assert open_again(client, "SECKILL.BUY", other, "ann", "REQ", "r")[1] == order


def hurt_stock(client):
    edit(client, stock=1000)


def hurt_bytes(client):
    """Whatever a hand leaves: the checksum is not that of the numbers."""
    packed = client("HGET", SHELF, "phone")
    client("HSET", SHELF, "phone", packed[:4] + bytes([packed[4] ^ 1]) + packed[5:])


def delete_buyers(client):
    client("HDEL", BUYERS, "a3", "a4")


def rename_a_buyer(client):
    """Stock, sold and the number of fields stay as they were."""
    buyer = client("HGET", BUYERS, "a3")
    client("HDEL", BUYERS, "a3")
    client("HSET", BUYERS, "eve", buyer)


def delete_item(client):
    client("HDEL", SHELF, "phone")


@pytest.mark.parametrize("hurt", [hurt_sold, hurt_stock, hurt_bytes, delete_buyers,
                                  rename_a_buyer, delete_item])
def test_fix_has_the_proxy_rebuild_what_redis_has_wrong(lab, hurt):
    """An idle proxy does it too. Afterwards every REQ still gets its order, and sales go on."""
    sale = Sale(lab).drained()
    with sale.redis.client() as client:
        hurt(client)
    assert sale.reconcile().code == 1
    fixed = sale.check_fixed()
    assert fixed.json["fix"]["redis_items"] == ["phone"]
    assert fixed.json["fix"]["mysql_items"] == []
    with sale.proxy.client() as client:
        for user, order in sale.orders.items():
            assert open_again(client, "SECKILL.BUY", "phone", user, "REQ", "r")[1] == order
        assert invariants.stock_of(client, "phone")["remaining"] == 92
        sale.buy(client, "zoe")
    sale.drained().agrees()


def test_fix_repairs_redis_and_mysql_in_one_go(lab):
    sale = Sale(lab).drained()
    with sale.redis.client() as client:
        hurt_sold(client)
    sale.database.query("DELETE FROM orders WHERE user_id = 'a3'")
    sale.differs("mysql missing_orders", "mysql sold", "redis sold")
    fixed = sale.check_fixed("--item", "phone")
    assert fixed.json["fix"]["mysql_orders"] == 1 and fixed.json["fix"]["redis_items"] == ["phone"]


def test_redis_ahead_of_a_killed_proxys_journal_is_explained(lab):
    """Batches that only the receipts have are no difference, but a note. Without their receipts
    they are a difference, which nobody can repair."""
    sale = Sale(lab).drained()
    sale.proxy.kill()
    # As a proxy leaves it that dies between Redis and its journal.
    with sale.redis.client() as client:
        sequence, *writer = client("HGET", SHELF, "@lane:0").split()
        last = int(sequence) + 1
        client("HSET", SHELF, "@lane:0", " ".join((str(last), *writer)))
        client("RPUSH", RECEIPTS, f"{last} 4 1 {sequence} headA…phone")
        found = sale.agrees()
        item = found.item("phone")
        assert item["redis"]["unjournaled_batches"] == 1 and "receipts" in item["notes"][0]
        client("RPOP", RECEIPTS)
        client("RPUSH", RECEIPTS, f"{last} 4 1 {sequence} headA…radio")
        item = sale.agrees().item("phone")
        assert item["redis"]["unjournaled_batches"] == 0, "the batch is another item's"
        edit(client, sold=1)
        sale.differs("redis sold")
        edit(client, sold=-1)
        client("DEL", RECEIPTS)
        sale.differs("redis receipts")
        client("RPUSH", RECEIPTS, f"{last} 0 0 {last} ")  # as the gate leaves a list that is gone
        sale.differs("redis receipts")
