"""One fresh machine of a suite: a clean root, a clone, `make run`, `make test`, as one user.

The machine is the suite's root below an overlay, so that the root stays as debootstrap left it.
Each step is a program in a namespace of its own (namespace.py).
"""

import os
import pathlib
import re
import shutil
import subprocess
import time

from harness.ports import free_port

from . import apt_machine, namespace, roots

# What a minbase root has not, and who needs it: make and git are what the README asks for; over
# TLS, npm checks certificates; and a user who is not root installs by sudo. Python, the compiler,
# the servers and all else must come by `make deps`.
TO_BEGIN_WITH = ("make", "git", "ca-certificates", "sudo")
# In a root that is used for this there must be none of them: then `make deps` proves nothing.
NOT_THERE = ("usr/bin/g++", "usr/bin/cmake", "usr/bin/redis-server", "usr/sbin/mariadbd",
             "usr/bin/node")
OTHER_USER = "buyer"
PREPARE_TIMEOUT_S = 600
DEPS_TIMEOUT_S = 1200
RUN_TIMEOUT_S = 3600
TEST_TIMEOUT_S = 9000
PORTS = ("PROXY", "PROXY_ADMIN", "FLUSHER_ADMIN", "REDIS", "MYSQL")
LAST_LINE = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)
SKIPPED = re.compile(r"^test: all suites in \d+ s, (\d+) skipped$", re.MULTILINE)


class StepFailed(Exception):
    """A step did not succeed; the text names it and its log."""


def tested(log):
    """("N passed, N failed", skipped) of the last `make test` in a log; None if it did not end."""
    ends, skipped = LAST_LINE.findall(log), SKIPPED.findall(log)
    if not ends:
        return None
    passed, failed = ends[-1]
    return f"{passed} passed, {failed} failed", int(skipped[-1]) if skipped else 0


class FreshMachine:
    """`user`: "root" or another name, which is made. Its files are in `folder`, the logs in `logs`.

    `shared`: a folder that the machines of a suite have in common: packages that were downloaded,
    and what ccache keeps. `bundle`: a git bundle with the HEAD to be built.
    """

    def __init__(self, suite, user, folder, shared, logs, bundle):
        self.suite, self.user = suite, user
        self.folder, self.shared = pathlib.Path(folder), pathlib.Path(shared)
        self.log_path = pathlib.Path(logs) / f"{suite}-{user}.log"
        self.bundle = pathlib.Path(bundle)
        self.home = "/root" if user == "root" else f"/home/{user}"

    def build(self):
        """The steps up to a clone with its packages; seconds of `make deps`."""
        self.log_path.unlink(missing_ok=True)
        self.root = roots.suite_root(self.suite)
        dirty = [path for path in NOT_THERE if (self.root / path).exists()]
        if dirty:
            raise StepFailed(f"{self.root} is not as debootstrap leaves it: it has {dirty[0]}; "
                             f"`scripts/roots --fresh {self.suite}` makes it anew")
        for name in ("archives/partial", "ccache", "exchange"):
            (self.shared / name).mkdir(parents=True, exist_ok=True)
        (self.shared / "ccache").chmod(0o777)
        self._put_in_exchange()
        self.step("prepare", prepare_script(self.user), PREPARE_TIMEOUT_S, user="root")
        self.step("clone", "git init -q sluice && cd sluice && "
                  "git pull -q /mnt/exchange/sluice.bundle HEAD", PREPARE_TIMEOUT_S)
        return self.step("make deps", "cd sluice && make deps", DEPS_TIMEOUT_S)

    def run(self):
        """`make run` until its sale has been played; its seconds, packages not counted."""
        return self.step("make run", "cd sluice && SLUICE_RUN_ONCE=1 make run", RUN_TIMEOUT_S,
                         env=run_ports())

    def test(self):
        """`make test`: (its last line, skipped, whether it is green)."""
        try:
            self.step("make test", "cd sluice && make test", TEST_TIMEOUT_S)
            green = True
        except StepFailed:
            green = False
        found = tested(self.log_path.read_text(errors="replace"))
        if found is None:
            return "did not end", 0, False
        return (*found, green)

    def step(self, name, script, timeout_s, user=None, env=()):
        """Runs a shell script in the machine; its seconds. StepFailed if its code is not 0."""
        user = user or self.user
        home = "/root" if user == "root" else self.home
        environment = namespace.environment(
            HOME=home, USER=user, LOGNAME=user, CCACHE_DIR="/var/cache/ccache",
            CCACHE_UMASK="000", CCACHE_BASEDIR=home, CCACHE_NOHASHDIR="1", **dict(env))
        words = ["sh", "-c", f"cd && {script}"]
        if user != "root":
            words = ["runuser", "-u", user, "--", *words]
        binds = [("/sys", "/sys"), (self.shared / "archives", "/var/cache/apt/archives"),
                 (self.shared / "ccache", "/var/cache/ccache"),
                 (self.shared / "exchange", "/mnt/exchange")]
        begun = time.monotonic()
        with open(self.log_path, "a") as log:
            print(f"==== {name}", file=log, flush=True)
            code = namespace.enter(self.root, words, binds, self.folder, timeout_s, environment,
                                   log)
        seconds = time.monotonic() - begun
        if code != 0:
            why = f"was ended after {timeout_s} s" if code is None else f"failed (code {code})"
            raise StepFailed(f"{name} {why}; see {self.log_path}")
        return seconds

    def _put_in_exchange(self):
        """What the machine must have of this one: the tree, apt's settings and authorities."""
        exchange = self.shared / "exchange"
        shutil.copy(self.bundle, exchange / "sluice.bundle")
        (exchange / "90machine").write_text(apt_machine.carried_settings())
        authorities = exchange / "authorities"
        shutil.rmtree(authorities, ignore_errors=True)
        authorities.mkdir()
        for path in pathlib.Path("/usr/local/share/ca-certificates").glob("**/*.crt"):
            shutil.copy(path, authorities / path.name)


def prepare_script(user):
    """As root, once: the packages to begin with, the machine's authorities, the user."""
    lines = ["set -e", "export DEBIAN_FRONTEND=noninteractive",
             "cp /mnt/exchange/90machine /etc/apt/apt.conf.d/90machine",
             "apt-get update -qq",
             f"apt-get install -y -q --no-install-recommends {' '.join(TO_BEGIN_WITH)}",
             "mkdir -p /usr/local/share/ca-certificates",
             "cp /mnt/exchange/authorities/*.crt /usr/local/share/ca-certificates/ || true",
             "update-ca-certificates >/dev/null",
             "git config --system user.name portability",
             "git config --system user.email portability@localhost"]
    if user != "root":
        lines += [f"useradd --create-home --shell /bin/bash {user}",
                  f"echo '{user} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{user}"]
    return "\n".join(lines)


def run_ports():
    """Ports of scripts/run that are free on this machine, whose network the roots share."""
    return {f"SLUICE_RUN_{name}_PORT": str(free_port()) for name in PORTS}


def make_bundle(tree, path):
    """HEAD of `tree` with its history: what is not committed is not in it."""
    subprocess.run(["git", "bundle", "create", "-q", str(path), "HEAD"], cwd=tree, check=True,
                   timeout=120, env=dict(os.environ, GIT_TERMINAL_PROMPT="0"))
