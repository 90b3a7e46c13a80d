"""What sluice-ctl reconcile finds edited in MySQL, and puts back there as the journal has it."""

import pytest

from harness import invariants
from harness.load import Load, Request
from harness.waiting import until
from reconcile_fixture import Sale, reconcile


def test_a_row_deleted_in_mysql_is_named_and_put_back_with_its_fields(lab):
    """Two orders, one of them cancelled, are deleted: named, and inserted again as they were."""
    sale = Sale(lab)
    with sale.proxy.client() as client:
        sale.buy(client, "bob", "FIELDS", "city", "Ulm")
    sale.drained()
    rows = "SELECT * FROM orders ORDER BY order_id"
    before = sale.database.query(rows)
    gone = sorted([sale.orders["a1"], sale.orders["bob"]], key=int)
    sale.database.query("DELETE FROM orders WHERE order_id IN %s", gone)
    found = sale.differs("mysql missing_orders", "mysql sold")
    assert found.differences()[-1]["order_ids"] == gone
    table = sale.table()
    assert f"2 orders missing: {gone[0]} {gone[1]}" in table.stdout
    assert table.returncode == 1
    assert sale.database.query(rows) != before, "changed without --fix"
    fixed = sale.check_fixed()
    assert fixed.json["fix"]["mysql_orders"] == 2
    assert sale.database.query(rows) == before


def test_a_live_row_deleted_and_its_item_row_with_it(lab):
    """The items row comes back with stock, limit and sold."""
    sale = Sale(lab).drained()
    sale.database.query("DELETE FROM items")
    sale.database.query("DELETE FROM orders WHERE user_id IN ('a3', 'a4')")
    sale.differs("mysql missing_item", "mysql missing_orders")
    sale.check_fixed()
    assert sale.database.one("SELECT stock, sold, limit_per_user, state FROM items") == (
        100, 8, 5, "open")


def test_a_closed_items_row_comes_back_with_the_time_of_its_close(lab):
    """Without it the item would never be over for the flusher, nor its records ever retired."""
    sale = Sale(lab)
    with sale.proxy.client() as client:
        assert client("SECKILL.CLOSE", "phone") == "OK"
    sale.drained()
    state = sale.database.one("SELECT state, state_at FROM items")
    assert state[0] == "closed" and state[1] is not None
    sale.database.query("DELETE FROM items")
    sale.check_fixed()
    assert sale.database.one("SELECT state, state_at FROM items") == state


@pytest.mark.parametrize("column, difference", [("sold", "mysql sold"), ("stock", "mysql stock")])
def test_a_changed_items_row_is_recomputed(lab, column, difference):
    sale = Sale(lab).drained()
    sale.database.query(f"UPDATE items SET {column} = {column} + 7")
    sale.differs(difference)
    sale.check_fixed()
    assert sale.database.one("SELECT stock, sold FROM items") == (100, 8)


def test_a_row_that_no_journal_knows_is_reported_and_never_deleted(lab):
    """--fix counts it in items.sold, which is the sum of the live rows, and leaves it: exit 1."""
    sale = Sale(lab).drained()
    sale.database.query("INSERT INTO orders (order_id, item_id, user_id, quantity, created_at, "
                        "updated_at) VALUES (77, 'phone', 'eve', 3, NOW(3), NOW(3))")
    found = sale.differs("mysql sold", "mysql unknown_orders")
    assert found.differences()[-1]["order_ids"] == ["77"]
    fixed = sale.reconcile("--fix")
    assert fixed.code == 1 and fixed.kinds() == ["mysql unknown_orders"], fixed.text
    assert sale.database.one("SELECT COUNT(*) FROM orders WHERE order_id = 77") == (1,)
    assert sale.database.one("SELECT sold FROM items") == (11,)


def test_a_whole_item_that_no_journal_knows_is_reported(lab):
    sale = Sale(lab).drained()
    sale.database.query("INSERT INTO items (item_id, stock, sold, updated_at) "
                        "VALUES ('radio', 5, 0, NOW(3))")
    sale.differs("mysql unknown_item")
    assert sale.reconcile("--fix").code == 1


