"""A shop's own orders table: sold to and drained by configuration alone (docs/mapping.md)."""

import pytest

from harness import invariants
from harness.waiting import until

# As docs/mapping.md has it: utf8mb3, a key of its own, constants, two unique keys, a trigger, a
# foreign key; and a generated column.
SHOP = (
    "CREATE DATABASE {shop} CHARACTER SET utf8mb3",
    "CREATE TABLE {shop}.users (id BIGINT PRIMARY KEY, name VARCHAR(40)) ENGINE = InnoDB",
    """CREATE TABLE {shop}.t_order (
         id BIGINT NOT NULL AUTO_INCREMENT,
         order_no BIGINT UNSIGNED NOT NULL,
         shop_id INT NOT NULL,
         sku VARCHAR(64) NOT NULL,
         buyer BIGINT NOT NULL,
         amount INT NOT NULL,
         state TINYINT NOT NULL,
         live TINYINT NULL,
         address VARCHAR(100) NULL,
         created TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
         year_made INT AS (YEAR(created)) VIRTUAL,
         PRIMARY KEY (id),
         UNIQUE KEY order_no (order_no),
         UNIQUE KEY one_live (sku, buyer, live),
         CONSTRAINT buyer_exists FOREIGN KEY (buyer) REFERENCES {shop}.users (id)
       ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb3""",
    "CREATE TABLE {shop}.audit (order_no BIGINT UNSIGNED, state TINYINT) ENGINE = InnoDB",
    """CREATE TRIGGER {shop}.audited AFTER INSERT ON {shop}.t_order FOR EACH ROW
       INSERT INTO {shop}.audit VALUES (NEW.order_no, NEW.state)""",
)
MAPPING = {
    "orders__names": {"order_id": "order_no", "item_id": "sku", "user_id": "buyer",
                      "quantity": "amount", "status": "state", "created_at": "created",
                      "request_id": "", "updated_at": "", "fields": ""},
    "orders__columns": {"address": "address"},
    "orders__constants": {"shop_id": "7", "live": "1"},
    "orders__statuses": {"placed": "10", "paid": "20", "cancelled": "30", "expired": "30"},
    "orders__when_over": {"live": ""},
}


class OwnTable:
    """A shop's database beside Sluice's; the daemons are not started yet."""

    def __init__(self, lab, **settings):
        self.lab, self.database = lab, lab.database()
        self.shop = self.database.name + "_shop"
        for statement in SHOP:
            self.query(statement)
        self.query("INSERT INTO {shop}.users SELECT seq, CONCAT('u', seq) FROM seq_1_to_100"
                   if self.is_mariadb() else
                   "INSERT INTO {shop}.users WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL "
                   "SELECT n + 1 FROM s WHERE n < 100) SELECT n, CONCAT('u', n) FROM s")
        settings = {"orders__table": self.shop + ".t_order", **MAPPING, **settings}
        self.flusher = lab.flusher(self.database, start=False, **settings)
        self.proxy = lab.proxy(lab.redis(),
                               flusher__admin=f"http://127.0.0.1:{self.flusher.admin_port}")

    def is_mariadb(self):
        return "MariaDB" in self.database.one("SELECT VERSION()")[0]

    def query(self, statement):
        return self.database.query(statement.format(shop=self.shop))

    def schema(self, verb):
        return self.lab.ctl("schema", verb, "--config", self.flusher.config)

    def agree(self):
        done = self.lab.ctl("reconcile", "--config", self.proxy.config, "--config",
                            self.flusher.config)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def own(lab):
    return OwnTable(lab)


def bought(client, user, *more):
    reply = client("SECKILL.BUY", "phone", user, *more)
    assert reply[0] == "OK", reply
    return int(reply[1])


