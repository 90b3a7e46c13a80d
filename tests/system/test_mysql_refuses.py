"""MySQL is there but says no: to a row, a lock, a missing table. Nothing else is held up."""

import json

from harness import invariants
from harness.lab import HOLD
from harness.load import Load, Request
from harness.sql_server import Database
from harness.waiting import until


def sell(proxy, buyers):
    """Sells one unit to each of u0 … u(buyers - 1)."""
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100_000) == "OK"
    load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(buyers)])
    load.start().finish(within_s=60)
    assert load.outcomes() == {"OK": buyers}
    return load


def test_a_refused_row_becomes_a_dead_letter_and_blocks_nothing(lab):
    """Two of 500 rows break a CHECK: 498 arrive, the two are in sluice_dead_letter with the error
    and their record, items.sold counts the 498; once MySQL accepts them, /dlq/retry brings both."""
    _, database, proxy, flusher = lab.stack(flusher={"batch__rows": 100})
    database.query("ALTER TABLE orders ADD CONSTRAINT no_such "
                   "CHECK (user_id NOT IN ('u7', 'u300'))")
    sell(proxy, 500)
    invariants.wait_rows(database, "phone", 498)
    until(lambda: database.one("SELECT COUNT(*) FROM sluice_dead_letter")[0] == 2, 20, "2 letters")
    for error, record in database.query("SELECT error, record FROM sluice_dead_letter"):
        assert "no_such" in error
        assert json.loads(record)["user"] in ("u7", "u300")
    assert database.one("SELECT sold FROM items WHERE item_id = 'phone'") == (498,)
    assert flusher.metrics()["sluice_dead_letter_rows"] == 2
    database.query("ALTER TABLE orders DROP CONSTRAINT no_such")
    assert flusher.post("/dlq/retry").status in (200, 202)
    invariants.wait_rows(database, "phone", 500)
    assert database.one("SELECT sold FROM items WHERE item_id = 'phone'") == (500,)
    assert database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (0,)


def test_a_dead_letter_is_never_called_database(lab):
    """ORDER and a repeated BUY tell it for what it is, through every proxy, until it is a row."""
    database = lab.database()
    flusher = lab.flusher(database, start=False, orders__columns={"note": "note"},
                          trigger__max_age="100ms")
    assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
    database.query("ALTER TABLE orders ADD COLUMN note VARCHAR(5)")
    proxy = lab.proxy(lab.redis(), flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    flusher.start()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        orders = {user: client("SECKILL.BUY", "phone", user, "REQ", "r", "FIELDS", "note", note)[1]
                  for user, note in (("ann", "short"), ("bob", "far too long"))}

        def told(user):
            order = client("SECKILL.ORDER", "phone", user, orders[user])
            return order[4:], client("SECKILL.BUY", "phone", user, "REQ", "r")[3]

        def status(name):
            words = client("SECKILL.STATUS")
            return dict(zip(words[::2], words[1::2]))[name]

        until(lambda: told("ann") == (["placed", "database"], "database"), 20, "ann's row")
        until(lambda: told("bob")[0][0] == "deadletter", 20, "bob's letter")
        assert told("bob") in [(["deadletter", word], word) for word in ("memory", "disk")]
        assert status("dead_letters") == "1"
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == ["DEADLETTERS", 1]
        # Over a restart of the flusher, while which somebody takes the letter out, and back in.
        assert flusher.stop() == 0
        database.query("RENAME TABLE sluice_dead_letter TO kept")
        database.query("CREATE TABLE sluice_dead_letter LIKE kept")
        flusher.start()
        until(lambda: status("dead_letters") == "0", 20, "no letters")
        database.query("INSERT INTO sluice_dead_letter SELECT * FROM kept")
        until(lambda: status("dead_letters") == "1", 20, "the letter again")
        database.query("ALTER TABLE orders MODIFY note VARCHAR(50)")
        assert flusher.post("/dlq/retry").status == 200
        until(lambda: told("bob") == (["placed", "database"], "database"), 20, "bob's row")
        assert status("dead_letters") == "0"
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
        database.query("RENAME TABLE orders TO elsewhere")
        assert client("SECKILL.BUY", "phone", "cid")[0] == "OK"
        word, why = client("SECKILL.FLUSH", "WAIT", 1500)
        assert word == "BLOCKED" and "1146" in why, why
        database.query("RENAME TABLE elsewhere TO orders")
        assert client("SECKILL.FLUSH", "WAIT", 20_000) == "OK"


def test_dead_letters_are_listed_shown_retried_and_dropped(lab):
    """By sluice-ctl dlq: what goes is kept in a file, nothing goes unasked."""
    _, database, proxy, flusher = lab.stack(flusher={"trigger__max_age": "100ms"})
    database.query("ALTER TABLE orders ADD CONSTRAINT no_such CHECK (user_id NOT LIKE 'bad%%')")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100) == "OK"
        for n in range(20):
            assert client("SECKILL.BUY", "phone", f"u{n}")[0] == "OK"
        bad = [client("SECKILL.BUY", "phone", f"bad{n}", "REQ", "r")[1] for n in range(3)]
    until(lambda: database.one("SELECT COUNT(*) FROM sluice_dead_letter")[0] == 3, 20, "3 letters")

    def dlq(*words, code=0, **kwargs):
        done = lab.ctl("dlq", *words, "--config", flusher.config, **kwargs)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    listed = dlq("list")
    assert all(order in listed for order in bad) and "no_such" in listed
    assert bad[2] not in dlq("list", "--limit", 2) and "more" in dlq("list", "--limit", 2)
    shown = dlq("show", bad[1])
    assert '"request":"r"' in shown.replace(" ", "") and "bad1" in shown and bad[0] not in shown
    assert "no order id" in dlq("show", "x", code=2)
    assert "none of these" in dlq("show", 1, code=1)
    assert '"inserted":0' in dlq("retry")
    kept = lab.folder / "kept.jsonl"
    assert "nothing was dropped" in dlq("drop", bad[0], "--keep", kept, code=1)
    assert "order ids, or --all" in dlq("drop", code=2)
    assert not kept.exists()
    dlq("drop", bad[0], "--yes", "--keep", kept)
    assert json.loads(kept.read_text())["record"]["user"] == "bad0"
    database.query("ALTER TABLE orders DROP CONSTRAINT no_such")
    assert '"inserted":2' in dlq("retry")
    assert "no dead letters" in dlq("list")
    assert database.one("SELECT COUNT(*) FROM orders")[0] == 22


