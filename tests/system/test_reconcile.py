"""sluice-ctl reconcile: Redis, journal and MySQL compared, and repaired as the journal proves.

Exit 0: all agree; 1: a difference, or a server is down; 2: bad arguments; 3: a damaged journal.
What is compared and repaired where: test_reconcile_mysql.py, _redis.py and _journals.py."""

import threading

from harness import invariants
from harness.lab import HOLD
from harness.load import Load, Request
from harness.sql_server import Database
from harness.waiting import until
from reconcile_fixture import Sale, reconcile


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


def test_a_sale_and_a_drain_under_way_are_no_difference(lab):
    """20,000 buyers or more, then 10,000 cancels; reconcile runs again and again: all agree. On a
    busy machine buyers may come all the time while it looks: then it says that, and no more."""
    _, database, proxy, flusher = lab.stack(flusher={"batch__rows": 50})
    configs = [proxy.config, flusher.config]

    def look(under_way=True):
        found = reconcile(lab, configs)
        excused = 0
        for item in found.json["items"]:
            assert item["differences"] == [], found.text
            assert item["redis"]["unjournaled_batches"] == 0, found.text
            is_excused = item["cannot_be_compared"] == [
                "Redis: its buyers, since it is being sold"]
            assert item["agrees"] or is_excused, found.text
            excused += is_excused
        assert found.code == (1 if under_way and excused else 0), found.text

    with proxy.client() as client:
        for item in ("phone", "radio"):
            assert client("SECKILL.CREATE", item, "STOCK", 1_000_000) == "OK"
    looks, rounds = 0, 0
    while looks < 2:  # a sale may be over before the second look
        load = Load(proxy.port, [Request("radio" if n % 2 else "phone", f"u{rounds}-{n}", "r")
                                 for n in range(20_000)]).start()
        until(lambda load=load: load.accepted() > 500, 20, "the first purchases")
        while load.unanswered() > 0:
            look()
            looks += 1
        load.finish(within_s=60)
        rounds += 1

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
    look(under_way=False)


def test_redis_down_is_said_and_exits_1(lab):
    sale = Sale(lab).drained()
    sale.redis.kill()
    found = sale.table()
    assert found.returncode == 1 and found.stdout == ""
    assert f"127.0.0.1:{sale.redis.port} is not reachable" in found.stderr


def test_mysql_down_is_said_and_exits_1(lab):
    server = lab.sql_server()
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
