"""Machines that are rolled back, cloned and doubled: which history a folder holds is proven, and
who holds another one sells nothing that could not be drained."""

import shutil

import pytest
from harness.resp import RespError
from harness.shop import once_beats_are_old
from harness.waiting import until
from killing import start_armed, wait_killed


def sell(proxy, first, last, item="phone"):
    """Orders of users first … last; {user: order id}."""
    with proxy.client() as client:
        ids = {}
        for n in range(first, last + 1):
            reply = client("SECKILL.BUY", item, f"u{n}", "REQ", "r")
            assert reply[0] == "OK", (n, reply)
            ids[f"u{n}"] = int(reply[1])
        return ids


def refused(proxy, word, within_s=10):
    """Waits until nothing is sold any more, and returns why."""
    def told():
        with proxy.client() as client:
            reply = client("SECKILL.BUY", "phone", "late", "REQ", "r")
        return reply if isinstance(reply, RespError) and word in reply.text else None
    reply = until(told, within_s, f"a refusal that says {word!r}")
    assert reply.prefix == "LOADING", reply.text
    ready = proxy.get("/readyz")
    assert ready.status == 503 and word in ready.text, ready.text
    return reply.text


def rows(database):
    return dict(database.query("SELECT user_id, order_id FROM orders"))


class Machine:
    """Redis, proxy and flusher on one machine; MySQL is elsewhere."""

    def __init__(self, lab, **proxy):
        self.lab = lab
        self.redis, self.database = lab.redis(), lab.database()
        self.flusher = lab.flusher(self.database, start=False)
        self.proxy = lab.proxy(self.redis,
                               flusher__admin=f"http://127.0.0.1:{self.flusher.admin_port}",
                               **proxy)
        with self.proxy.client() as client:
            assert client("SECKILL.CREATE", "phone", "STOCK", 100_000) == "OK"

    def stop(self):
        for process in (self.proxy, self.redis):
            assert process.stop() == 0

    def start(self):
        self.redis.start()
        self.proxy.start()

    def copy(self, to):
        """Journal and Redis, while nothing runs."""
        for folder in (self.lab.journal, self.redis.folder):
            shutil.copytree(folder, to / folder.name)

    def roll_back(self, saved, *names):
        for folder in (self.lab.journal, self.redis.folder):
            if not names or folder.name in names:
                shutil.rmtree(folder)
                shutil.copytree(saved / folder.name, folder)

    def sold_and_rolled_back(self, drained):
        """100 orders are in the copy, and are drained then or later; 200 are behind it."""
        saved = self.lab.folder / "saved"
        told = sell(self.proxy, 1, 100)
        if drained:
            assert self.drain().returncode == 0
        self.stop()
        self.copy(saved)
        self.start()
        told |= sell(self.proxy, 101, 300)
        assert self.drain().returncode == 0
        self.stop()
        self.roll_back(saved)
        self.start()
        return told

    def drain(self):
        return self.flusher.once()


def test_a_machine_that_was_rolled_back_sells_nothing_more(lab):
    """Journal and Redis are put back to a copy; MySQL has 200 orders more. Nothing tells it before
    the flusher has looked; then the proxy stops, and stays so over restarts of both, however long
    the folder has grown by then."""
    machine = Machine(lab)
    before = machine.sold_and_rolled_back(drained=True)
    sell(machine.proxy, 1001, 1300)  # nobody can know yet
    done = machine.drain()
    assert done.returncode == 3 and "another history of it below record" in done.stderr
    why = refused(machine.proxy, "another history of it below record")
    assert "sluice-ctl journal adopt" in why
    assert machine.proxy.stop() == 0
    machine.proxy.start(wait=False)
    machine.proxy.wait_listening()
    refused(machine.proxy, "another history of it below record")
    assert machine.drain().returncode == 3
    assert rows(machine.database) == before


def test_a_flusher_beside_it_stops_the_proxy_at_once(lab):
    """The same with a flusher that runs, as a supervisor starts it."""
    machine = Machine(lab)
    before = machine.sold_and_rolled_back(drained=False)
    machine.flusher.start(wait=False)
    assert machine.flusher.process.wait(20) == 3
    refused(machine.proxy, "the folder is an older copy")
    assert rows(machine.database) == before