def test_a_lock_held_by_somebody_else_is_waited_for(lab):
    """Another connection holds the hot items row: the flusher retries its transaction and brings
    every row exactly once when the lock goes."""
    server = lab.sql_server(options=["--innodb-lock-wait-timeout=1"])
    database = Database(server, "shop").create()
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(database)
    load = sell(proxy, 100)
    invariants.wait_rows(database, "phone", 100)
    blocker = server.connect(database.name)
    blocker.begin()
    with blocker.cursor() as cursor:
        cursor.execute("SELECT * FROM items WHERE item_id = 'phone' FOR UPDATE")
        more = Load(proxy.port, [Request("phone", f"v{n}", "r") for n in range(100)])
        more.start().finish(within_s=30)
        until(lambda: sum(value for name, value in flusher.metrics().items()
                          if name.startswith("sluice_flush_retries_total")) > 0, 20, "a retry")
        assert invariants.count_rows(database, "phone") == 100
    blocker.rollback()
    blocker.close()
    invariants.wait_rows(database, "phone", 200)
    with proxy.client() as client:
        for part in (load, more):
            invariants.check_consistent(database, client, "phone", part, given=100_000)


def test_a_missing_schema_is_waited_for_and_said(lab):
    """mysql.create_schema = false and no tables: not ready, but alive; `sluice-ctl schema apply`
    is all it takes."""
    database = lab.database()
    flusher = lab.flusher(database, start=False, mysql__create_schema=False)
    flusher.start(wait=False)
    proxy = lab.proxy(lab.redis())
    sell(proxy, 50)
    until(lambda: flusher.get("/readyz").status == 503, 10, "not ready")
    assert flusher.process.alive()
    assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
    invariants.wait_rows(database, "phone", 50)
    until(flusher.ready, 10, "ready")


def test_duplicates_of_other_origin_do_not_stop_the_drain(lab):
    """Somebody has put a row with an order's id into the table by hand: that one order becomes a
    dead letter, the others arrive."""
    _, database, proxy, flusher = lab.stack(flusher=HOLD)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        orders = [client("SECKILL.BUY", "phone", f"u{n}")[1] for n in range(5)]
        database.query(
            "INSERT INTO orders (order_id, item_id, user_id, quantity, created_at, updated_at) "
            "VALUES (%s, 'other', 'x', 1, NOW(3), NOW(3))", orders[2])
        client("SECKILL.FLUSH", "WAIT", 10_000)
    invariants.wait_rows(database, "phone", 4)
    until(lambda: database.query("SELECT order_id FROM sluice_dead_letter") == ((int(orders[2]),),),
          20, "the dead letter")


