"""Machines that are cloned, rolled back and given up, clocks that jump, and orderly restarts.

Unlike the other faults these are acts of people, one at a time and each to its end: no other
fault begins meanwhile, while buyers go on. What a daemon refuses then is what the act expects;
nothing that was told may be lost, doubled or changed. The ways back are those of
docs/operations.md.
"""

import pathlib
import shutil
import signal
import time

from harness.clock import DAY_MS, HOUR_MS, SECOND_MS, SHIM, Clock
from harness.daemons import Proxy, run
from harness.waiting import until

# By name, in the order in which Histories.acts has what they do.
ACTS = ("clone", "roll back journal", "roll back redis", "roll back journal and redis",
        "roll back mysql", "restart in order", "clock", "give up a proxy")
READY_WITHIN_S = 60
REFUSED = 3
TABLES = ("orders", "items", "sluice_checkpoint", "sluice_dead_letter", "sluice_early_change",
          "sluice_deleted_item")
# Of sluice_journal all but the column that is computed.
JOURNAL_COLUMNS = ("journal_id, proxy_id, shelves, host, incarnation, retired, created_at, "
                   "updated_at")


class Histories:
    """stack: as in faults.py, whose settle() and counts it uses."""

    def __init__(self, faults, only=None):
        """only: of ACTS; None for all."""
        self.faults = faults
        self.only = only
        self.stack = faults.stack
        self.chance = faults.chance
        self.say = faults.say
        self.counts = faults.counts
        self.problems = faults.problems
        self.fields_lost = False  # an order may have come without the FIELDS that it had
        self.clocks = {}
        for daemon in (*self.stack.proxies, *self.stack.flushers):
            if "asan" in str(SHIM) or "tsan" in str(SHIM):
                break  # a sanitizer wants to be loaded first
            self.clocks[daemon.name] = Clock(self.stack.folder / f"clock-{daemon.name}")
            self.clocks[daemon.name].of(daemon)
        self._saved_mysql = False
        self._saved_journals = {}  # by number of the proxy: a copy taken while it ran
        self._saved_redis = False
        self._clones = 0
        self._deck = []

    def acts(self):
        """(name, what it does), of those asked for."""
        work = (self.clone, self.roll_back_journal, self.roll_back_redis, self.roll_back_both,
                self.roll_back_mysql, self.restart_in_order, self.turn_clock, self.give_up)
        without = set()
        if not self.clocks:
            without.add("clock")
        if len(self.stack.proxies) == 1:
            without.add("give up a proxy")
        return [act for act in zip(ACTS, work, strict=True)
                if act[0] not in without and (not self.only or act[0] in self.only)]

    def draw(self):
        """Each as often as any other, in any order."""
        if not self._deck:
            self._deck = self.acts()
            self.chance.shuffle(self._deck)
        return self._deck.pop()

    def act(self):
        """One act, with everything at rest before and whole after it."""
        self.faults.settle()
        self.faults.look_for_the_dead()
        self.faults.settle()
        self.disarm()
        self.stack.calm()
        if not self.all_is_well():
            return  # a fault is still being made good
        name, work = self.draw()
        self.say(f"act: {name}")
        work()
        self.counts[f"act {name}"] += 1
        self.stack.calm()
        self.all_is_well()

    def disarm(self):
        for victim in self.faults.victims.values():
            if victim.process.env.pop("SLUICE_FAILPOINT", None):
                victim.process.kill()

    def all_is_well(self):
        try:
            for daemon in (*self.stack.proxies, *self.stack.flushers):
                daemon.wait_ready(READY_WITHIN_S)
            return True
        except AssertionError as failure:
            self.problems.append(f"not ready in time: {failure}")
            return False

    def expect(self, holds, what, daemon=None):
        if not holds:
            self.problems.append(what + (f"\n{daemon.process.log_tail(8)}" if daemon else ""))

    def stop(self, *daemons):
        """In order: each ends with 0."""
        for daemon in daemons:
            code = daemon.stop()
            self.expect(code == 0, f"{daemon.name} ended with {code}", daemon)

    def configs(self):
        words = []
        for daemon in (*self.stack.proxies, *self.stack.flushers):
            words += ["--config", daemon.config]
        return words

    def way(self, verb, *words):
        done = run("sluice-ctl", "journal", verb, *words, *self.configs(), timeout_s=120)
        self.say(f"sluice-ctl journal {verb} {words[0]}: {done.returncode}\n{done.stderr}")
        self.expect(done.returncode == 0, f"journal {verb}: {done.stdout}{done.stderr}")

    # ---- acts --------------------------------------------------------------------------------

    def clone(self):
        """A copy of a living proxy's folder, started beside it, and a flusher on the copy."""
        number = self.chance.randrange(len(self.stack.proxies))
        living, flusher = self.stack.proxies[number], self.stack.flushers[number]
        self._clones += 1
        copy = self.stack.folder / f"clone-{self._clones}"
        copy_folder(living.journal, copy / "journal")
        clone = Proxy(copy / "proxy", "clone", self.stack.front.port, copy / "journal", {
            **{key: value for key, value in living.settings.items()
               if key not in ("listen.address", "admin.address", "journal.dir", "flusher.admin")},
            "redis.servers": living.settings["redis.servers"]})
        clone.start(wait=False)
        try:
            code = clone.process.wait(20)
            self.expect(code == REFUSED, f"a clone of {living.name} ended with {code}", clone)
        finally:
            clone.process.kill()
        # It has not parted from the one it was copied from: it may take the drain over.
        done = run("sluice-flusher", "--config", flusher.config, "--once", "--set",
                   f"journal.dir={copy / 'journal'}", timeout_s=60)
        self.expect(done.returncode in (0, REFUSED), f"a clone's flusher: {done.returncode} "
                                                     f"{done.stderr}")
        if done.returncode == 0:  # with its next batch the other one finds that, and says so
            until(lambda: not flusher.process.alive(), 20, f"{flusher.name} to be taken over")
            self.expect(flusher.process.exit_code() == REFUSED, "a flusher was taken over", flusher)
        until(lambda: self.revived(flusher), 30, f"{flusher.name} after a clone")
        shutil.rmtree(copy, ignore_errors=True)

    def revived(self, flusher):
        """As a supervisor does: one that was taken over is started again."""
        if not flusher.process.alive():
            flusher.start(wait=False)
        return flusher.process.alive() and flusher.ready()

    def roll_back_journal(self):
        """A folder is put back to a copy taken while it was sold to; Redis and MySQL have more."""
        number = self.saved_journal()
        self.kill(self.stack.proxies[number], self.stack.flushers[number])
        self.put_journal_back(number)
        self.start_rolled_back(number)

    def saved_journal(self):
        """The number of a proxy of whose folder there is a copy."""
        number = self.chance.randrange(len(self.stack.proxies))
        if number not in self._saved_journals:
            saved = self.stack.folder / f"saved-journal-{number}"
            copy_folder(self.stack.proxies[number].journal, saved)
            self._saved_journals[number] = saved
            time.sleep(self.chance.uniform(0.2, 2))  # buyers go on
        return number

    def put_journal_back(self, number):
        folder = self.stack.proxies[number].journal
        shutil.rmtree(folder)
        self._saved_journals.pop(number).rename(folder)

    def start_rolled_back(self, number):
        proxy, flusher = self.stack.proxies[number], self.stack.flushers[number]
        proxy.start(wait=False)
        flusher.start(wait=False)
        # It refuses, or Redis's receipts make it whole.
        until(lambda: self.has_decided(flusher), 40, "a decision")
        if flusher.process.alive():
            until(lambda: self.has_decided(proxy), 40, "a decision")
        if not (proxy.process.alive() and flusher.process.alive()):
            self.adopt(proxy, flusher)

    def roll_back_redis(self):
        """Redis is put back to a copy of some time ago; journals and MySQL have more."""
        if not self._saved_redis:
            self.save_redis()
            time.sleep(self.chance.uniform(0.2, 2))  # buyers go on
        self.put_redis_back()

    def roll_back_both(self):
        """A folder and Redis together: of what was sold since only MySQL knows, so it is drained
        before; buyers of the other proxies go on."""
        if not self._saved_redis:
            self.save_redis()
        number = self.saved_journal()
        self.stop(self.stack.proxies[number], self.stack.flushers[number])
        done = self.stack.flushers[number].once()
        self.expect(done.returncode == 0, f"--once before a roll-back: {done.stderr}")
        self.put_journal_back(number)
        self.put_redis_back()
        self.start_rolled_back(number)

    def save_redis(self):
        master = self.stack.master
        until(lambda: master.ask("SAVE") == "OK", 20, "SAVE")  # a replica may be served just now
        shutil.copy(master.folder / "dump.rdb", self.stack.folder / "saved.rdb")
        self._saved_redis = True

    def put_redis_back(self):
        master = self.stack.master
        master.process.kill()
        master.forget()
        shutil.move(self.stack.folder / "saved.rdb", master.folder / "dump.rdb")
        self._saved_redis = False
        master.appendfsync = None  # with a file to append to, it would read that
        master.launch()
        until(lambda: master.ask("PING"), 20, "redis put back")
        self.faults.rewind("Redis was put back")
        if self.stack.mode:
            self.stack.set_mode(self.stack.mode)

    def forget_saved(self, number):
        if number in self._saved_journals:
            shutil.rmtree(self._saved_journals.pop(number))

    def has_decided(self, daemon):
        return not daemon.process.alive() or daemon.ready()

    def adopt(self, proxy, flusher, *more):
        self.kill(proxy, flusher)
        time.sleep(2.2)  # till the last beat is old
        self.fields_lost = True
        self.way("adopt", proxy.journal, *more)
        proxy.start(wait=False)
        flusher.start(wait=False)

    def kill(self, *daemons):
        for daemon in daemons:
            daemon.process.kill()

    def roll_back_mysql(self):
        """All tables as they were some time ago."""
        self.stop(*self.stack.flushers)
        database = self.stack.database
        if not self._saved_mysql:
            for table in TABLES:
                database.query(f"DROP TABLE IF EXISTS saved_{table}")
                database.query(f"CREATE TABLE saved_{table} AS SELECT * FROM `{table}`")
            database.query("DROP TABLE IF EXISTS saved_sluice_journal")
            database.query(f"CREATE TABLE saved_sluice_journal AS SELECT {JOURNAL_COLUMNS} "
                           "FROM sluice_journal")
            self._saved_mysql = self.journal_ids()
        elif self._saved_mysql == self.journal_ids():
            for table in TABLES:
                database.query(f"DELETE FROM `{table}`")
                database.query(f"INSERT INTO `{table}` SELECT * FROM saved_{table}")
            database.query("DELETE FROM sluice_journal")
            database.query(f"INSERT INTO sluice_journal ({JOURNAL_COLUMNS}) SELECT * "
                           "FROM saved_sluice_journal")
            self._saved_mysql = False
            self.say("MySQL was put back")
        else:
            self._saved_mysql = False  # of journals that were taken over since: of no use
        lacking = []
        for proxy, flusher in zip(self.stack.proxies, self.stack.flushers):
            flusher.start(wait=False)
            until(lambda flusher=flusher: self.has_decided(flusher), 40, "a decision")
            if not flusher.process.alive():
                lacking.append((proxy, flusher))
        if lacking:
            self.fields_lost = True
            self.way("redrain", *(proxy.journal for proxy, _ in lacking))
            for _, flusher in lacking:
                flusher.start(wait=False)

    def journal_ids(self):
        return {row[0] for row in
                self.stack.database.query("SELECT journal_id FROM sluice_journal "
                                          "WHERE NOT retired")}

    def give_up(self):
        """A machine is gone, folder and all; a survivor takes its history over, and a new proxy
        with another number comes in its place."""
        number = self.chance.randrange(len(self.stack.proxies))
        heir = (number + 1) % len(self.stack.proxies)
        gone, flusher = self.stack.proxies[number], self.stack.flushers[number]
        self.kill(gone, flusher)
        self.forget_saved(number)
        shutil.rmtree(gone.journal)
        old = gone.settings["proxy.id"]
        gone.settings["proxy.id"] = 100 + self.counts["act give up a proxy"]
        gone.write_config()
        survivor, its_flusher = self.stack.proxies[heir], self.stack.flushers[heir]
        self.forget_saved(heir)
        self.kill(survivor, its_flusher)
        time.sleep(2.2)
        self.fields_lost = True
        words = ["--config", survivor.config]
        for other in (*self.stack.proxies, *self.stack.flushers):
            if other not in (survivor, gone, flusher):
                words += ["--config", other.config]
        done = run("sluice-ctl", "journal", "adopt", survivor.journal, "--also", old, *words,
                   timeout_s=120)
        self.expect(done.returncode == 0, f"adopt --also {old}: {done.stdout}{done.stderr}")
        for daemon in (survivor, its_flusher, gone, flusher):
            daemon.start(wait=False)

    def turn_clock(self):
        """Seconds and hours are borne; what is further stops a sale until it is over."""
        daemon = self.chance.choice((*self.stack.proxies, *self.stack.flushers))
        clock = self.clocks[daemon.name]
        if self.chance.random() < 0.7:
            clock.turn(self.chance.choice((SECOND_MS, HOUR_MS)) * self.chance.uniform(-10, 10))
            return
        clock.turn(self.chance.choice((-1, 1)) * self.chance.choice((3, 400, 30_000)) * DAY_MS)
        time.sleep(self.chance.uniform(0.3, 1.5))
        clock.turn(0)

    def restart_in_order(self):
        """Everything stops as it should, and comes back."""
        stack = self.stack
        self.stop(*stack.proxies, *stack.flushers)
        stack.mariadb.process.send(signal.SIGTERM)
        stack.mariadb.process.wait(60)
        stack.calm()

    def end(self):
        for clock in self.clocks.values():
            clock.turn(0)


def copy_folder(source, to):
    """Of one that is being written to, as a snapshot tool takes it: file by file. What is gone by
    then is not in it."""
    source, to = pathlib.Path(source), pathlib.Path(to)
    to.mkdir(parents=True)
    for file in sorted(source.iterdir()):
        try:
            shutil.copy(file, to / file.name)
        except FileNotFoundError:
            pass
