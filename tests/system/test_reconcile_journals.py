"""reconcile where one journal does not hold all: two proxies, snapshots, retired items."""

from harness import invariants
from harness.lab import HOLD
from harness.shelves import buyers_key, shelf_key
from harness.waiting import until
from reconcile_fixture import TwoProxies, buy_with_notes, hurt_sold, open_again, reconcile


def test_what_only_the_snapshot_has_comes_back_without_fields(lab):
    """Drained segments are compacted and deleted: all still agree; of the orders put back those of
    deleted segments have no FIELDS, and that is said. Retired items are not compared."""
    _, database, proxy, flusher = lab.stack(proxy={"journal__segment_bytes": "1MiB"},
                                            flusher={"journal__retain": "0s"})
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10_000) == "OK"
        buy_with_notes(client, "phone", 2500)
    invariants.wait_rows(database, "phone", 2500)
    until(lambda: not (lab.journal / "journal-000000000001.segment").exists(), 20,
          "the first segment's deletion")
    assert (lab.journal / "snapshot").exists()
    configs = [proxy.config, flusher.config]
    assert reconcile(lab, configs).code == 0
    first, *_, last = [row[0] for row in database.query("SELECT order_id FROM orders ORDER BY 1")]
    database.query("DELETE FROM orders WHERE order_id IN %s", (first, last))
    fixed = reconcile(lab, configs, "--fix")
    assert fixed.code == 0, fixed.text
    assert fixed.json["fix"]["mysql_orders"] == 2
    assert fixed.json["fix"]["mysql_orders_without_fields"] == 1
    fields = [database.one("SELECT fields FROM orders WHERE order_id = %s", order)[0]
              for order in (first, last)]
    assert fields[0] is None and "xxx" in fields[1]
    with proxy.client() as client:
        assert client("SECKILL.CLOSE", "phone") == "OK"
        assert client("SECKILL.CREATE", "radio", "STOCK", 10_000) == "OK"
        buy_with_notes(client, "radio", 1500)  # on to the next segment
    until(lambda: reconcile(lab, configs).json["retired"] == ["phone"], 20, "the retirement")
    found = reconcile(lab, configs)
    # MySQL still has its row, with which nothing can be compared any more.
    assert found.code == 1 and [item["item"] for item in found.json["items"]] == ["radio"]
    assert found.json["summary"]["cannot_be_compared"] == 1
    found = lab.ctl("reconcile", "--config", proxy.config, "--config", flusher.config, "--item",
                    "phone")
    assert found.returncode == 2 and "retired" in found.stderr


def test_the_journals_of_two_proxies_are_added_up(lab):
    """Sold by both, cancelled through the other: all agree. With one proxy's files alone the other
    one's lane is named. An edit is rebuilt from both journals."""
    both = TwoProxies(lab)
    orders = both.sell(40)
    for user, proxy in (("u0", both.proxies[1]), ("u1", both.proxies[0])):
        with proxy.client() as client:
            assert client("SECKILL.CANCEL", "phone", user, orders[user])[0] == "OK"
            assert client("SECKILL.RESTOCK", "phone", 50)[0] == "OK"
    until(lambda: both.reconcile().item("phone")["waiting"]["records"] == 0, 20, "the drains")
    found = both.reconcile()
    assert found.code == 0, found.text
    assert found.item("phone")["journal"]["sold"] == 38
    for proxy, flusher in zip(both.proxies, both.flushers):
        one = reconcile(lab, [proxy.config, flusher.config], "--fix")
        assert one.code == 1 and "redis unknown_lane" in one.kinds(), one.text
        assert len(one.json["journals_not_given"]) == 1
        assert not any(difference["fixable"] for difference in one.differences()), one.text
    assert both.reconcile().code == 0, "a --fix with half of the journals has changed something"
    with both.redis.client() as client:
        hurt_sold(client)
        client("HDEL", buyers_key("phone"), "u2", "u3")
    fixed = both.reconcile("--fix")
    assert fixed.code == 0 and fixed.json["fix"]["redis_items"] == ["phone"], fixed.text
    for user, proxy in (("u2", both.proxies[1]), ("u3", both.proxies[0])):
        with proxy.client() as client:
            found = open_again(client, "SECKILL.ORDER", "phone", user, "REQ", "r")
            assert found[1] == orders[user]


