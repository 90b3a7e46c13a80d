"""sluice-ctl reconcile: Redis, journal and MySQL compared, and repaired as the journal proves.

Exit 0: all agree; 1: a difference, or a server is down; 2: bad arguments; 3: a damaged journal."""

import json
import threading

import pytest

from harness import invariants
from harness.lab import HOLD
from harness.load import Load, Request
from harness.mariadb import Database
from harness.waiting import until


class Sale:
    """A stack with the item `phone` (stock 100): a0 … a9 bought one each, a0 and a1 cancelled."""

    def __init__(self, lab, **flusher):
        self.lab = lab
        self.redis, self.database, self.proxy, self.flusher = lab.stack(flusher=flusher)
        self.orders = {}
        with self.proxy.client() as client:
            assert client("SECKILL.CREATE", "phone", "STOCK", 100, "LIMIT", 5) == "OK"
            for n in range(10):
                self.buy(client, f"a{n}")
            for user in ("a0", "a1"):
                assert client("SECKILL.CANCEL", "phone", user, self.orders[user])[0] == "OK"

    def buy(self, client, user, *more):
        reply = client("SECKILL.BUY", "phone", user, "REQ", "r", *more)
        assert reply[0] == "OK", reply
        self.orders[user] = reply[1]

    def drained(self):
        """Waits until all is in MySQL."""
        def none_waits():
            return self.reconcile().item("phone")["waiting"]["records"] == 0
        until(none_waits, 20, "the drain", every_s=0.1)
        return self

    def reconcile(self, *more):
        return reconcile(self.lab, [self.proxy.config, self.flusher.config], *more)

    def table(self, *more):
        return self.lab.ctl("reconcile", "--config", self.proxy.config, "--config",
                            self.flusher.config, *more)

    def differs(self, *kinds):
        """Exactly these differences, as "side kind"; the result."""
        found = self.reconcile()
        assert found.code == 1, found.text
        assert found.kinds() == sorted(kinds), found.text
        return found

    def agrees(self, *more):
        found = self.reconcile(*more)
        assert found.code == 0 and found.kinds() == [], found.text
        return found

    def check_fixed(self, *more):
        """--fix exits 0 and leaves everything in agreement."""
        fixed = self.agrees("--fix", *more)
        self.agrees()
        return fixed


class Found:
    def __init__(self, done):
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        self.json = json.loads(done.stdout) if done.stdout else None

    def item(self, name):
        return next(item for item in self.json["items"] if item["item"] == name)

    def differences(self):
        return [one for item in self.json["items"] for one in item["differences"]]

    def kinds(self):
        return sorted(f"{one['side']} {one['kind']}" for one in self.differences())


def reconcile(lab, configs, *more):
    words = [word for config in configs for word in ("--config", config)]
    return Found(lab.ctl("reconcile", *words, "--json", *more))


def test_after_a_sale_and_its_drain_all_three_agree(lab):
    """Given, sold, left, orders and cancels are the same in all three; the table says so."""
    sale = Sale(lab).drained()
    item = sale.agrees().item("phone")
    figures = {"given": 100, "sold": 8, "left": 92, "orders": 8, "cancelled_orders": 2}
    for side in ("journal", "redis", "mysql"):
        assert {name: item[side][name] for name in figures} == figures, side
    assert item["waiting"] == {"records": 0, "orders": 0, "units": 0}
    table = sale.table()
    assert table.returncode == 0
    assert table.stdout.splitlines()[1].split() == ["phone", "100", "8", "92", "8", "2", "0", "0",
                                                    "agrees"]
    assert table.stdout.splitlines()[-1].startswith("1 item: all agree; 0 records waiting")


def test_a_backlog_is_waiting_and_no_difference(lab):
    """Nothing is drained: MySQL has nothing, 13 records wait, all agree. Also with half of it
    drained, and with the flusher dead."""
    sale = Sale(lab, **HOLD)
    item = sale.agrees().item("phone")
    assert item["waiting"] == {"records": 13, "orders": 10, "units": 10}
    assert item["mysql"]["sold"] is None
    with sale.proxy.client() as client:
        assert client("SECKILL.FLUSH", "WAIT", 10_000)
        sale.drained()
        for n in range(5):
            sale.buy(client, f"b{n}", "QTY", 2)
    sale.flusher.kill()
    item = sale.agrees().item("phone")
    assert item["waiting"] == {"records": 5, "orders": 5, "units": 10}
    assert item["mysql"]["sold"] == 8 and item["journal"]["sold"] == 18


