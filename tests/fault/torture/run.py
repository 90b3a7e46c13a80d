"""One run of the torture, from its arguments to its report."""

import argparse
import collections
import json
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

import pymysql
from harness import sql_program
from harness.process import Process
from harness.waiting import until

from .checker import Checker
from .faults import Faults
from .histories import ACTS, Histories
from .stack import REDIS_MODES, Stack
from .told import Told

ANSWER_WITHIN_S = 60   # every client is answered within this once faults have stopped
OBSERVE_EVERY_S = 2.0
ACT_EVERY_S = 2.0       # the mean time between two acts of histories.py
SHOWN_PER_RULE = 5
# What the goal counts: everything that ends, stops or replaces a process.
KILLS = ("kill", "term", "stop", "promotion", "failpoint")


class Interrupted(Exception):
    pass


def make_items(count):
    """What is sold. Items without cancels and restocks are those whose stock only falls."""
    def item(name, stock, weight, limit=0, cancels=True, restocks=True, closes=False):
        return {"name": name, "stock": stock, "weight": weight, "limit": limit,
                "cancels": cancels, "restocks": restocks, "closes": closes}
    items = [item("hot", 1_000_000, 30), item("limited", 1_000_000, 20, limit=3),
             item("scarce", 200, 25), item("scarce-limited", 100, 10, limit=2),
             item("falling", 1500, 12, cancels=False, restocks=False),
             item("door", 100_000, 5, closes=True)]
    items += [item(f"cold-{n}", 40, 1, cancels=n % 2 == 0) for n in range(count - len(items))]
    return items[:count]


