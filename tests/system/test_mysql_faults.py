"""What a server does to a drain that is under way: each of these ends, and then everything is there
exactly once. What it does before a drain, and to single rows, is in test_mysql_refuses.py."""

import contextlib
import json
import signal
import subprocess

import pymysql
import pytest
from harness import invariants, sql_program
from harness.load import Load, Request
from harness.replication import make_plain_user, until_rows
from harness.sql_server import Database
from harness.waiting import until

BUYERS = 2000
MORE = 200


class Drain:
    """BUYERS orders, a part of which are rows; until check() the rest goes so slowly that anything
    can happen meanwhile."""

    def __init__(self, lab, options=(), **settings):
        self.lab = lab
        self.server = lab.sql_server(options=["--innodb-lock-wait-timeout=2", *options])
        self.database = Database(self.server, "shop").create()
        make_plain_user(self.server)
        self.proxy = lab.proxy(lab.redis())
        self.flusher = lab.flusher(self.database, start=False, mysql__user="plain", **{
            "batch__rows": 20, "trigger__max_age": "50ms", "pace__rows_per_second": 200,
            **settings})
        assert lab.ctl("schema", "apply", "--config", self.flusher.config).returncode == 0
        with self.proxy.client() as client:
            assert client("SECKILL.CREATE", "phone", "STOCK", BUYERS + MORE) == "OK"
        self.load = self.sell(0, BUYERS)

    def sell(self, first, count):
        requests = [Request("phone", f"u{n}", "r") for n in range(first, first + count)]
        load = Load(self.proxy.port, requests).start().finish(within_s=60)
        assert load.outcomes() == {"OK": count}
        return load

    def begin(self):
        """The flusher runs, and has brought a part."""
        self.flusher.start()
        until(lambda: self.rows() > 100, 30, "a part is drained", every_s=0.02)
        assert self.rows() < BUYERS
        return self

    def rows(self):
        return self.database.one("SELECT COUNT(*) FROM orders")[0]

    def retries(self, kind):
        return self.flusher.metrics()[f'sluice_flush_retries_total{{class="{kind}"}}']

    def wait_for(self, words):
        """The flusher is not ready, and says these words."""
        def said():
            mysql = json.loads(self.flusher.get("/status").text)["mysql"]
            return words in mysql["error"] and self.flusher.get("/readyz").status == 503
        until(said, 30, words)

    def check(self):
        """It goes on by itself, also with what comes later, and nothing is missing or doubled."""
        self.flusher.settings["pace.rows_per_second"] = 0
        self.flusher.write_config()
        self.flusher.process.send(signal.SIGHUP)
        more = self.sell(BUYERS, MORE)
        until_rows(self.database, BUYERS + MORE, within_s=60)
        until(self.flusher.ready, 20, "ready")
        with self.proxy.client() as client:
            for load in (self.load, more):
                invariants.check_consistent(self.database, client, "phone", load, BUYERS + MORE)
        assert self.database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (0,)
        assert self.flusher.process.alive()

    def kill_all(self, what="CONNECTION"):
        """QUERY: those that are doing something, by whatever command ("Bulk_execute"). By
        database: within a trigger a connection is shown under the name of the trigger's owner."""
        busy = " AND command <> 'Sleep'" if what == "QUERY" else ""
        for thread, in self.server.query("SELECT id FROM information_schema.processlist "
                                         f"WHERE db = 'shop'{busy}"):
            with contextlib.suppress(pymysql.err.OperationalError):  # gone meanwhile
                self.server.query(f"KILL {what} {thread}")


@pytest.mark.parametrize("what", ["CONNECTION", "QUERY"])
def test_killed_again_and_again(lab, what):
    drain = Drain(lab)
    # So that there always is a statement to be killed.
    drain.database.query("CREATE TRIGGER slow BEFORE INSERT ON orders FOR EACH ROW DO SLEEP(0.03)")
    drain.begin()

    def killed_often():
        drain.kill_all(what)
        return drain.retries("connection") >= 3
    until(killed_often, 30, "3 retries", every_s=0.02)
    drain.database.query("DROP TRIGGER slow")
    drain.check()


def test_a_restart_of_the_server(lab):
    drain = Drain(lab).begin()
    for end in (drain.server.stop, drain.server.kill):
        end()
        drain.wait_for("MySQL error 2")
        drain.server.start()
        until(drain.flusher.ready, 30, "ready")
    drain.check()