def test_a_flusher_that_has_never_run_is_no_difference(lab):
    """The tables are there and empty, also the checkpoint."""
    database = lab.database()
    flusher = lab.flusher(database, start=False)
    assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
    found = reconcile(lab, [proxy.config, flusher.config])
    assert found.code == 0, found.text
    assert found.item("phone")["waiting"]["records"] == 2


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
                               "WHERE cancelled_at IS NOT NULL") == (1,), 20, "the cancel")
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


def test_what_only_the_snapshot_has_comes_back_without_fields(lab):
    """Drained segments are compacted and deleted: all still agree; of the orders put back those of
    deleted segments have no FIELDS, and that is said. Retired items are not compared."""
    _, database, proxy, flusher = lab.stack(proxy={"journal__segment_bytes": "1MiB"},
                                            flusher={"journal__retain": "0s"})
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10_000) == "OK"
        for n in range(0, 2500, 100):
            client.pipeline([("SECKILL.BUY", "phone", f"u{m}", "FIELDS", "note", "x" * 1000)
                             for m in range(n, n + 100)])
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
        for n in range(0, 1500, 100):  # on to the next segment
            client.pipeline([("SECKILL.BUY", "radio", f"u{m}", "FIELDS", "note", "x" * 1000)
                             for m in range(n, n + 100)])
    until(lambda: reconcile(lab, configs).json["retired"] == ["phone"], 20, "the retirement")
    found = reconcile(lab, configs)
    assert found.code == 0 and [item["item"] for item in found.json["items"]] == ["radio"]
    found = lab.ctl("reconcile", "--config", proxy.config, "--config", flusher.config, "--item",
                    "phone")
    assert found.returncode == 2 and "retired" in found.stderr


def test_a_sale_and_a_drain_under_way_are_no_difference(lab):
    """20,000 buyers, then 10,000 cancels, while reconcile runs again and again: all agree."""
    _, database, proxy, flusher = lab.stack(flusher={"batch__rows": 50})
    configs = [proxy.config, flusher.config]

    def look():
        found = reconcile(lab, configs)
        assert found.code == 0, found.text
        for item in found.json["items"]:
            assert item["redis"]["unjournaled_batches"] == 0, found.text

    with proxy.client() as client:
        for item in ("phone", "radio"):
            assert client("SECKILL.CREATE", item, "STOCK", 15_000) == "OK"
    load = Load(proxy.port, [Request("radio" if n % 2 else "phone", f"u{n}", "r")
                             for n in range(20_000)]).start()
    until(lambda: load.accepted() > 500, 20, "the first purchases")
    looks = 0
    while load.unanswered() > 0:
        look()
        looks += 1
    load.finish(within_s=60)
    assert looks >= 2

    cancels = [("SECKILL.CANCEL", request.words[1], request.user, request.reply[1])
               for request in load.requests[:10_000]]

    def cancel_all():
        with proxy.client() as client:
            for n in range(0, len(cancels), 20):
                client.pipeline(cancels[n:n + 20])

    canceller = threading.Thread(target=cancel_all)
    canceller.start()
    while canceller.is_alive():
        look()
    canceller.join()
    invariants.drain(flusher)
    look()


def test_redis_down_is_said_and_exits_1(lab):
    sale = Sale(lab).drained()
    sale.redis.kill()
    found = sale.table()
    assert found.returncode == 1 and found.stdout == ""
    assert f"127.0.0.1:{sale.redis.port} is not reachable" in found.stderr


def test_mysql_down_is_said_and_exits_1(lab):
    server = lab.mariadb()
    database = Database(server, "shop").create()
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(database)
    server.kill()
    found = lab.ctl("reconcile", "--config", proxy.config, "--config", flusher.config)
    assert found.returncode == 1 and f":{server.port}" in found.stderr
    assert "sluice-test" not in found.stderr + found.stdout, "the password"


