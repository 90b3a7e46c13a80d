"""What sluice-ctl reconcile finds edited in Redis, and has the proxy rebuild there."""

import pytest

from harness import invariants
from reconcile_fixture import Sale, hurt_sold, open_again


def test_what_redis_has_edited_is_seen(lab):
    """sold, stock, buyers and the whole item: each is named."""
    sale = Sale(lab).drained()
    with sale.redis.client() as client:
        client("HINCRBY", "sluice:{phone}:item", "sold", 5)
        sale.differs("redis sold")
        client("HINCRBY", "sluice:{phone}:item", "sold", -5)
        client("HINCRBY", "sluice:{phone}:item", "stock", -1)
        found = sale.table()
        assert "Redis: stock is 99, the journal says 100" in found.stdout
        client("HINCRBY", "sluice:{phone}:item", "stock", 1)
        sale.agrees()
        buyer = client("HGET", "sluice:{phone}:buyers", "a3")
        client("HDEL", "sluice:{phone}:buyers", "a3")
        sale.differs("redis buyers")
        client("HSET", "sluice:{phone}:buyers", "eve", buyer)
        sale.differs("redis buyers")
        client("DEL", "sluice:{phone}:item")
        sale.differs("redis missing_item")


def hurt_stock(client):
    client("HINCRBY", "sluice:{phone}:item", "stock", 1000)


def delete_buyers(client):
    client("HDEL", "sluice:{phone}:buyers", "a3", "a4")


def rename_a_buyer(client):
    """Stock, sold and the number of fields stay as they were."""
    buyer = client("HGET", "sluice:{phone}:buyers", "a3")
    client("HDEL", "sluice:{phone}:buyers", "a3")
    client("HSET", "sluice:{phone}:buyers", "eve", buyer)


def delete_item(client):
    client("DEL", "sluice:{phone}:item")


@pytest.mark.parametrize("hurt", [hurt_sold, hurt_stock, delete_buyers, rename_a_buyer,
                                  delete_item])
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
        client("HINCRBY", "sluice:{phone}:item", "lane:0", 1)
        client("RPUSH", "sluice:{phone}:receipts:0", "13 4 A 91")
        found = sale.agrees()
        item = found.item("phone")
        assert item["redis"]["unjournaled_batches"] == 1 and "receipts" in item["notes"][0]
        client("DEL", "sluice:{phone}:receipts:0")
        sale.differs("redis receipts")