def test_deadlocks_with_somebody_who_locks_in_the_opposite_order(lab):
    """He has changed more rows than the flusher, so it is the flusher that gives way."""
    drain = Drain(lab).begin()
    drain.database.query("CREATE TABLE weight (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
    other = drain.server.connect("shop")
    other.autocommit(False)

    def collided():
        with other.cursor() as cursor, contextlib.suppress(pymysql.err.OperationalError):
            cursor.execute("INSERT INTO weight (n) VALUES " + ",".join(["(1)"] * 2000))
            cursor.execute("SELECT * FROM items FOR UPDATE")
            cursor.execute("DO SLEEP(0.3)")  # ten times a second the flusher wants it, too
            cursor.execute("SELECT * FROM sluice_checkpoint FOR UPDATE")
        other.rollback()
        return drain.retries("deadlock") >= 3
    until(collided, 40, "3 deadlocks", every_s=0.01)
    other.close()
    drain.check()


def test_read_only_for_a_while(lab):
    drain = Drain(lab).begin()
    drain.server.query("SET GLOBAL read_only = ON")
    drain.wait_for("read_only is ON")
    before = drain.rows()
    drain.server.query("SET GLOBAL read_only = OFF")
    until(lambda: drain.rows() > before, 30, "it goes on")
    drain.check()


@pytest.mark.parametrize("change", [
    "ALTER TABLE orders ADD COLUMN note VARCHAR(20)",
    "ALTER TABLE orders ADD INDEX of_user (user_id)",
    "ALTER TABLE orders ADD COLUMN note INT NOT NULL DEFAULT 7, ALGORITHM=COPY",
    "ALTER TABLE items ENGINE=InnoDB",
    "OPTIMIZE TABLE orders, items, sluice_checkpoint",
], ids=lambda change: " ".join(change.split()[1:5]))
def test_a_table_is_changed_while_it_is_drained_into(lab, change):
    drain = Drain(lab).begin()
    drain.database.query(change)
    drain.check()


def test_the_orders_table_is_taken_away_and_a_new_one_made(lab):
    """What was in it stays elsewhere; the rest goes into the new one, none of it twice."""
    drain = Drain(lab).begin()
    drain.database.query("RENAME TABLE orders TO kept")
    drain.wait_for("1146")
    drain.database.query("CREATE TABLE orders LIKE kept")
    count = "SELECT (SELECT COUNT(*) FROM orders) + (SELECT COUNT(*) FROM kept)"
    until(lambda: drain.database.one(count) == (BUYERS,), 60, "the rest")
    assert drain.rows() > 0
    drain.database.query("INSERT INTO orders SELECT * FROM kept")
    drain.check()


def test_the_checkpoints_are_dropped_and_made_anew(lab):
    """Nothing tells what the other tables have, so the flusher ends, instead of counting twice."""
    drain = Drain(lab).begin()
    drain.database.query("CREATE TABLE kept LIKE sluice_checkpoint")
    drain.database.query("DROP TABLE sluice_checkpoint")
    drain.wait_for("1146")
    sold = drain.database.one("SELECT stock, sold FROM items")
    drain.database.query("RENAME TABLE kept TO sluice_checkpoint")
    assert drain.flusher.process.wait(30) == 3
    assert "the checkpoint is not where this flusher left it" in drain.flusher.process.log()
    assert drain.database.one("SELECT stock, sold FROM items") == sold


def test_a_partition_is_missing_until_somebody_adds_it(lab):
    drain = Drain(lab)
    first, last = (f(min(ids) for ids in drain.load.order_ids().values()) for f in (min, max))
    middle = sorted(min(ids) for ids in drain.load.order_ids().values())[BUYERS // 2]
    assert first < middle < last
    drain.database.query(
        f"ALTER TABLE orders PARTITION BY RANGE (order_id) (PARTITION p0 VALUES LESS THAN "
        f"({middle}))")
    drain.flusher.start(wait=False)
    drain.wait_for("1526")
    drain.wait_for("waiting until somebody adds the partition")
    assert drain.rows() < BUYERS
    drain.database.query(
        "ALTER TABLE orders ADD PARTITION (PARTITION p1 VALUES LESS THAN MAXVALUE)")
    drain.check()


def test_max_allowed_packet_is_lowered(lab):
    """First to what is enough for smaller statements, then to what is not; then it is raised."""
    drain = Drain(lab, batch__rows=2000, batch__bytes="4MiB", pace__rows_per_second=0)
    note = "x" * 1000
    with drain.proxy.client() as client:
        for n in range(50):
            fields = [word for k in range(30) for word in (f"k{k}", note)]
            assert client("SECKILL.BUY", "phone", f"big{n}", "FIELDS", *fields)[0] == "OK"
    drain.server.query(f"SET GLOBAL max_allowed_packet = {512 * 1024}")
    drain.flusher.start()
    until_rows(drain.database, BUYERS + 50, within_s=60)
    drain.server.query("SET GLOBAL max_allowed_packet = 65536")
    drain.kill_all()
    with drain.proxy.client() as client:
        assert client("SECKILL.BUY", "phone", "late")[0] == "OK"
    drain.wait_for("max_allowed_packet is less than 512 KiB")
    drain.server.query("SET GLOBAL max_allowed_packet = DEFAULT")
    until_rows(drain.database, BUYERS + 51, within_s=60)
    assert drain.database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (0,)
    assert drain.database.one("SELECT sold FROM items") == (BUYERS + 51,)


@pytest.fixture
def small_disk(lab):
    """A file system of its own under the lab's folder."""
    place = lab.folder / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48M,mode=777", "none",
                              str(place)], stderr=subprocess.PIPE, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system of its own can be mounted: {mounted.stderr.strip()}")
    yield place
    lab.end()
    subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def filled(disk):
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"\0" * 4096)
    yield
    (disk / "filler").unlink()


def test_the_disk_of_a_table_is_full_for_a_while(lab, small_disk):
    """Nobody's order is taken for a bad one."""
    known = [] if sql_program.IS_MARIADB else [f"--innodb-directories={small_disk}"]
    drain = Drain(lab, options=known, pace__rows_per_second=0)
    create = drain.database.one("SHOW CREATE TABLE orders")[1]
    drain.database.query("DROP TABLE orders")
    drain.database.query(f"{create} DATA DIRECTORY = '{small_disk}'")
    if not list(small_disk.rglob("orders.ibd")):
        pytest.skip("the server, in a root of its own, does not see what is mounted here")
    with filled(small_disk):
        drain.flusher.start(wait=False)
        drain.wait_for("1114")
        drain.wait_for("waiting until there is room")
    drain.check()