def test_a_damaged_journal_exits_3(lab):
    sale = Sale(lab).drained()
    assert sale.proxy.stop() == 0
    segment = next(lab.journal.glob("journal-*.segment"))
    data = bytearray(segment.read_bytes())
    data[data.index(b"phone", 64)] ^= 1
    segment.write_bytes(data)
    found = sale.table()
    assert found.returncode == 3 and segment.name in found.stderr


def test_a_journal_older_than_the_database_exits_3(lab):
    """An old copy of the folder has been put back: MySQL knows more than it."""
    sale = Sale(lab).drained()
    sale.database.query("UPDATE sluice_checkpoint SET position = position + 1000")
    found = sale.table()
    assert found.returncode == 3 and "older than the database" in found.stderr


def test_arguments_are_checked(lab):
    """Exit 2, naming what is wrong."""
    sale = Sale(lab).drained()
    proxy, flusher = ("--config", sale.proxy.config), ("--config", sale.flusher.config)
    other = lab.folder / "other.toml"
    other.write_text("[journal]\ndir = 'x'\n")
    broken = lab.folder / "broken.toml"
    broken.write_text("[redis]\nservers = 5\n")
    for words, said in [
            ((), "--config"), (proxy, "flusher"), (flusher, "proxy"),
            ((*proxy, *flusher, "--config", lab.folder / "nothing.toml"), "nothing.toml"),
            ((*proxy, *flusher, "--config", other), "other.toml"),
            (("--config", broken, *flusher), "broken.toml:2: redis.servers"),
            ((*proxy, *proxy, *flusher), "proxy.id"),
            ((*proxy, *flusher, "--set", "redis.server=x"), "redis.server"),
            ((*proxy, *flusher, "--set", "redis.servers"), "KEY=VALUE"),
            ((*proxy, *flusher, "--set", "mysql.port=0"), "mysql.port"),
            ((*proxy, *flusher, "--item", "nothing"), "nothing"),
            ((*proxy, *flusher, "--set", f"journal.dir={lab.folder}/none"), "none"),
            ((*proxy, *flusher, "extra"), "extra")]:
        found = lab.ctl("reconcile", *words)
        assert found.returncode == 2, (words, found.stdout, found.stderr)
        assert said in found.stderr, (words, found.stderr)
    assert lab.ctl("reconcile", "--help").returncode == 0
    assert lab.ctl("reconcile", *proxy, *flusher, "--set",
                   f"redis.servers=127.0.0.1:{sale.redis.port}").returncode == 0


def test_passwords_are_read_from_files_and_a_refused_login_is_said(lab):
    """Redis with a password; a wrong one is exit 1, and is not printed."""
    secret = lab.folder / "redis.password"
    secret.write_text("right-one\n")
    redis = lab.redis()
    with redis.client() as client:
        assert client("CONFIG", "SET", "requirepass", "right-one") == "OK"
    database = lab.database()
    proxy = lab.proxy(redis, redis__password_file=str(secret))
    flusher = lab.flusher(database)
    assert reconcile(lab, [proxy.config, flusher.config]).code == 0
    secret.write_text("wrong-one\n")
    found = lab.ctl("reconcile", "--config", proxy.config, "--config", flusher.config)
    assert found.returncode == 1 and "refused the login" in found.stderr
    assert "wrong-one" not in found.stderr


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


def open_again(client, *words):
    """The reply, once the proxy has opened the item after its rebuild."""
    def answered():
        reply = client(*words)
        return reply if isinstance(reply, list) else None
    return until(answered, 20, str(words))


def hurt_sold(client):
    client("HINCRBY", "sluice:{phone}:item", "sold", 5)


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