def test_a_journal_that_is_older_than_its_redis_is_refused(lab):
    """Only the journal is put back; Redis lives, and knows what the folder has lost."""
    machine = Machine(lab)
    sell(machine.proxy, 1, 100)
    assert machine.proxy.stop() == 0
    machine.copy(lab.folder / "saved")
    machine.proxy.start()
    sell(machine.proxy, 101, 300)
    assert machine.proxy.stop() == 0
    machine.roll_back(lab.folder / "saved", lab.journal.name)
    machine.proxy.start(wait=False)
    assert machine.proxy.process.wait(20) == 3
    log = machine.proxy.process.log_tail()
    assert "older than what Redis" in log and "sluice-ctl journal adopt" in log


def test_two_installations_with_one_mysql(lab):
    """Each with its own Redis and journal, and no proxy.id: they take numbers at random."""
    database = lab.database()
    sold, flushers = {}, []
    for name in ("one", "two", "three"):
        proxy = lab.proxy(lab.redis(), journal=lab.folder / f"journal-{name}", proxy__id=None)
        with proxy.client() as client:
            assert client("SECKILL.CREATE", name, "STOCK", 10_000) == "OK"
            for n in range(1000):
                reply = client("SECKILL.BUY", name, f"{name}{n}", "REQ", "r")
                sold[f"{name}{n}"] = int(reply[1])
            cancelled = client("SECKILL.CANCEL", name, f"{name}0", sold[f"{name}0"])
            assert cancelled[0] == "OK"
        flushers.append(lab.flusher(database, start=False, journal=lab.folder / f"journal-{name}"))
    for flusher in flushers:
        done = flusher.once()
        assert done.returncode == 0, done.stderr
    assert rows(database) == sold
    assert database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (0,)
    assert database.one("SELECT COUNT(*) FROM orders WHERE status = 'cancelled'") == (3,)
    assert database.one("SELECT COUNT(DISTINCT proxy_id) FROM sluice_journal") == (3,)


def test_two_installations_with_one_proxy_id_are_told_apart_by_mysql(lab):
    """The second is refused by name, and its proxy sells nothing from then on."""
    database = lab.database()
    first, second = (lab.proxy(lab.redis(), journal=lab.folder / f"journal-{n}", proxy__id=7)
                     for n in (1, 2))
    for proxy in (first, second):
        with proxy.client() as client:
            assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
    flushers = [lab.flusher(database, start=False, journal=lab.folder / f"journal-{n}")
                for n in (1, 2)]
    assert flushers[0].once().returncode == 0
    done = flushers[1].once()
    assert done.returncode == 3
    with first.client() as client:
        journal = dict(zip(*[iter(client("SECKILL.STATUS"))] * 2))["journal_id"]
    assert f"its proxy.id 7 is that of journal {journal}" in done.stderr
    why = refused(second, "its proxy.id 7")
    assert "sluice-ctl journal drop" in why
    sell(first, 1, 3)


def test_a_flusher_left_on_the_old_folder_is_named_and_ignored(lab):
    """The journal was moved to another disk, the flusher was not told."""
    machine = Machine(lab)
    sell(machine.proxy, 1, 20)
    machine.flusher.start()
    with machine.proxy.client() as client:
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
    assert machine.proxy.stop() == 0
    shutil.copytree(lab.journal, lab.folder / "moved")
    machine.proxy.settings["journal.dir"] = str(lab.folder / "moved")
    machine.proxy.write_config()
    machine.proxy.start()
    sold = sell(machine.proxy, 21, 60)
    with machine.proxy.client() as client:
        reply = client("SECKILL.FLUSH", "WAIT", 500)
        assert isinstance(reply, RespError) and "another copy" in reply.text, reply
        def named():
            status = dict(zip(*[iter(client("SECKILL.STATUS"))] * 2))
            return "another copy of this journal" in status["flusher"] and \
                status["backlog_records"] == "-1"
        until(named, 5, "the flusher is named")
        found = client("SECKILL.ORDER", "phone", "u60", sold["u60"])
        assert found[5] == "disk", found