class Observer(threading.Thread):
    """Looks, while all goes on, at what must hold at every moment, not only in the end."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.stack = stack
        self.ended = threading.Event()
        self.violations = set()
        self.looks = collections.Counter()
        self.looking = threading.Lock()

    def rests(self, act):
        """While an act goes on, tables may be put back one after the other."""
        with self.looking:
            act()

    def run(self):
        while not self.ended.wait(OBSERVE_EVERY_S):
            for look in (self.sold_is_the_sum, self.no_oversell):
                try:
                    with self.looking:
                        look()
                    self.looks[look.__name__] += 1
                except (OSError, EOFError, pymysql.err.Error, AssertionError):
                    pass  # it is down or stopped just now

    def sold_is_the_sum(self):
        """One statement sees one moment: items.sold equals its orders after every commit."""
        server = self.stack.mariadb
        connection = pymysql.connect(**sql_program.connect_arguments(server.socket, server.port),
                                     user="sluice", password="sluice-test", database="shop",
                                     connect_timeout=1, read_timeout=5)
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT i.item_id, i.sold, COALESCE(SUM(o.quantity), 0) AS live FROM items i "
                    "LEFT JOIN orders o ON o.item_id = i.item_id AND o.status <> 'cancelled' "
                    "GROUP BY i.item_id, i.sold HAVING i.sold <> live")
                for item, sold, live in cursor.fetchall():
                    self.violations.add(("items.sold was not the sum in mid-run",
                                         f"{item}: {sold}, orders {live}"))
        finally:
            connection.close()

    def no_oversell(self):
        for proxy in self.stack.proxies:
            told = [line for line in proxy.get("/metrics", timeout_s=1).text.splitlines()
                    if line.startswith("sluice_oversell_total")]
            if told and float(told[0].split()[-1]) != 0:
                self.violations.add(("sluice_oversell_total", f"{proxy.name}: {told[0]}"))


class Torture:
    def __init__(self, options):
        self.options = options
        self.chance = random.Random(options.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-torture-"))
        self.started = time.monotonic()
        self.story = open(self.folder / "story.log", "w", buffering=1)
        self.stack = None
        self.faults = None
        self.observer = None
        self.clients = []
        self.violations = []

    def say(self, text):
        self.story.write(f"{time.strftime('%H:%M:%S')} {time.monotonic() - self.started:8.3f} "
                         f"{text}\n")
        if self.options.verbose:
            print(f"{time.monotonic() - self.started:8.3f} {text}", flush=True)

    # ---- the run -----------------------------------------------------------------------------

    def run(self):
        options = self.options
        fsync = options.fsync or self.chance.choice(("always", "everysec"))
        print(f"torture: seed {options.seed}, {options.seconds} s, {options.proxies} proxies, "
              f"{options.items} items, journal.fsync {fsync}, {self.folder}", flush=True)
        self.stack = Stack(self.folder, options.proxies, fsync, options.seed)
        self.faults = Faults(self.stack, self.chance, self.say, only=options.faults)
        self.histories = Histories(self.faults, only=options.acts)
        self.stack.start()
        self.make_plan()
        self.start_clients()
        self.observer = Observer(self.stack)
        self.observer.start()
        self.torment()
        self.heal()
        self.judge()

    def make_plan(self):
        self.plan = {"seed": self.options.seed, "threads": self.options.threads,
                     "ports": [proxy.port for proxy in self.stack.proxies],
                     "items": make_items(self.options.items), "answer_within_s": ANSWER_WITHIN_S,
                     "creates": 22 if self.options.items > 1 else 0}
        (self.folder / "plan.json").write_text(json.dumps(self.plan))
        with self.stack.proxies[0].client() as client:
            for item in self.plan["items"]:
                words = ("SECKILL.CREATE", item["name"], "STOCK", item["stock"], "LIMIT",
                         item["limit"])
                # Several proxies get to know each other first, and say -LOADING until they do.
                until(lambda words=words: client(*words) == "OK", 30, f"{item['name']} made")

    def start_clients(self):
        program = pathlib.Path(__file__).with_name("clients.py")
        for number in range(self.options.clients):
            process = Process(f"clients-{number}",
                              [sys.executable, program, self.folder / "plan.json",
                               self.folder / f"told-{number}.jsonl", number],
                              self.folder / f"clients-{number}.log")
            self.clients.append(process.start())

    def torment(self):
        """Faults at random; Redis's persistence changes a few times."""
        modes = self.modes()
        phase_s = max(6.0, min(20.0, self.options.seconds / len(REDIS_MODES)))
        end = time.monotonic() + self.options.seconds
        next_phase = time.monotonic()
        next_act = time.monotonic() + self.chance.expovariate(1 / ACT_EVERY_S)
        while time.monotonic() < end:
            if time.monotonic() >= next_phase:
                next_phase += phase_s
                self.faults.change_mode(next(modes))
            if not self.options.no_acts and time.monotonic() >= next_act:
                self.observer.rests(self.histories.act)
                next_act = time.monotonic() + self.chance.expovariate(1 / ACT_EVERY_S)
            self.faults.tick()
            time.sleep(0.005)
        self.faults.settle()

    def modes(self):
        while True:
            modes = list(self.options.modes or REDIS_MODES)
            self.chance.shuffle(modes)
            yield from modes

    def heal(self):
        """No more faults: every client gets its answer, all is sold and drained."""
        self.say("faults are over")
        self.histories.end()
        self.faults.end()
        for client in self.clients:
            client.send(signal.SIGTERM)
        for client in self.clients:
            code = client.wait(ANSWER_WITHIN_S + 30)
            self.expect(code == 0, "a client program failed", client.log_tail(20))
        self.say("every client is done")
        until(self.mysql_is_up, 60, "mariadbd")
        self.stack.wait_selling()
        self.observer.ended.set()
        self.observer.join()
        self.faults.look_for_the_dead()
        for problem in self.stack.drain():
            self.expect(False, "the drain", problem)

    def mysql_is_up(self):
        try:
            return self.stack.database.query("SELECT 1")
        except pymysql.err.Error:
            return None

    def judge(self):
        self.told = Told(sorted(self.folder.glob("told-*.jsonl")))
        checker = Checker(self.plan, self.told, self.stack.database, self.stack.proxies,
                          self.faults.rewinds, self.histories.fields_lost)
        self.violations += checker.run()
        self.violations += sorted(self.observer.violations)
        for problem in self.stack.verify_journals():
            self.expect(False, "the journals", problem)
        self.violations += [("a daemon ended", problem) for problem in self.faults.problems]
        self.orders = len(checker.rows)

    def expect(self, holds, rule, detail):
        if not holds:
            self.violations.append((rule, detail))

    # ---- the report --------------------------------------------------------------------------

    def report(self):
        counts = self.faults.counts
        kills = sum(count for name, count in counts.items() if name.split()[-1] in KILLS
                    or name.startswith("failpoint"))
        minutes = self.options.seconds / 60
        outcomes = self.told.outcomes()
        print(f"faults    {kills} kills ({kills / minutes:.0f} a minute), by kind: "
              + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
        print("answers   " + ", ".join(f"{name} {count}" for name, count
                                       in sorted(outcomes.items())))
        print(f"orders    {outcomes['BUY OK']} acknowledgements, {self.orders} rows in MySQL, "
              f"{self.told.retries()} retries")
        print("errors    " + ", ".join(f"{name} {count}" for name, count
                                       in self.told.errors().most_common()))
        passed = [name for name in self.faults.failpoints.names()
                  if not counts["failpoint " + name]]
        print("failpoints not hit: " + (", ".join(passed) or "none"))
        print("looks     " + ", ".join(f"{name} {count}" for name, count
                                       in self.observer.looks.items()))

    def report_violations(self):
        by_rule = collections.defaultdict(list)
        for rule, detail in self.violations:
            by_rule[rule].append(detail)
        for rule, details in by_rule.items():
            print(f"VIOLATION {rule}: {len(details)} times")
            for detail in details[:SHOWN_PER_RULE]:
                print(f"    {detail}")
        with open(self.folder / "violations.log", "w") as file:
            for rule, detail in self.violations:
                file.write(f"{rule}: {detail}\n")
        print(f"torture: {len(self.violations)} violations, seed {self.options.seed}, "
              f"{time.monotonic() - self.started:.0f} s", flush=True)

    def end(self):
        for process in self.clients:
            process.kill()
        if self.stack:
            self.stack.end()
        self.story.close()


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long faults go on (60)")
    parser.add_argument("--seed", type=int, help="for a run like an earlier one (a fresh one)")
    parser.add_argument("--proxies", type=int, default=2, help="how many sell the items (2)")
    parser.add_argument("--items", type=int, default=18,
                        help="how many; of more than one buyers create some of their own (18)")
    parser.add_argument("--clients", type=int, default=2, help="client processes (2)")
    parser.add_argument("--threads", type=int, default=12, help="clients in each of them (12)")
    parser.add_argument("--fsync", choices=("always", "everysec", "no"),
                        help="journal.fsync (drawn from the seed)")
    parser.add_argument("--modes", nargs="*", choices=REDIS_MODES, help="Redis modes (all)")
    parser.add_argument("--faults", action="append",
                        help='only this kind, e.g. "redis kill"; may be given several times (all)')
    parser.add_argument("--acts", action="append", choices=ACTS, metavar="ACT",
                        help='only this one, e.g. "clock"; may be given several times (all)')
    parser.add_argument("--no-acts", action="store_true",
                        help="no clones, rollbacks, clocks, giving up and orderly restarts")
    parser.add_argument("--keep", action="store_true", help="keep the folder in any case")
    parser.add_argument("--verbose", action="store_true", help="print every fault")
    options = parser.parse_args(arguments)
    if options.proxies == 1 and options.acts == ["give up a proxy"]:
        parser.error("a proxy is given up only with --proxies 2 or more")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 31)
    return options


def main(arguments):
    options = options_of(arguments)

    def interrupt(*_):
        raise Interrupted

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    torture, code = Torture(options), 1
    try:
        torture.run()
        torture.report()
        torture.report_violations()
        code = 1 if torture.violations else 0
    except Interrupted:
        print(f"torture: interrupted, seed {options.seed}")
        code = 130
    except Exception:
        # Whatever this is, the seed and the folder are needed to look into it.
        traceback.print_exc()
        print(f"torture: the run itself failed, seed {options.seed}")
    finally:
        torture.end()
    if code in (0, 130) and not options.keep:
        shutil.rmtree(torture.folder, ignore_errors=True)
    else:
        print(f"torture: logs, journals and what clients were told are kept in {torture.folder}")
    return code
