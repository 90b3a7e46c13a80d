"""What a service manager hears from the daemons, and the units that are packaged for systemd."""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

from harness.daemons import BIN, ROOT, run
from harness.lab import HOLD
from harness.sql_server import Database
from harness.waiting import until

UNITS = pathlib.Path(ROOT, "packaging", "systemd")
EXPOSURE_MAX = 1.5  # of 10, as systemd-analyze security counts
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Manager:
    """The datagrams that a daemon has sent so far."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.words = []

    def supervise(self, daemon, watchdog_s=None):
        daemon.process.env["NOTIFY_SOCKET"] = self.path
        if watchdog_s:
            daemon.process.env["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))

    def heard(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.words.append(self.socket.recv(65536).decode())
        return self.words

    def wait(self, pattern, what):
        """The first datagram from now on, or not looked at yet, that the pattern fits."""
        def found():
            for index, word in enumerate(self.heard()):
                if re.search(pattern, word):
                    del self.words[:index + 1]
                    return word
            return None
        return until(found, 15, f"{what}: {pattern}")


@pytest.fixture
def manager(tmp_path):
    return Manager(tmp_path / "notify")


def test_the_proxy_tells_its_state_and_its_backlog(lab, manager):
    """READY once clients are accepted; STATUS with what it does and what MySQL lacks; RELOADING and
    READY around SIGHUP; STOPPING at the end."""
    redis, database = lab.redis(), lab.database()
    flusher = lab.flusher(database, start=False, **HOLD)
    proxy = lab.proxy(redis, start=False, flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    manager.supervise(proxy)
    proxy.process.start()
    manager.wait("^READY=1$", "ready")
    with proxy.client() as client:  # at once
        assert client("PING") == "PONG"
        flusher.start()
        until(lambda: client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK", 10, "it sells")
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
        manager.wait(r"^STATUS=selling; 2 records not in MySQL yet \(HOLDING\)", "backlog")
        assert client("SECKILL.PAUSE", "INTAKE") == "OK"
        manager.wait("^STATUS=not selling: the intake is paused by an op.*; 2 records", "paused")
        assert client("SECKILL.RESUME", "INTAKE") == "OK"
        redis.process.kill()
        manager.wait("^STATUS=not selling: .*Redis", "Redis is away")
    proxy.process.send(signal.SIGHUP)
    manager.wait("^RELOADING=1\nMONOTONIC_USEC=[0-9]+$", "reloading")
    manager.wait("^READY=1$", "reloaded")
    proxy.process.send(signal.SIGTERM)
    manager.wait("^STOPPING=1$", "stopping")
    assert proxy.process.wait(15) == 0


def test_the_flusher_tells_its_state_and_its_backlog(lab, manager):
    """The same of the flusher, whether MySQL is there or not."""
    server = lab.sql_server()
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(Database(server, "shop").create(), start=False)
    manager.supervise(flusher, watchdog_s=2)
    flusher.process.start()
    manager.wait("^READY=1$", "ready")
    manager.wait("^STATUS=IDLE: nothing to drain; 0 records", "idle")
    server.kill()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    manager.wait("^STATUS=BLOCKED: .*; 1 records not in MySQL yet", "blocked")
    manager.wait("^WATCHDOG=1$", "waiting for MySQL is progress")
    flusher.process.send(signal.SIGHUP)
    manager.wait("^RELOADING=1", "reloading")
    manager.wait("^READY=1$", "reloaded")
    assert flusher.stop() == 0
    manager.wait("^STOPPING=1$", "stopping")


def running_ns(pid):
    """{thread: nanoseconds that it has run}"""
    threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return {int(t.name): int((t / "schedstat").read_text().split()[0]) for t in threads}


@contextlib.contextmanager
def held_up(thread):
    """One thread of a child process stands still; the others go on."""
    if libc.ptrace(PTRACE_ATTACH, thread, None, None) != 0:
        pytest.skip(f"ptrace: {os.strerror(ctypes.get_errno())}; a thread cannot be held up here")
    os.waitpid(thread, 0x40000000)  # __WALL
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, thread, None, None)


def test_the_watchdog_of_a_proxy_whose_io_thread_hangs_is_not_fed(lab, manager):
    """A timer would tick on: here one thread hangs and all others run."""
    proxy = lab.proxy(lab.redis(), start=False, proxy__io_threads=1)
    manager.supervise(proxy, watchdog_s=0.4)
    proxy.start()
    manager.wait("^WATCHDOG=1$", "fed")
    with proxy.client() as client:
        before = running_ns(proxy.process.pid)
        for _ in range(100):
            client.pipeline([("PING",)] * 100)
        after = running_ns(proxy.process.pid)
    busiest = max(before, key=lambda thread: after.get(thread, 0) - before[thread])
    with held_up(busiest):
        assert proxy.get("/healthz").status == 200  # another thread answers
        manager.heard()
        manager.words.clear()
        with pytest.raises(AssertionError):  # the first may have been on its way
            until(lambda: manager.heard().count("WATCHDOG=1") > 1, 0.8, "fed")
    manager.wait("^WATCHDOG=1$", "fed again")


def test_logs_as_json_are_an_object_a_line(lab):
    """log.format of both, from the first line that they log to the last."""
    _, _, proxy, flusher = lab.stack(proxy={"log__format": "json"}, flusher={"log__format": "json"})
    for daemon in (flusher, proxy):
        assert daemon.stop() == 0
        lines = [json.loads(line) for line in daemon.process.log().splitlines()]
        assert {line["program"] for line in lines} == {daemon.program}
        assert all(set(line) == {"time", "level", "program", "message"} for line in lines)
        assert any("stopping" in line["message"] for line in lines)


# ---- The units.

def program(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (scripts/deps.sh)")
    return name


def test_the_units_are_what_systemd_understands(tmp_path):
    """systemd-analyze verify, with the programs of this build in the place of those in /usr/bin."""
    program("systemd-analyze")
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/sluice-", f"{BIN}/sluice-")
        (tmp_path / unit.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    assert len(units) == 3
    verify = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]
    done = subprocess.run([*verify, *units], capture_output=True, text=True, timeout=60)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "sluice" in line]
    assert done.returncode == 0 and ours == [], done.stderr
    broken = tmp_path / "sluice-proxy.service"
    broken.write_text(broken.read_text().replace("Type=notify", "Typ=notify"))
    done = subprocess.run([*verify, *units], capture_output=True, text=True, timeout=60)
    assert "Typ" in done.stderr  # it does look


@pytest.mark.parametrize("unit", ["sluice-proxy.service", "sluice-flusher.service"])
def test_a_unit_gives_little_away(unit):
    """The score of systemd-analyze security, which is printed."""
    program("systemd-analyze")
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                           str(UNITS / unit)], capture_output=True, text=True, timeout=60)
    score = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert score, done.stderr
    print(f"{unit}: exposure {score[1]}")
    assert float(score[1]) <= EXPOSURE_MAX, done.stdout


def test_the_units_fit_the_daemons():
    """Their options exist, and the socket's address is the default of listen.address."""
    for name in ("proxy", "flusher"):
        unit = (UNITS / f"sluice-{name}.service").read_text()
        words = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1].split()
        assert words[0] == f"/usr/bin/sluice-{name}" and (BIN / f"sluice-{name}").exists()
        usage = run(f"sluice-{name}", "--help").stdout
        assert all(word in usage for word in words if word.startswith("--"))
        assert "Type=notify" in unit and "WatchdogSec=" in unit and "StateDirectory=sluice" in unit
    listen = (UNITS / "sluice-proxy.socket").read_text()
    address = re.search(r"^ListenStream=(.*)$", listen, re.MULTILINE)[1]
    assert f'\naddress = "{address}"\n' in pathlib.Path(ROOT, "conf/proxy.toml").read_text()
