"""One item in a shop, and the ways back of docs/operations.md as that page prints them."""

import os
import pathlib
import subprocess

from .daemons import BIN, ROOT
from .lab import HOLD
from .resp import RespError
from .waiting import until

GIVEN = 1000
PAGE = pathlib.Path(ROOT, "docs/operations.md").read_text()


def commands(title):
    """What docs/operations.md prints under a heading."""
    section = PAGE.split(f"\n### {title}\n")[1].split("\n### ")[0]
    blocks = section.split("```\n")[1::2]
    return [line for block in blocks for line in block.splitlines()]


def bought(client, user, *more):
    """The id of the order that this buyer's one request gets, now or again."""
    def answered():
        reply = client("SECKILL.BUY", "phone", user, "REQ", "r", "FIELDS", "note", user, *more)
        return None if isinstance(reply, RespError) and reply.prefix == "LOADING" else reply
    reply = until(answered, 20, "the gate")
    assert reply[0] == "OK", (user, reply)
    return int(reply[1])


def once_beats_are_old(way):
    """What the way back has said, run again until no proxy has beaten less than two seconds ago."""
    return until(lambda: None if "beat on" in (done := way()).stderr else done, 10,
                 "the last beat is old")


def sell(proxy, first, last, *more):
    with proxy.client() as client:
        return {f"u{n}": bought(client, f"u{n}", *more) for n in range(first, last + 1)}


class Shop:
    """One Redis, one MySQL, and proxies with a held flusher each."""

    def __init__(self, lab, proxies=1, **settings):
        self.lab = lab
        self.redis, self.database = lab.redis(), lab.database()
        self.proxies, self.flushers = [], []
        for number in range(proxies):
            # Under the names that the page has.
            suffix = "" if number == 0 else str(number + 1)
            folder = lab.folder / f"journal{suffix}"
            self.flushers.append(lab.flusher(self.database, start=False, journal=folder, **HOLD))
            self.proxies.append(lab.proxy(self.redis, journal=folder, proxy__id=number,
                                          **settings))
            (lab.folder / f"proxy{suffix}.toml").symlink_to(self.proxies[-1].config)
            (lab.folder / f"flusher{suffix}.toml").symlink_to(self.flushers[-1].config)
        with self.proxies[0].client() as client:
            assert client("SECKILL.CREATE", "phone", "STOCK", GIVEN - 100, "LIMIT", 3) == "OK"
            assert client("SECKILL.RESTOCK", "phone", 100, "REQ", "more")[0] == "OK"
        self.told = {}

    @property
    def proxy(self):
        return self.proxies[0]

    @property
    def journal(self):
        return self.lab.folder / "journal"

    def configs(self, *numbers):
        words = []
        for number in numbers or range(len(self.proxies)):
            words += ["--config", self.proxies[number].config,
                      "--config", self.flushers[number].config]
        return words

    def drain(self, *numbers):
        for number in numbers or range(len(self.flushers)):
            done = self.flushers[number].once()
            assert done.returncode == 0, done.stderr

    def run(self, line):
        """A command as the page prints it."""
        env = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}")
        return subprocess.run(line, shell=True, cwd=self.lab.folder, env=env, timeout=120,
                              capture_output=True, text=True)

    def way(self, title, **names):
        """Goes the page's way; what the last command said."""
        *looks, look, does = commands(title)
        for name, value in names.items():
            look, does = look.replace(name, value), does.replace(name, value)
        for other in looks:
            assert self.run(other).returncode in (0, 3)
        assert look == does + " --dry-run"
        # A beat may be younger: the proxy was killed less than two seconds ago.
        told = once_beats_are_old(lambda: self.run(look))
        assert told.returncode == 0, told.stdout + told.stderr
        assert "nothing was changed" in told.stdout, told.stdout
        done = self.run(does)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def check(self, *proxies, cancelled=(), given=GIVEN):
        """Everything told is a row, once; every buyer gets his order again; the stock is right."""
        proxies = proxies or self.proxies
        with proxies[0].client() as client:
            for user, order in self.told.items():
                assert bought(client, user) == order if user not in cancelled else True, user
            stock = dict(zip(*[iter(client("SECKILL.STOCK", "phone"))] * 2))
            live = len(self.told) - len(cancelled)
            assert (stock["stock"], stock["sold"]) == (given, live), stock
            reply = client("SECKILL.RESTOCK", "phone", 100, "REQ", "more")
            assert reply == ["OK", given - live], "a restock's REQ gave twice"
        numbers = [self.proxies.index(proxy) for proxy in proxies]
        self.drain(*numbers)
        rows = self.database.query("SELECT user_id, order_id FROM orders WHERE item_id = 'phone'")
        assert dict(rows) == self.told
        assert self.database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (0,)
        rows = self.database.query("SELECT stock, sold FROM items WHERE item_id = 'phone'")
        assert rows == ((given, live),)
        found = self.lab.ctl("reconcile", *self.configs(*numbers))
        assert found.returncode == 0, found.stdout + found.stderr