class TwoProxies:
    """Two proxies sell `phone` through one Redis into one database, each with its flusher."""

    def __init__(self, lab, proxy=None, **flusher):
        self.lab = lab
        self.redis, self.database = lab.redis(), lab.database()
        self.proxies, self.flushers = [], []
        for number in (1, 2):
            journal = lab.folder / f"journal{number}"
            self.proxies.append(
                lab.proxy(self.redis, journal=journal, proxy__id=number, **(proxy or {})))
            self.flushers.append(lab.flusher(self.database, journal=journal, **flusher))

    def configs(self):
        return [daemon.config for daemon in self.proxies + self.flushers]

    def reconcile(self, *more):
        return reconcile(self.lab, self.configs(), *more)

    def sell(self, buyers):
        """Each proxy sells to half of the buyers; the orders by user."""
        orders = {}
        for number, proxy in enumerate(self.proxies):
            with proxy.client() as client:
                def created():
                    return client("SECKILL.CREATE", "phone", "STOCK", 1000) == "OK"
                until(created, 20, "the item")
                for n in range(number, buyers, 2):
                    reply = open_again(client, "SECKILL.BUY", "phone", f"u{n}", "REQ", "r")
                    assert reply[0] == "OK", reply
                    orders[f"u{n}"] = reply[1]
        return orders


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
        client("HDEL", "sluice:{phone}:buyers", "u2", "u3")
    fixed = both.reconcile("--fix")
    assert fixed.code == 0 and fixed.json["fix"]["redis_items"] == ["phone"], fixed.text
    for user, proxy in (("u2", both.proxies[1]), ("u3", both.proxies[0])):
        with proxy.client() as client:
            found = open_again(client, "SECKILL.ORDER", "phone", user, "REQ", "r")
            assert found[1] == orders[user]


def test_a_cancel_drained_before_its_order_is_no_difference(lab):
    """It is kept in sluice_early_cancel; if somebody deletes it there, --fix puts it back."""
    both = TwoProxies(lab, **HOLD)
    orders = both.sell(4)
    with both.proxies[1].client() as client:
        assert client("SECKILL.CANCEL", "phone", "u0", orders["u0"])[0] == "OK"
    assert both.flushers[1].post("/flush").status in (200, 202)
    until(lambda: both.database.one("SELECT COUNT(*) FROM sluice_early_cancel") == (1,), 20,
          "the early cancel")
    assert both.reconcile().code == 0
    both.database.query("DELETE FROM sluice_early_cancel")
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
        for n in range(0, 1500, 100):  # on to the next segment
            client.pipeline([("SECKILL.BUY", "radio", f"u{m}", "FIELDS", "note", "x" * 1000)
                             for m in range(n, n + 100)])

    def stock():
        return both.database.one("SELECT stock, sold FROM items WHERE item_id = 'phone'")

    def retired():
        dumped = lab.ctl("journal", "dump", "--items", lab.folder / "journal2")
        return dumped.returncode == 0 and "phone" not in dumped.stdout
    until(lambda: retired() and stock() == (1050, 10), 20, "the retirement by one journal")
    found = both.reconcile("--fix")
    assert stock() == (1050, 10)
    assert found.code == 0 and found.json["retired"] == ["phone"], found.text
    with both.redis.client() as client:
        client("HDEL", "sluice:{phone}:item", "lane:2")  # as a Redis rebuilt without journal 2 has it
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
        for n in range(0, 1500, 100):  # on to the next segment
            client.pipeline([("SECKILL.BUY", "radio", f"u{m}", "FIELDS", "note", "x" * 1000)
                             for m in range(n, n + 100)])
        def retired():
            found = reconcile(lab, configs)
            assert found.json is not None, found.text
            return found.json["retired"] == ["phone"]
        until(retired, 20, "the retirement")
    proxy.stop()
    with redis.client() as direct:
        direct("DEL", *direct("KEYS", "sluice:{phone}:*"))
        direct("SREM", "sluice:items", "phone")
    proxy.start()
    with proxy.client() as client:
        until(lambda: client("SECKILL.CREATE", "phone", "STOCK", 50) == "OK", 20, "a new phone")
        assert client("SECKILL.BUY", "phone", "bob")[0] == "OK"
    invariants.wait_rows(database, "phone", 2)
    fixed = reconcile(lab, configs, "--fix")
    assert fixed.kinds() == ["mysql stock", "mysql unknown_orders"], fixed.text
    assert not any(difference["fixable"] for difference in fixed.differences()), fixed.text
    assert database.one("SELECT stock, sold FROM items WHERE item_id = 'phone'") == (150, 2)