def test_an_existing_table_is_sold_to_by_configuration_alone(own):
    """Rows have the shop's names, statuses and constants, its key counts, its trigger is fired; a
    buyer who is none of its users is a dead letter; cancel and buy again runs into no key."""
    done = own.schema("apply")
    assert done.returncode == 0, done.stderr
    done = own.schema("check")
    assert done.returncode == 0 and "buyer (bigint" in done.stdout, done.stdout + done.stderr
    own.flusher.start()
    with own.proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 50, "HOLD", 600_000) == "OK"
        placed = bought(client, 1, "QTY", 2, "FIELDS", "address", "Hauptstraße 1", "other", "x")
        paid, cancelled = bought(client, 2), bought(client, 3)
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
        assert client("SECKILL.PAY", "phone", 2, paid) == ["OK"]
        assert client("SECKILL.CANCEL", "phone", 3, cancelled)[0] == "OK"
        again = bought(client, 3)
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
        rows = own.query("SELECT order_no, shop_id, sku, buyer, amount, state, live, address "
                         "FROM {shop}.t_order ORDER BY order_no")
        assert [tuple(row) for row in rows] == [
            (placed, 7, "phone", 1, 2, 10, 1, "Hauptstraße 1"),
            (paid, 7, "phone", 2, 1, 20, 1, None),
            (cancelled, 7, "phone", 3, 1, 30, None, None),
            (again, 7, "phone", 3, 1, 10, 1, None)]
        assert own.query("SELECT COUNT(*) FROM {shop}.audit")[0][0] == 4
        for user in ("999", "007", "ann"):
            bought(client, user)
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == ["DEADLETTERS", 3]
        assert own.database.query("SELECT user_id, error_code FROM sluice_dead_letter "
                                  "ORDER BY sequence") in (
            [("999", 1452), ("007", 1366), ("ann", 1366)],
            (("999", 1452), ("007", 1366), ("ann", 1366)))
        assert own.database.one("SELECT stock, sold FROM items") == (50, 4)
        own.query("INSERT INTO {shop}.users VALUES (999, 'new')")
        assert own.flusher.post("/dlq/retry").status == 200
        assert own.database.one("SELECT sold FROM items") == (5,)
    own.agree()


def test_reconcile_repairs_the_shops_own_table(own):
    """A row that somebody deleted comes back, a status that was changed by hand is set right."""
    assert own.schema("apply").returncode == 0
    own.flusher.start()
    with own.proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 50) == "OK"
        orders = [bought(client, user) for user in (1, 2, 3)]
        assert client("SECKILL.PAY", "phone", 2, orders[1]) == ["OK"]
        assert client("SECKILL.CANCEL", "phone", 3, orders[2])[0] == "OK"
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
    own.query("UPDATE {shop}.t_order SET state = 10, live = 1 WHERE buyer IN (2, 3)")
    own.query("DELETE FROM {shop}.t_order WHERE buyer = 1")
    configs = ("--config", own.proxy.config, "--config", own.flusher.config)
    done = own.lab.ctl("reconcile", *configs)
    assert done.returncode == 1
    assert "missing" in done.stdout and "not paid" in done.stdout, done.stdout + done.stderr
    assert own.lab.ctl("reconcile", "--fix", *configs).returncode == 0
    assert [tuple(row) for row in own.query(
        "SELECT buyer, state, live FROM {shop}.t_order ORDER BY buyer")] == [
            (1, 10, 1), (2, 20, 1), (3, 30, None)]
    own.agree()


@pytest.mark.parametrize("change, message", [
    ("ALTER TABLE {shop}.t_order DROP INDEX order_no", "no unique key is order_no alone"),
    ("ALTER TABLE {shop}.t_order ADD COLUMN must INT NOT NULL", "t_order.must (int"),
    ("ALTER TABLE {shop}.t_order MODIFY live TINYINT NOT NULL", "t_order.live (tinyint"),
    ("ALTER TABLE {shop}.t_order DROP COLUMN address", "t_order.address is missing"),
    ("ALTER TABLE {shop}.t_order MODIFY order_no INT NOT NULL", "an order's id needs a BIGINT"),
    ("ALTER TABLE {shop}.t_order DROP COLUMN shop_id, ADD COLUMN shop_id INT AS (7) VIRTUAL",
     "t_order.shop_id (int"),
    ("ALTER TABLE {shop}.t_order MODIFY state ENUM('10', '20') NOT NULL", 'does not know "30"'),
])
def test_what_would_refuse_every_row_is_named_and_waited_for(own, change, message):
    """By schema check, and by the flusher, which goes on once it is mended."""
    assert own.schema("apply").returncode == 0
    own.query(change)
    done = own.schema("check")
    assert done.returncode == 1 and message in done.stdout, done.stdout + done.stderr
    own.flusher.start(wait=False)
    until(lambda: message in own.flusher.get("/status").json()["reason"], 20, "the reason",
          every_s=0.1)
    assert own.flusher.get("/readyz").status == 503