def test_the_orders_table_may_have_another_name_and_columns_of_fields(lab):
    """orders.table and orders.columns: a field goes to its own column, and the rest to the JSON."""
    database = lab.database()
    flusher = lab.flusher(database, start=False, orders__table="purchases",
                          orders__columns={"city": "ship_city"})
    assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
    database.query("ALTER TABLE purchases ADD COLUMN ship_city VARCHAR(40) NULL")
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        fields = ("FIELDS", "city", "Ulm", "color", "red")
        assert client("SECKILL.BUY", "phone", "ann", *fields)[0] == "OK"
        assert client("SECKILL.BUY", "phone", "bob")[0] == "OK"
    flusher.start()
    until(lambda: len(database.query("SELECT 1 FROM purchases")) == 2, 20, "2 rows")
    rows = dict((user, (city, fields)) for user, city, fields in
                database.query("SELECT user_id, ship_city, fields FROM purchases"))
    assert rows["ann"][0] == "Ulm" and json.loads(rows["ann"][1]) == {"color": "red"}
    assert rows["bob"][0] is None


REFUSALS = {"long": 1406, "check": 4025, "signal": 30001, "parent": 1452, "twin": 1062}
CHECK_OF_MYSQL = 3819


def test_25_of_10000_rows_are_refused_for_five_reasons(lab):
    """A value too long, a CHECK, a trigger's signal, a foreign key, a unique key: 9,975 rows go in,
    25 are dead letters each with its error, at a few statements each; once MySQL takes them, a
    retry brings all in."""
    database = lab.database()
    flusher = lab.flusher(database, start=False, batch__writers=1, batch__rows=1000,
                          orders__columns={"note": "note", "ref": "ref", "code": "code"},
                          trigger__load_below="0/s", trigger__max_age="24h")
    assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
    database.query("CREATE TABLE parents (id INT PRIMARY KEY) ENGINE = InnoDB")
    database.query("INSERT INTO parents VALUES (1)")
    database.query("ALTER TABLE orders ADD COLUMN note VARCHAR(10), ADD COLUMN ref INT, "
                   "ADD COLUMN code VARCHAR(20), ADD UNIQUE KEY code (code), "
                   "ADD CONSTRAINT no_check CHECK (user_id NOT LIKE 'check%%'), "
                   "ADD CONSTRAINT has_parent FOREIGN KEY (ref) REFERENCES parents (id)")
    database.query("CREATE TRIGGER signals BEFORE INSERT ON orders FOR EACH ROW "
                   "IF NEW.user_id LIKE 'signal%%' THEN "
                   "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001; END IF")
    proxy = lab.proxy(lab.redis(), flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    bad = {n: kind for kind, start in zip(REFUSALS, (37, 401, 777, 1203, 1888))
           for n in range(start, 10_000, 2_000)}
    assert len(bad) == 25
    fields = {"long": ("note", "x" * 11), "parent": ("ref", "99"), "twin": ("code", "same")}
    with proxy.client(timeout_s=60) as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10_001) == "OK"
        assert client("SECKILL.BUY", "phone", "first", "FIELDS", "code", "same")[0] == "OK"
        for begin in range(0, 9_999, 500):
            buys = [("SECKILL.BUY", "phone", f"{bad.get(n, 'u')}{n}",
                     *(("FIELDS", *fields[bad[n]]) if bad.get(n) in fields else ()))
                    for n in range(begin, min(begin + 500, 9_999))]
            assert {reply[0] for reply in client.pipeline(buys)} == {"OK"}

        def inserts():
            return int(database.one("SHOW GLOBAL STATUS LIKE 'Com_insert'")[1])
        before = inserts()
        flusher.start()
        assert client("SECKILL.FLUSH", "WAIT", 60_000) == ["DEADLETTERS", 25]
        used = inserts() - before
        assert database.one("SELECT COUNT(*) FROM orders") == (9_975,)
        assert database.one("SELECT sold FROM items") == (9_975,)
        letters = database.query("SELECT user_id, error_code FROM sluice_dead_letter")
        for user, code in letters:
            kind = user.rstrip("0123456789")
            assert code in ({4025, CHECK_OF_MYSQL} if kind == "check" else {REFUSALS[kind]})
        # Of ten batches each an INSERT of orders, of the item, and one a dead letter; and
        # log2(1000) = 10 for each that is refused.
        print(f"{used} INSERTs")
        assert used <= 2 * 11 + 25 + 25 * 10, used
        database.query("DROP TRIGGER signals")
        database.query("ALTER TABLE orders DROP CONSTRAINT no_check, DROP FOREIGN KEY has_parent, "
                       "MODIFY note VARCHAR(100), DROP INDEX code")
        assert flusher.post("/dlq/retry").status == 200
        assert database.one("SELECT COUNT(*), COUNT(DISTINCT order_id) FROM orders") == (
            10_000, 10_000)
        assert database.one("SELECT sold FROM items") == (10_000,)
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
