"""sluice-ctl doctor: nothing on a right system, and each planted fault by name, with what to do.

One system is set up for all; each test breaks one thing, or writes other files, and puts it back.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pymysql
import pytest

from harness import sql_program
from harness.clock import Clock, SHIM
from harness.daemons import BIN, toml
from harness.lab import Lab
from harness.redis_server import RedisServer
from harness.sql_server import PASSWORD, Database
from harness.tcp_fault import SENT, TcpFault
from harness.waiting import until


class Right:
    """A proxy, a flusher and their servers, all as they should be."""

    def __init__(self, shared):
        self.lab = Lab(shared)
        self.redis = self.lab.redis()
        self.server = self.lab.sql_server()
        self.database = Database(self.server, "sluice_doctor").create()
        drain = self.flusher = self.lab.flusher(self.database, start=False)
        self.proxy = self.lab.proxy(self.redis, journal__max_bytes="64MiB",
                                    flusher__admin=f"http://127.0.0.1:{drain.admin_port}")
        drain.start()
        with self.proxy.client() as client:
            assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        until(lambda: self.database.query("SELECT item_id FROM items"), 20, "the item in MySQL")
        self.files = 0

    def file(self, daemon, **changes):
        """Another configuration of a daemon, not started."""
        self.files += 1
        path = self.lab.folder / f"other{self.files}.toml"
        path.write_text(toml({**daemon.settings,
                              **{key.replace("__", ".", 1): value
                                 for key, value in changes.items()}}))
        return path

    def pair(self, folder, proxy=None, flusher=None):
        """The files of both with another journal folder."""
        return (self.file(self.proxy, journal__dir=str(folder), **(proxy or {})),
                self.file(self.flusher, journal__dir=str(folder), **(flusher or {})))

    def doctor(self, *files):
        """Its exit code and findings."""
        files = files or (self.proxy.config, self.flusher.config)
        words = [word for path in files for word in ("--config", path)]
        done = self.lab.ctl("doctor", "--json", *words)
        assert done.returncode in (0, 1), done.stderr
        report = json.loads(done.stdout)
        assert done.returncode == (1 if report["findings"] else 0)
        return report["findings"]

    def only(self, *files):
        """The one finding that there is."""
        findings = self.doctor(*files)
        assert len(findings) == 1, findings
        return findings[0]

    @contextlib.contextmanager
    def query(self, broken, whole):
        self.database.query(broken)
        try:
            yield
        finally:
            self.database.query(whole)


@pytest.fixture(scope="module")
def right(shared):
    system = Right(shared)
    yield system
    system.lab.end()
    system.lab.remove()


def names(finding, severity, what, remedy):
    assert finding["severity"] == severity, finding
    assert what in finding["what"], finding
    assert remedy in finding["remedy"], finding


def test_nothing_is_found_on_a_right_system(right):
    """Exit code 0, one line, with what was measured; nothing is left in the journal's folder."""
    before = sorted(os.listdir(right.lab.journal))
    done = right.lab.ctl("doctor", "--config", right.proxy.config,
                         "--config", right.flusher.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("nothing found: looked at 1 proxy, 1 flusher"), done.stdout
    assert "fdatasync" in done.stdout and len(done.stdout.splitlines()) == 1
    assert sorted(os.listdir(right.lab.journal)) == before
    assert right.doctor(right.proxy.config) == [] and right.doctor(right.flusher.config) == []


def test_a_finding_as_text_says_where_what_and_what_to_do(right):
    with right.redis.client() as redis:
        redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        done = right.lab.ctl("doctor", "--config", right.proxy.config)
        redis("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert done.returncode == 1
    first, second, last = done.stdout.splitlines()
    assert first.startswith(f"error    Redis at 127.0.0.1:{right.redis.port}: maxmemory-policy is")
    assert second.strip().startswith("do: CONFIG SET maxmemory-policy noeviction")
    assert last.startswith("1 error, 0 warnings")


def test_redis_keeps_nothing_on_disk(right):
    with right.redis.client() as redis:
        redis("CONFIG", "SET", "appendonly", "no")
        finding = right.only()
        redis("CONFIG", "SET", "appendonly", "yes")
        until(lambda: "aof_rewrite_in_progress:0" in redis("INFO", "persistence"), 20, "the AOF")
    names(finding, "warning", "keeps nothing on disk", "CONFIG SET appendonly yes")


def test_redis_evicts(right):
    with right.redis.client() as redis:
        redis("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        finding = right.only()
        redis("CONFIG", "SET", "maxmemory-policy", "noeviction")
    names(finding, "error", "maxmemory-policy is volatile-ttl", "noeviction")


def test_redis_does_not_answer(right):
    finding = right.only(right.file(right.proxy, redis__servers=["127.0.0.1:1"]),
                         right.flusher.config)
    names(finding, "error", "is not reachable", "redis.servers")


@contextlib.contextmanager
def silent_port():
    """Of a machine that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def test_servers_that_never_answer_are_waited_for_three_seconds(right):
    """Each once: a Redis, a MySQL, and a flusher's admin port, which nobody waits for."""
    with silent_port() as redis, silent_port() as mysql, silent_port() as admin:
        began = time.monotonic()
        findings = right.doctor(
            right.file(right.proxy, redis__servers=[f"127.0.0.1:{redis}"],
                       flusher__admin=f"http://127.0.0.1:{admin}"),
            right.file(right.flusher, mysql__port=mysql, admin__address=f"127.0.0.1:{admin}"))
        took_s = time.monotonic() - began
    assert 5 < took_s < 12, (took_s, findings)
    assert len(findings) == 2, findings
    names(findings[0], "error", "no reply within 3 s; nothing else of it was looked at", "start it")
    names(findings[1], "error", "; nothing else of it was looked at", "mysql.host")


@pytest.mark.parametrize("kind, question", [("Redis", rb"MULTI"), ("MySQL", rb"UTC_TIMESTAMP")])
def test_a_server_that_falls_silent_is_not_asked_again(right, kind, question):
    """After its first answers. What was not looked at is told."""
    protocol, port = ("resp", right.redis.port) if kind == "Redis" else ("mysql", right.server.port)
    fault, over = TcpFault(port, protocol), threading.Event()
    rule = fault.on(question, SENT, then=over.wait)
    began = time.monotonic()
    try:
        if kind == "Redis":
            finding = right.only(
                right.file(right.proxy, redis__servers=[f"127.0.0.1:{fault.port}"]))
            names(finding, "error", "what was left was not looked at", "SLOWLOG")
        else:
            finding = right.only(right.file(right.flusher, mysql__port=fault.port))
            names(finding, "warning", "not everything could be looked at", "look again")
    finally:
        over.set()
        fault.close()
    rule.wait()
    assert 2.5 < time.monotonic() - began < 8


@pytest.mark.parametrize("rule, refused", [
    (("~sluice:*", "+@all", "-hset", "-script"), ("HSET on sluice:{0}:shelf", "SCRIPT")),
    (("~other:*", "+@all"), ("RPUSH on sluice:{0}:receipts:0", "EVALSHA")),
])
def test_the_account_lacks_rights_in_redis(right, rule, refused):
    """A command, or the keys."""
    password = right.lab.folder / "redis.password"
    password.write_text("secret\n")
    with right.redis.client() as redis:
        assert redis("ACL", "SETUSER", "poor", "reset", "on", ">secret", *rule) == "OK"
        finding = right.only(
            right.file(right.proxy, redis__username="poor", redis__password_file=str(password)),
            right.flusher.config)
        redis("ACL", "DELUSER", "poor")
    names(finding, "error", "its user poor may not", "ACL SETUSER poor ~sluice:*")
    for word in refused:
        assert word in finding["what"], finding


@pytest.mark.parametrize("fault", ["clock", "replica"])
def test_redis_is_at_another_time_or_a_replica(right, fault):
    if fault == "clock" and not SHIM.exists():
        pytest.skip(f"{SHIM} is not built")
    server = RedisServer(right.lab.folder / f"redis-{fault}")
    if fault == "clock":
        clock = Clock(right.lab.folder / "clock").of
        clock(server)
        Clock(right.lab.folder / "clock").turn(-7000)
    right.lab._keep(server).start()
    with server.client() as redis:
        if fault == "replica":
            redis("REPLICAOF", "127.0.0.1", right.redis.port)
        finding = right.only(right.file(right.proxy, proxy__id=None,
                                        redis__servers=[f"127.0.0.1:{server.port}"]),
                             right.flusher.config)
    server.kill()
    if fault == "clock":
        names(finding, "error", "ms behind this machine's", "synchronise")
    else:
        names(finding, "error", "read-only replica of 127.0.0.1", "primary into redis.servers")


def test_the_sale_in_redis_has_other_shelves(right):
    finding = right.only(right.file(right.proxy, sale__shelves=32), right.flusher.config)
    names(finding, "error", "sale.shelves is 32", "write sale.shelves = 64")


def test_mysql_refuses_the_login(right):
    wrong = right.lab.folder / "wrong.password"
    wrong.write_text("wrong\n")
    finding = right.only(right.proxy.config,
                         right.file(right.flusher, mysql__password_file=str(wrong)))
    names(finding, "error", "1045", "mysql.password_file")


def test_mysql_takes_small_packets_only(right):
    size = right.database.one("SELECT @@GLOBAL.max_allowed_packet")[0]
    with right.query("SET GLOBAL max_allowed_packet = 262144",
                     f"SET GLOBAL max_allowed_packet = {size}"):
        finding = right.only()
    names(finding, "error", "max_allowed_packet is 256.0 KiB", "SET GLOBAL max_allowed_packet")


def test_mysql_is_not_strict(right):
    mode = right.database.one("SELECT @@GLOBAL.sql_mode")[0]
    with right.query("SET GLOBAL sql_mode = ''", f"SET GLOBAL sql_mode = '{mode}'"):
        finding = right.only()
    names(finding, "warning", "not strict", "STRICT_TRANS_TABLES")


def test_mysql_takes_no_writes(right):
    with right.query("SET GLOBAL read_only = ON", "SET GLOBAL read_only = OFF"):
        finding = right.only()
    names(finding, "error", "read_only is ON", "read_only = OFF")


def test_a_table_cannot_roll_back(right):
    with right.query("ALTER TABLE sluice_early_change ENGINE = MyISAM",
                     "ALTER TABLE sluice_early_change ENGINE = InnoDB"):
        finding = right.only()
    names(finding, "error", "sluice_early_change has the engine MyISAM", "ENGINE = InnoDB")


def test_the_orders_table_lacks_a_column(right):
    with right.query("ALTER TABLE orders RENAME COLUMN request_id TO req",
                     "ALTER TABLE orders RENAME COLUMN req TO request_id"):
        finding = right.only()
    names(finding, "error", "orders.request_id is missing", "orders.names")


def test_a_table_is_missing(right):
    with right.query("RENAME TABLE sluice_deleted_item TO gone",
                     "RENAME TABLE gone TO sluice_deleted_item"):
        finding = right.only()
    names(finding, "error", "sluice_deleted_item", "schema apply")


@pytest.mark.parametrize("by, last, severity", [
    ("RANGE (order_id)", "1", "error"),
    ("RANGE (order_id)", "{in_three_days}", "warning"),
    ("RANGE (order_id)", "MAXVALUE", None),
])
def test_orders_have_no_partition_for_today(right, by, last, severity):
    """Missing today is an error, in a week a warning, and MAXVALUE is right."""
    id_then = right.database.one(
        "SELECT (CAST(UNIX_TIMESTAMP(NOW() + INTERVAL 3 DAY) * 1000 AS UNSIGNED)"
        " - 1704067200000) << 22")[0]
    upto = last.format(in_three_days=id_then)
    with right.query(f"ALTER TABLE orders PARTITION BY {by}"
                     f" (PARTITION p0 VALUES LESS THAN ({upto}))",
                     "ALTER TABLE orders REMOVE PARTITIONING"):
        if severity is None:
            assert right.doctor() == []
            return
        finding = right.only()
    names(finding, severity, "has no partition for an order of", "ADD PARTITION")


def test_the_account_lacks_rights_in_mysql(right):
    root = pymysql.connect(**sql_program.connect_arguments(right.server.socket, right.server.port),
                           user="root")
    with root.cursor() as cursor:
        cursor.execute(f"CREATE USER poor@'%' IDENTIFIED BY '{PASSWORD}'")
        cursor.execute("GRANT SELECT, INSERT, UPDATE ON sluice_doctor.* TO poor@'%'")
        finding = right.only(right.proxy.config, right.file(right.flusher, mysql__user="poor"))
        cursor.execute("DROP USER poor@'%'")
    root.close()
    names(finding, "error", "DELETE on items", "GRANT SELECT, INSERT, UPDATE, DELETE ON")
    assert "UPDATE on" not in finding["what"]


def test_one_proxy_id_in_two_files(right):
    folder = right.lab.folder / "second"
    folder.mkdir()
    findings = right.doctor(right.proxy.config, right.flusher.config, *right.pair(folder))
    whats = [finding["what"] for finding in findings]
    assert any("both would give out the same order ids" in what for what in whats), findings
    # Redis and MySQL know the number as the first one's.
    assert any("proxy.id 0 is that of journal" in what and "Redis" in what for what in whats)
    assert any("proxy.id 0 is that of journal" in what and "MySQL" in what for what in whats)
    assert len(findings) == 3, findings
    assert all("proxy.id" in finding["remedy"] for finding in findings)


def test_one_folder_of_two_proxies(right):
    other = right.file(right.proxy, proxy__id=None, listen__address="127.0.0.1:1",
                       admin__address="")
    findings = right.doctor(right.proxy.config, right.flusher.config, other)
    names(findings[-1], "error", "journal.dir of several proxies", "a folder of its own")


def test_a_number_that_the_database_knows_of_another_host(right):
    folder = right.lab.folder / "ninth"
    folder.mkdir(exist_ok=True)
    right.database.query(
        "INSERT INTO sluice_journal SET journal_id = 4711, proxy_id = 9, shelves = 64,"
        " host = 'db7', incarnation = 1, created_at = NOW(3), updated_at = NOW(3)")
    finding = right.only(*right.pair(folder, proxy={"proxy__id": 9}))
    right.database.query("DELETE FROM sluice_journal WHERE journal_id = 4711")
    names(finding, "error", "proxy.id 9 is that of journal 4711 on host db7",
          "journal drop 4711")


def test_the_disk_is_smaller_than_the_journal_may_become(right):
    finding = right.only(right.file(right.proxy, journal__max_bytes="1024TiB"),
                         right.flusher.config)
    names(finding, "warning", "are free, and the journal may grow by", "journal.max_bytes")


def test_the_journal_is_in_memory(right):
    folder = f"/dev/shm/sluice-doctor-{os.getpid()}"
    os.mkdir(folder)
    try:
        findings = right.doctor(*right.pair(folder, proxy={"proxy__id": 5}))
    finally:
        shutil.rmtree(folder)
    names(findings[0], "error", "in memory (tmpfs)", "local disk")


def test_the_folder_above_the_journal_is_missing(right):
    finding = right.only(*right.pair(right.lab.folder / "no" / "journal",
                                     proxy={"proxy__id": 5}))
    names(finding, "error", "nor the folder above it is there", "install -d -o sluice")


def test_fewer_files_than_clients(right):
    """Of a proxy that does not run this shell's limit counts."""
    folder = right.lab.folder / "limited"
    folder.mkdir()
    words = [word for path in right.pair(folder, proxy={"proxy__id": 5})
             for word in ("--config", path)]
    done = subprocess.run(["prlimit", "--nofile=1024:1024", BIN / "sluice-ctl", "doctor",
                           "--json", *words], stdout=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1
    finding, = json.loads(done.stdout)["findings"]
    names(finding, "warning", "hard limit of open files is 1,024", "LimitNOFILE=")
    assert "want 11,256" in finding["what"]


def test_the_proxy_asks_another_flusher(right):
    finding = right.only(right.file(right.proxy, flusher__admin="http://127.0.0.1:1"),
                         right.flusher.config)
    names(finding, "warning", "never learns what is in MySQL",
          f'flusher.admin = "http://127.0.0.1:{right.flusher.admin_port}"')


def test_what_check_refuses_is_a_finding(right):
    """The daemons' own --check is asked."""
    finding = right.only(right.file(right.proxy, journal__segmentbytes="4MiB"),
                         right.flusher.config)
    names(finding, "error", "journal.segmentbytes", "correct that key")


def test_a_file_that_no_daemon_starts_with_is_a_finding(right):
    """Everything else is looked at all the same."""
    finding = right.only(right.file(right.proxy, redis__password_file="/nowhere"),
                         right.flusher.config)
    names(finding, "error", "redis.password_file: cannot read /nowhere", "correct that key")
    finding = right.only(right.proxy.config, right.file(right.flusher, orders__table="a.b.c"))
    names(finding, "error", "orders.table", "correct that key")


def test_bad_arguments_are_refused(lab):
    assert lab.ctl("doctor").returncode == 2
    done = lab.ctl("doctor", "--config", "/nowhere.toml")
    assert done.returncode == 2 and "cannot be read" in done.stderr