def test_one_order_swapped_for_another_is_seen(lab):
    """Same number of rows, same units: another buyer, and another order, are still found."""
    sale = Sale(lab).drained()
    sale.database.query("UPDATE orders SET user_id = 'eve' WHERE user_id = 'a5'")
    found = sale.differs("mysql altered_orders")
    assert found.differences()[0]["order_ids"] == [sale.orders["a5"]]
    sale.database.query("UPDATE orders SET user_id = 'a5', order_id = 77 WHERE user_id = 'eve'")
    sale.differs("mysql missing_orders", "mysql unknown_orders")


def test_a_cancel_undone_in_mysql_is_made_again_and_one_made_there_is_left(lab):
    sale = Sale(lab).drained()
    sale.database.query("UPDATE orders SET status = 'placed' WHERE user_id = 'a0'")
    sale.differs("mysql sold", "mysql uncancelled_orders")
    sale.check_fixed()
    sale.database.query("UPDATE orders SET status = 'cancelled' WHERE user_id = 'a9'")
    sale.differs("mysql cancelled_orders", "mysql sold")
    fixed = sale.reconcile("--fix")
    assert fixed.kinds() == ["mysql cancelled_orders"], fixed.text
    assert sale.database.one("SELECT status FROM orders WHERE user_id = 'a9'") == ("cancelled",)


def test_a_paid_order_is_a_live_one(lab):
    sale = Sale(lab).drained()
    sale.database.query("UPDATE orders SET status = 'paid' WHERE user_id = 'a9'")
    sale.agrees()


def test_dead_letters_are_counted_and_no_difference(lab):
    """The order is in the journal and in the dead letters: that is where it must be. One that is
    cancelled meanwhile is, too; with the letter deleted the order is missing."""
    database = lab.database()
    flusher = lab.flusher(database, start=False)
    assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
    database.query("ALTER TABLE orders ADD CONSTRAINT no_such CHECK (user_id NOT IN ('a5', 'a6'))")
    redis = lab.redis()
    proxy = lab.proxy(redis)
    flusher.start()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        orders = {user: client("SECKILL.BUY", "phone", user)[1] for user in ("a4", "a5", "a6")}
        until(lambda: database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (2,), 20,
              "the letters")
        assert client("SECKILL.CANCEL", "phone", "a5", orders["a5"])[0] == "OK"
    until(lambda: database.one("SELECT COUNT(*) FROM sluice_dead_letter "
                               "WHERE status = 'cancelled'") == (1,), 20, "the cancel")
    configs = [proxy.config, flusher.config]
    found = reconcile(lab, configs)
    assert found.code == 0, found.text
    assert found.item("phone")["dead_lettered"] == {"orders": 2, "units": 2}
    database.query("DELETE FROM sluice_dead_letter WHERE order_id = %s", orders["a6"])
    found = reconcile(lab, configs)
    assert found.kinds() == ["mysql missing_orders"], found.text
    refused = reconcile(lab, configs, "--fix")
    assert refused.code == 1 and "no_such" in refused.json["fix"]["refused"][0]
    database.query("ALTER TABLE orders DROP CONSTRAINT no_such")
    assert reconcile(lab, configs, "--fix").code == 0


def test_many_missing_orders_are_found_in_portions(lab):
    """The table is emptied: all 3,000 orders of two items come back, the first 20 are named."""
    redis, database, proxy, flusher = lab.stack()
    with proxy.client() as client:
        for item in ("phone", "radio"):
            assert client("SECKILL.CREATE", item, "STOCK", 10_000) == "OK"
    for item in ("phone", "radio"):
        load = Load(proxy.port, [Request(item, f"u{n}", "r") for n in range(1500)])
        load.start().finish(within_s=60)
        assert load.outcomes() == {"OK": 1500}
        invariants.wait_rows(database, item, 1500)
    database.query("DELETE FROM orders")
    configs = [proxy.config, flusher.config]
    found = reconcile(lab, configs, "--item", "phone")
    assert [item["item"] for item in found.json["items"]] == ["phone"]
    missing = found.differences()[-1]
    assert missing["orders"] == 1500 and len(missing["order_ids"]) == 20
    fixed = reconcile(lab, configs, "--fix")
    assert fixed.code == 0 and fixed.json["fix"]["mysql_orders"] == 3000, fixed.text
    assert database.one("SELECT COUNT(*) FROM orders") == (3000,)
