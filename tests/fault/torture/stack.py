"""The real stack that is tortured: mariadbd, two redis-servers (one of them the master), n proxies
with a journal and a flusher each, and the links between them that faults can hold up and cut."""

import os
import pathlib
import random
import re
import shutil
import signal

from harness.daemons import Flusher, Proxy, run
from harness.sql_server import Database, SqlServer, make_template
from harness.ports import free_port
from harness.process import Process
from harness.redis_server import RedisServer
from harness.resp import Client, RespError
from harness.waiting import until

from .forwarder import Forwarder

DATABASE = "shop"
REDIS_MODES = ("always", "everysec", "off", "replica")


class Redis(RedisServer):
    """A redis-server whose persistence changes between starts, and whose disk can lose writes."""

    def __init__(self, folder):
        super().__init__(folder, appendfsync=None, options=["--repl-diskless-sync-delay", "0",
                                                            "--repl-timeout", "5"])
        self._plain = list(self.process.argv)
        self.appendfsync = None

    def launch(self, replica_of=None):
        """Starts it without waiting for it."""
        argv = list(self._plain)
        if self.appendfsync:
            at = argv.index("--appendonly")
            argv[at:at + 2] = ["--appendonly", "yes", "--appendfsync", self.appendfsync]
        if replica_of:
            argv += ["--replicaof", "127.0.0.1", str(replica_of)]
        self.process.argv = argv
        self.process.start()

    def ask(self, *words):
        """One command to a server that should be there; None if it is not."""
        try:
            with Client(self.port, timeout_s=5) as client:
                reply = client(*words)
                return None if isinstance(reply, RespError) else reply
        except (OSError, EOFError):
            return None

    def set_persistence(self, appendfsync):
        """For the running server and for its next starts: "always", "everysec" or None."""
        self.appendfsync = appendfsync
        if appendfsync:
            self.ask("CONFIG", "SET", "appendfsync", appendfsync)
        self.ask("CONFIG", "SET", "appendonly", "yes" if appendfsync else "no")
        # Until its first rewrite is over, the file does not hold what was there before.
        until(self._file_is_whole, 20, "the append-only file's first rewrite")

    def _file_is_whole(self):
        info = self.ask("INFO", "persistence")
        return info is None or ("aof_rewrite_in_progress:0" in info
                                and "aof_rewrite_scheduled:0" in info)

    def forget(self):
        """What a server without persistence has after its end: nothing."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        (self.folder / "dump.rdb").unlink(missing_ok=True)

    def lose_tail(self, chance):
        """Cuts some of the append-only file's end off: what a host's power cut takes from
        `everysec`. True if there was something to cut."""
        files = sorted((self.folder / "appendonlydir").glob("*.incr.aof"),
                       key=lambda path: int(re.search(r"\.(\d+)\.incr", path.name)[1]))
        if not files or files[-1].stat().st_size < 1000:
            return False
        size = files[-1].stat().st_size
        os.truncate(files[-1], size - chance.randrange(1, min(size, 200_000)))
        return True


class Stack:
    def __init__(self, folder, proxies, fsync, seed):
        self.folder = pathlib.Path(folder)
        self.chance = random.Random(f"{seed}/stack")
        self.processes = []
        self.mode = None
        template = self.folder / "template"
        make_template(template)
        self.mariadb = self._keep(SqlServer(template, self.folder / "mariadb"))
        shutil.rmtree(template)
        self.database = Database(self.mariadb, DATABASE)
        self.redises = [self._keep(Redis(self.folder / name)) for name in ("redis-a", "redis-b")]
        self.front = self._keep(self._forwarder("link-redis", self.master.port))
        self.replication = self._keep(self._forwarder("link-replication", self.master.port))
        self.proxies, self.flushers = [], []
        for number in range(proxies):
            self._add_proxy(number, fsync)

    def _keep(self, thing):
        self.processes.append(thing.process)
        return thing

    def _forwarder(self, name, target):
        return Forwarder(Process, free_port, until, name, self.folder, target)

    def _add_proxy(self, number, fsync):
        journal = self.folder / f"journal-{number}"
        flusher = Flusher(self.folder / f"flusher-{number}", f"flusher-{number}", self.database,
                          journal, {"journal.retain": "15s", "batch.rows": 100,
                                    "trigger.max_age": "200ms"})
        name = f"proxy-{number}"
        proxy = Proxy(self.folder / name, name, self.front.port, journal, {
            "proxy.id": number,
            "journal.fsync": fsync,
            "journal.segment_bytes": "1MiB",
            "journal.max_bytes": "256MiB",
            "journal.retain": "15s",
            "limits.redis_timeout": "1s",
            "flusher.admin": f"http://127.0.0.1:{flusher.admin_port}"})
        self.proxies.append(self._keep(proxy))
        self.flushers.append(self._keep(flusher))

    @property
    def master(self):
        return self.redises[0]

    @property
    def standby(self):
        return self.redises[1]

    # ---- up and down -------------------------------------------------------------------------

    def start(self):
        self.mariadb.start()
        self.database.create()
        self.master.launch()
        until(lambda: self.master.ask("PING"), 20, "redis")
        self.front.start()
        self.replication.start()
        for proxy in self.proxies:
            proxy.start(wait=False)
        self.wait_selling()
        for flusher in self.flushers:
            flusher.start(wait=False)

    def wait_selling(self, within_s=60):
        for proxy in self.proxies:
            proxy.wait_ready(within_s)

    def calm(self):
        """Everything is running, nothing is stopped or held up. Waits for none of them."""
        for process in self.processes:
            if process.alive():
                process.send(signal.SIGCONT)
        self.front.tell("flow")
        self.replication.tell("flow")
        if not self.mariadb.process.alive():
            self.mariadb.process.start()
        if not self.master.process.alive():
            self.master.launch()
        for daemon in (*self.proxies, *self.flushers):
            if not daemon.process.alive():
                daemon.start(wait=False)

    def end(self):
        """Ends every process, the youngest first, whatever state it is in."""
        for process in reversed(self.processes):
            process.kill()

    # ---- Redis -------------------------------------------------------------------------------

    def set_mode(self, mode):
        """always, everysec, off: the master's append-only file; replica: no file, a replica."""
        self.mode = mode
        self.master.set_persistence(mode if mode in ("always", "everysec") else None)
        if mode == "replica":
            self.start_standby()
        else:
            self.standby.kill()

    def start_standby(self):
        """The other server follows the master through the replication link."""
        self.standby.kill()
        self.standby.appendfsync = None
        self.standby.forget()
        self.replication.tell("target", self.master.port)
        self.replication.tell("flow")
        self.standby.launch(replica_of=self.replication.port)

    def restart_redis(self):
        """The master comes back with what its mode keeps. True if writes were lost."""
        lost = self.mode in ("off", "replica")
        if lost:
            self.master.forget()
        elif self.mode == "everysec" and self.chance.random() < 0.6:
            lost = self.master.lose_tail(self.chance)
        self.master.launch()
        return lost

    def promote(self):
        """The replica, with what it has, becomes the master; the old one is killed, and a new
        replica starts in its place. False if there is no replica to promote."""
        self.replication.tell("cut")
        if self.standby.ask("REPLICAOF", "NO", "ONE") is None:
            self.replication.tell("flow")
            return False
        self.redises.reverse()
        self.front.tell("target", self.master.port)
        self.start_standby()
        return True

    # ---- the end -----------------------------------------------------------------------------

    def drain(self):
        """All that the journals hold goes into MySQL. Exit codes and messages of what failed."""
        problems = []
        for flusher in self.flushers:
            code = flusher.stop()
            if code != 0:
                problems.append(f"{flusher.name} ended with {code}")
            done = flusher.once()
            if done.returncode != 0:
                problems.append(f"{flusher.name} --once: {done.returncode} {done.stderr}")
        return problems

    def verify_journals(self):
        problems = []
        for proxy in self.proxies:
            code = proxy.stop()
            if code != 0:
                problems.append(f"{proxy.name} ended with {code}: {proxy.process.log_tail(5)}")
            done = run("sluice-ctl", "journal", "verify", proxy.journal)
            if done.returncode != 0:
                problems.append(f"journal verify {proxy.journal}: {done.returncode} {done.stdout}"
                                f"{done.stderr}")
        return problems
