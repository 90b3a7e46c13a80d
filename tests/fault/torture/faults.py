"""What is killed, stopped, cut and promoted, and when. Everything runs on the main thread: tick()
does what is due, so faults overlap but never race with each other."""

import heapq
import itertools
import pathlib
import re
import signal
import time
from collections import Counter

from . import failpoints

EVERY_S = 1.3            # the mean time between two faults
DOWN_S = (0.0, 1.5)      # how long a killed process stays away
STOPPED_S = (0.02, 3.0)  # longer than limits.redis_timeout at times
HELD_S = (0.02, 2.0)
LAG_S = (0.0, 1.5)       # how far the replica is behind when it is promoted
# While they start, one passes over SIGTERM, the other dies of it.
NOT_OURS = ("mariadb", "redis")
END_WITHIN_S = 30        # after SIGTERM
ARMED = 0.5              # how often a daemon comes back with a failpoint


def takes_sigterm(pid):
    """Whether it has come so far: before its main() the signal ends a process as if by SIGKILL."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    blocked = int(re.search(r"^SigBlk:\s*([0-9a-f]+)$", status, re.MULTILINE)[1], 16)
    return bool(blocked >> (signal.SIGTERM - 1) & 1)


class Victim:
    """A process that faults may hit, and how it comes back."""

    def __init__(self, name, process, revive):
        self.name = name
        self.process = process
        self.revive = revive
        self.busy = False  # down or stopped, and something is scheduled that ends it


class Faults:
    def __init__(self, stack, chance, say, only=None):
        self.stack = stack
        self.chance = chance
        self.say = say
        self.failpoints = failpoints.Failpoints()
        self.counts = Counter()
        self.rewinds = []      # monotonic seconds at which Redis may have lost writes
        self.problems = []     # daemons that ended by themselves, or with a wrong exit code
        self._due = []
        self._number = itertools.count()
        self.victims = self._make_victims()
        self._kinds = [(weight, name, work) for weight, name, work in self._table()
                       if not only or name in only]
        self._next_fault = time.monotonic() + 1

    def _make_victims(self):
        stack = self.stack
        victims = {"mariadb": Victim("mariadb", stack.mariadb.process, stack.mariadb.process.start)}
        victims["redis"] = Victim("redis", stack.master.process, self._revive_redis)
        for kind, daemons in (("proxy", stack.proxies), ("flusher", stack.flushers)):
            for daemon in daemons:
                victims[daemon.name] = Victim(
                    daemon.name, daemon.process, lambda daemon=daemon: self._revive_daemon(daemon))
        return victims

    def _table(self):
        """(weight, name, what it does)."""
        table = [(9, "redis kill", lambda: self.kill("redis")),
                 (3, "redis stop", lambda: self.stop("redis")),
                 (2, "redis term", lambda: self.terminate("redis")),
                 (5, "mariadb kill", lambda: self.kill("mariadb")),
                 (3, "mariadb stop", lambda: self.stop("mariadb")),
                 (1, "mariadb term", lambda: self.terminate("mariadb")),
                 (4, "link cut", self.cut_link),
                 (3, "link hold", self.hold_link),
                 (1, "flushall", self.flush_all),
                 (14, "promotion", self.promote)]
        for kind, weights, daemons in (("proxy", (16, 4, 4), self.stack.proxies),
                                       ("flusher", (9, 3, 3), self.stack.flushers)):
            for weight, way in zip(weights, (self.kill, self.stop, self.terminate)):
                name = f"{kind} {'term' if way == self.terminate else way.__name__}"
                table.append((weight, name, lambda way=way, daemons=daemons: way(
                    self.chance.choice(daemons).name)))
        table.append((4, "proxy+redis kill", lambda: self.kill_both("proxy", "redis")))
        table.append((2, "flusher+mariadb kill", lambda: self.kill_both("flusher", "mariadb")))
        return table

    # ---- time --------------------------------------------------------------------------------

    def after(self, seconds, work):
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._number), work))

    def run_due(self):
        while self._due and self._due[0][0] <= time.monotonic():
            heapq.heappop(self._due)[2]()

    def tick(self):
        """Does what is due; begins a new fault now and then. Call it every few milliseconds."""
        self.run_due()
        self.look_for_the_dead()
        if self._kinds and time.monotonic() >= self._next_fault:
            self._next_fault = time.monotonic() + self.chance.expovariate(1 / EVERY_S)
            self.begin_one()

    def begin_one(self):
        """A fault of some kind; another one if what it needs is down just now."""
        weights = [weight for weight, _, _ in self._kinds]
        for _ in range(10):
            _, name, work = self.chance.choices(self._kinds, weights)[0]
            if work() is not False:
                self.counts[name] += 1
                return

    def settle(self):
        """Lets everything that is scheduled happen; no new fault begins."""
        while self._due:
            self.run_due()
            time.sleep(0.005)

    def end(self):
        """No more faults: everything runs, nothing is stopped, held up or armed."""
        self.settle()
        self.look_for_the_dead()
        for victim in self.victims.values():
            if victim.process.env.pop(failpoints.VARIABLE, None):
                victim.process.kill()
        self.stack.calm()

    def look_for_the_dead(self):
        for victim in self.victims.values():
            if victim.busy or victim.process.alive():
                continue
            if not self._failpoint_fired(victim):
                self.problems.append(
                    f"{victim.name} ended by itself with {victim.process.exit_code()}\n"
                    f"{victim.process.log_tail(8)}")
                self.say(self.problems[-1])
            self._down(victim)

    # ---- processes ---------------------------------------------------------------------------

    def _free(self, name):
        victim = self.victims[name]
        return victim if not victim.busy and victim.process.alive() else None

    def _down(self, victim):
        victim.busy = True
        seconds = 0 if self.chance.random() < 0.3 else self.chance.uniform(*DOWN_S)
        self.after(seconds, lambda: self._up(victim))

    def _up(self, victim):
        victim.busy = False
        victim.revive()

    def kill(self, name):
        victim = self._free(name)
        if not victim:
            return False
        self.say(f"{name}: SIGKILL")
        victim.process.kill()
        self._down(victim)

    def kill_both(self, *kinds):
        """Two processes at the same moment: what one forgets the other cannot tell it."""
        victims = [self._free(self.chance.choice(
            [name for name in self.victims if name.startswith(kind)])) for kind in kinds]
        if not all(victims):
            return False
        self.say(" and ".join(victim.name for victim in victims) + ": SIGKILL")
        for victim in self.chance.sample(victims, len(victims)):
            victim.process.kill()
        for victim in victims:
            self._down(victim)

    def stop(self, name):
        victim = self._free(name)
        if not victim:
            return False
        self.say(f"{name}: SIGSTOP")
        victim.process.send(signal.SIGSTOP)
        victim.busy = True

        def go_on():
            victim.process.send(signal.SIGCONT)
            victim.busy = False
        self.after(self.chance.uniform(*STOPPED_S), go_on)

    def terminate(self, name):
        victim = self._free(name)
        if not victim or (name not in NOT_OURS and not takes_sigterm(victim.process.pid)):
            return False
        self.say(f"{name}: SIGTERM")
        victim.process.send(signal.SIGTERM)
        victim.busy = True
        self._await_end(victim, time.monotonic() + END_WITHIN_S)

    def _await_end(self, victim, deadline):
        if victim.process.alive() and time.monotonic() < deadline:
            return self.after(0.02, lambda: self._await_end(victim, deadline))
        if victim.process.alive():
            if victim.name not in NOT_OURS:
                self.problems.append(f"{victim.name} did not end within {END_WITHIN_S} s of "
                                     f"SIGTERM\n{victim.process.log_tail(8)}")
            victim.process.kill()
        elif victim.process.exit_code() != 0 and victim.name not in NOT_OURS \
                and not self._failpoint_fired(victim):
            self.problems.append(f"{victim.name} ended with {victim.process.exit_code()} after "
                                 f"SIGTERM\n{victim.process.log_tail(8)}")
        self._down(victim)

    def _failpoint_fired(self, victim):
        """Whether that is why the process has ended. Counted if so."""
        armed, code = victim.process.env.get(failpoints.VARIABLE), victim.process.exit_code()
        # A step that fails ends a daemon only if it must not go on, and then not with 0.
        if not armed or not (code > 0 if armed.endswith(":error") else code == -signal.SIGKILL):
            return False
        self.counts["failpoint " + armed.split(":")[0]] += 1
        self.say(f"{victim.name} ended at {armed}")
        return True

    def _revive_daemon(self, daemon):
        daemon.process.env.pop(failpoints.VARIABLE, None)
        hit = {name.removeprefix("failpoint ") for name in self.counts}
        armed = self.failpoints.draw(self.chance, daemon.name.split("-")[0], hit)
        if armed and self.chance.random() < ARMED:
            daemon.process.env[failpoints.VARIABLE] = armed
        daemon.start(wait=False)

    # ---- Redis and its links -----------------------------------------------------------------

    def _revive_redis(self):
        if self.stack.restart_redis():
            self.rewind("the restarted redis-server lost writes")

    def rewind(self, why):
        self.rewinds.append(time.monotonic())
        self.counts["rewinds"] += 1
        self.say(why)

    def cut_link(self):
        self.say("link proxy-redis: cut")
        self.stack.front.tell("cut")

    def hold_link(self):
        self.say("link proxy-redis: held up")
        self.stack.front.tell("hold")
        self.after(self.chance.uniform(*HELD_S), lambda: self.stack.front.tell("flow"))

    def flush_all(self):
        victim = self._free("redis")
        if not victim:
            return False
        self.say("FLUSHALL")
        self.stack.master.ask("FLUSHALL")
        self.rewind("flushed")

    def promote(self):
        """The replica falls behind for a while, then becomes the master."""
        victim = self._free("redis")
        if not victim or self.stack.mode != "replica":
            return False
        victim.busy = True
        self.stack.replication.tell("hold")
        self.after(self.chance.uniform(*LAG_S), lambda: self._promote_now(victim))

    def _promote_now(self, victim):
        if self.chance.random() < 0.5:
            victim.process.kill()  # else the old master lives on for a moment, without clients
        if self.stack.promote():
            self.rewind("the replica was promoted")
        elif not victim.process.alive():
            self._revive_redis()
        self.victims["redis"].process = self.stack.master.process
        victim.busy = False

    def change_mode(self, mode):
        """Redis's persistence from now on; tried again while Redis is down."""
        if not self._free("redis"):
            return self.after(0.1, lambda: self.change_mode(mode))
        self.say(f"Redis mode: {mode}")
        self.stack.set_mode(mode)