def test_a_table_for_each_item_and_month(lab):
    """Made as they are needed; pays and cancels find their orders, reconcile reads all of them."""
    database = lab.database()
    flusher = lab.flusher(database, start=False, orders__table="o_{item}_{yyyymm}",
                          orders__time_zone="Asia/Shanghai")
    proxy = lab.proxy(lab.redis(), flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    database.query("CREATE TABLE o_of_others_202601 (a INT)")  # a name like theirs
    flusher.start()
    with proxy.client() as client:
        ids = {}
        for item in ("phone", "a:b.c-d"):
            assert client("SECKILL.CREATE", item, "STOCK", 10) == "OK"
            ids[item] = [client("SECKILL.BUY", item, f"u{n}")[1] for n in range(3)]
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
        for item, orders in ids.items():
            assert client("SECKILL.PAY", item, "u0", orders[0]) == ["OK"]
            assert client("SECKILL.CANCEL", item, "u1", orders[1])[0] == "OK"
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
    tables = [row[0] for row in database.query("SHOW TABLES LIKE 'o\\_%'")]
    tables.remove("o_of_others_202601")
    assert len(tables) == 2, tables
    for table in tables:
        assert [row[0] for row in database.query(
            f"SELECT status FROM `{table}` ORDER BY order_id")] == ["paid", "cancelled", "placed"]
    assert sorted(database.query("SELECT item_id, sold FROM items")) == [("a:b.c-d", 2),
                                                                         ("phone", 2)]
    done = lab.ctl("reconcile", "--config", proxy.config, "--config", flusher.config)
    assert done.returncode == 0, done.stdout + done.stderr


def test_schema_print_writes_what_check_accepts(lab):
    """For the mapping of a table that is to be made."""
    database = lab.database()
    settings = dict(MAPPING, orders__table="t_order", mysql__create_schema=False)
    flusher = lab.flusher(database, start=False, **settings)
    done = lab.ctl("schema", "print", "--config", flusher.config)
    assert done.returncode == 0, done.stderr
    for statement in done.stdout.split(";\n"):
        lines = [line for line in statement.splitlines() if not line.startswith("--")]
        if "".join(lines).strip():
            database.query("\n".join(lines).replace("%", "%%"))
    done = lab.ctl("schema", "check", "--config", flusher.config)
    assert done.returncode == 0 and "1 tables, 0 errors" in done.stdout, done.stdout


def test_details_go_in_with_their_order_or_not_at_all(lab):
    """A row of each order in a second table; what that refuses is a dead letter, and no order."""
    database = lab.database()
    flusher = lab.flusher(database, start=False, details__table="order_item",
                          details__names={"quantity": "amount"},
                          details__constants={"price": "499"})
    assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
    database.query("ALTER TABLE order_item ADD CHECK (amount < 3)")
    proxy = lab.proxy(lab.redis(), flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    flusher.start()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 50) == "OK"
        quantities = [1, 2, 3, 1, 4, 2]
        orders = [bought(client, f"u{n}", "QTY", qty) for n, qty in enumerate(quantities)]
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == ["DEADLETTERS", 2]
    expected = [(order, qty) for order, qty in zip(orders, quantities) if qty < 3]
    assert list(database.query("SELECT order_id, quantity FROM orders "
                               "ORDER BY order_id")) == expected
    assert list(database.query(
        "SELECT order_id, amount FROM order_item WHERE price = '499' "
        "ORDER BY order_id")) == expected
    assert database.one("SELECT sold FROM items") == (6,)
    database.query("DELETE FROM orders WHERE order_id = %s", orders[0])
    configs = ("--config", proxy.config, "--config", flusher.config)
    assert lab.ctl("reconcile", "--fix", *configs).returncode == 0
    assert database.one("SELECT COUNT(*) FROM orders") == (4,)