def test_a_cancel_drained_before_its_order_is_no_difference(lab):
    """It is kept in sluice_early_change; if somebody deletes it there, --fix puts it back."""
    both = TwoProxies(lab, **HOLD)
    orders = both.sell(4)
    with both.proxies[1].client() as client:
        assert client("SECKILL.CANCEL", "phone", "u0", orders["u0"])[0] == "OK"
    assert both.flushers[1].post("/flush").status in (200, 202)
    until(lambda: both.database.one("SELECT COUNT(*) FROM sluice_early_change") == (1,), 20,
          "the early cancel")
    assert both.reconcile().code == 0
    both.database.query("DELETE FROM sluice_early_change")
    found = both.reconcile()
    assert found.kinds() == ["mysql uncancelled_orders"], found.text
    assert both.reconcile("--fix").code == 0
    assert both.flushers[0].post("/flush").status in (200, 202)
    until(lambda: both.reconcile().item("phone")["waiting"]["records"] == 0, 20, "the drain")
    assert both.reconcile().code == 0
    assert both.database.one("SELECT status FROM orders WHERE user_id = 'u0'") == ("cancelled",)


def test_an_item_that_one_of_two_journals_has_retired_is_left_alone(lab):
    """Of `phone`, one journal has retired its share, a restock among it; the other one still has
    all: --fix believes neither Redis nor MySQL to be wrong, also when Redis has lost the item."""
    both = TwoProxies(lab, proxy={"journal__segment_bytes": "1MiB"}, journal__retain="0s")
    both.sell(10)
    with both.proxies[1].client() as client:
        assert client("SECKILL.RESTOCK", "phone", 50)[0] == "OK"
        assert client("SECKILL.CLOSE", "phone") == "OK"
        assert client("SECKILL.CREATE", "radio", "STOCK", 10_000) == "OK"
        buy_with_notes(client, "radio", 1500)  # on to the next segment

    def stock():
        return both.database.one("SELECT stock, sold FROM items WHERE item_id = 'phone'")

    def retired():
        dumped = lab.ctl("journal", "dump", "--items", lab.folder / "journal2")
        return dumped.returncode == 0 and "phone" not in dumped.stdout
    until(lambda: retired() and stock() == (1050, 10), 20, "the retirement by one journal")
    found = both.reconcile("--fix")
    assert stock() == (1050, 10)
    assert found.code == 1 and found.json["retired"] == ["phone"], found.text
    assert found.json["summary"]["cannot_be_compared"] == 1
    with both.redis.client() as client:
        # As a Redis has it that was rebuilt without journal 2.
        client("HDEL", shelf_key("phone"), "@lane:2")
    both.reconcile("--fix")
    assert stock() == (1050, 10)


def test_a_name_that_is_used_again_after_its_retirement_keeps_its_stock(lab):
    """The old orders are in no journal any more, and are said; items.stock counts both sales."""
    redis, database, proxy, flusher = lab.stack(proxy={"journal__segment_bytes": "1MiB"},
                                                flusher={"journal__retain": "0s"})
    configs = [proxy.config, flusher.config]
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100) == "OK"
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
        assert client("SECKILL.CLOSE", "phone") == "OK"
        assert client("SECKILL.CREATE", "radio", "STOCK", 10_000) == "OK"
        buy_with_notes(client, "radio", 1500)  # on to the next segment
        def retired():
            found = reconcile(lab, configs)
            assert found.json is not None, found.text
            return found.json["retired"] == ["phone"]
        until(retired, 20, "the retirement")
    proxy.stop()
    with redis.client() as direct:
        direct("HDEL", shelf_key("phone"), "phone")
        direct("DEL", buyers_key("phone"))
    proxy.start()
    with proxy.client() as client:
        until(lambda: client("SECKILL.CREATE", "phone", "STOCK", 50) == "OK", 20, "a new phone")
        assert client("SECKILL.BUY", "phone", "bob")[0] == "OK"
    invariants.wait_rows(database, "phone", 2)
    fixed = reconcile(lab, configs, "--fix")
    assert fixed.kinds() == ["mysql stock", "mysql unknown_orders"], fixed.text
    assert not any(difference["fixable"] for difference in fixed.differences()), fixed.text
    assert database.one("SELECT stock, sold FROM items WHERE item_id = 'phone'") == (150, 2)