def test_a_flusher_beside_the_daemon_is_refused(lab):
    """--once takes nothing over from a flusher that runs on the folder."""
    machine = Machine(lab)
    machine.flusher.start()
    sell(machine.proxy, 1, 10)
    done = machine.drain()
    assert done.returncode == 3 and "another flusher drains" in done.stderr
    sell(machine.proxy, 11, 20)
    with machine.proxy.client() as client:
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
    assert len(rows(machine.database)) == 20
    assert machine.flusher.process.alive()


def test_nobody_sells_before_mysql_was_asked_about_one_that_was_put_back_with_redis(lab):
    """Journal and Redis of one proxy are put back together: they agree, and what was sold since
    only MySQL knows. Another proxy waits for it; it waits for its flusher, which refuses."""
    machine = Machine(lab, proxy__id=1)
    other = lab.proxy(machine.redis, journal=lab.folder / "other", proxy__id=2)
    saved, both = lab.folder / "saved", (machine.proxy, other)

    def are_ready():
        for proxy in both:
            until(proxy.ready, 20, "the gate")

    are_ready()
    told = sell(machine.proxy, 1, 10)
    machine.stop()
    machine.copy(saved)
    machine.start()
    are_ready()
    told |= sell(machine.proxy, 11, 20)
    assert machine.drain().returncode == 0
    machine.stop()
    machine.roll_back(saved)
    machine.redis.start()
    machine.proxy.start(wait=False)
    machine.proxy.wait_listening()
    refused(machine.proxy, "whether MySQL knows more")
    refused(other, "waiting for proxy 1")
    machine.flusher.start(wait=False)
    assert machine.flusher.process.wait(20) == 3
    refused(machine.proxy, "the folder is an older copy")
    refused(other, "waiting for proxy 1")
    assert machine.proxy.stop() == 0
    configs = [word for daemon in (machine.proxy, machine.flusher, other)
               for word in ("--config", daemon.config)]
    done = once_beats_are_old(lambda: lab.ctl("journal", "adopt", lab.journal, *configs))
    assert done.returncode == 0, done.stdout + done.stderr
    machine.proxy.start(wait=False)
    machine.flusher.start()
    are_ready()
    assert sell(other, 1, 20) == told
    assert rows(machine.database) == told


def test_what_redis_lost_does_not_come_back_with_an_older_copy(lab):
    """A batch is in Redis, its proxy dies before the journal has it. Redis comes back empty, all
    go on without it, and the buyer gets an order from another proxy. Then Redis comes back once
    more, with data from before: the first order must not be completed from its receipt."""
    redis, database = lab.redis(appendfsync=None), lab.database()
    one, two = (lab.proxy(redis, journal=lab.folder / f"journal-{n}", proxy__id=n) for n in (1, 2))
    with one.client() as client, redis.client() as direct:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100) == "OK"
        assert one.stop() == 0
        start_armed(one, "sale.after-script:1")
        until(lambda: one.get("/readyz").status == 200, 10, "the gate")
        with one.client() as dying, pytest.raises((EOFError, OSError)):
            dying("SECKILL.BUY", "phone", "ann", "REQ", "r")
        wait_killed(one)
        assert direct("SAVE") == "OK"
    saved = redis.folder / "dump.rdb"
    shutil.copy(saved, lab.folder / "old.rdb")
    redis.kill()
    saved.unlink()
    redis.start()
    one.start()
    until(lambda: two.get("/readyz").status == 200, 20, "both are through the gate")
    with two.client() as client:
        order = client("SECKILL.BUY", "phone", "ann", "REQ", "r")
        assert order[0] == "OK"
    redis.kill()
    shutil.copy(lab.folder / "old.rdb", saved)
    redis.start()
    for proxy in (one, two):
        until(lambda proxy=proxy: proxy.get("/readyz").status == 200, 20, "the gate once more")
        with proxy.client() as client:
            assert client("SECKILL.BUY", "phone", "ann", "REQ", "r")[:2] == order[:2]
            assert client("SECKILL.STOCK", "phone")[7] == 99
    for n in (1, 2):
        done = lab.flusher(database, start=False, journal=lab.folder / f"journal-{n}").once()
        assert done.returncode == 0, done.stderr
    assert rows(database) == {"ann": int(order[1])}
