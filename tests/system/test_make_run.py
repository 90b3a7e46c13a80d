"""`make run`, the first thing that a newcomer sees: scripts/run from its first line to Ctrl-C."""

import os
import re
import runpy
import signal
import socket
import subprocess

import pytest
import redis as redis_py

from harness import daemons, sql_program
from harness.ports import free_port
from harness.process import Process
from harness.waiting import until

NAMES = ("PROXY", "PROXY_ADMIN", "FLUSHER_ADMIN", "REDIS", "MYSQL")
DEMONSTRATION_WITHIN_S = 90


@pytest.fixture
def run(lab):
    """Makes a Process of scripts/run with ports and a data folder of its own."""
    if daemons.BIN != daemons.ROOT / "build" / "bin":
        pytest.skip("scripts/run builds and runs the default build only")
    if not sql_program.IS_MARIADB:
        pytest.skip("scripts/run starts a MariaDB")
    ports = {name: free_port() for name in NAMES}
    environment = {f"SLUICE_RUN_{name}_PORT": str(port) for name, port in ports.items()}
    environment["SLUICE_RUN_DIR"] = str(lab.folder / "var")

    def make(once):
        process = Process("run", [daemons.ROOT / "scripts" / "run"], lab.folder / "run.log",
                          env=dict(environment, SLUICE_RUN_ONCE="1" if once else ""))
        lab.processes.append(process)
        process.log_path.unlink(missing_ok=True)
        return process

    make.ports = ports
    return make


def all_free(ports):
    for port in ports.values():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


def test_it_plays_a_sale_shows_its_orders_and_can_be_run_again(lab, run):
    """Twice with the same data folder: each time 1,000 orders in MySQL; nothing is left running."""
    for _ in range(2):
        process = run(once=True).start()
        assert process.wait(DEMONSTRATION_WITHIN_S) == 0, process.log_tail()
        shown = process.log()
        assert re.search(r"^build: (everything is up to date|\d+ steps in \d+:\d\d minutes)$",
                         shown, re.MULTILINE), shown
        assert "Building CXX object" not in shown
        assert "| orders | buyers | units |" in shown
        assert "|   1000 |   1000 |  1000 |" in shown, shown
        assert "mariadb --no-defaults --protocol=tcp" in shown
        assert all_free(run.ports)


def test_it_builds_what_it_starts_and_no_test():
    """The commands behind its three targets: the sources of those programs and nothing else."""
    folder = daemons.BIN.parent
    if not (folder / "build.ninja").exists():
        pytest.skip("this folder was not made by scripts/build, which configures for Ninja")
    built = sources(folder, *runpy.run_path(str(daemons.ROOT / "scripts" / "run"))["PROGRAMS"])
    assert {"proxy/main.cc", "flusher/main.cc", "bench/main.cc"} <= built
    others = ("tests/", "fuzz/", "ctl/", "bench/micro/")
    assert [path for path in built if path.startswith(others)] == []


def sources(folder, *targets):
    """The sources of ours that Ninja compiles for them, relative to the tree."""
    commands = subprocess.run(["ninja", "-C", folder, "-t", "commands", *targets], check=True,
                              stdout=subprocess.PIPE, text=True, timeout=60).stdout
    return {path.removeprefix(f"{daemons.ROOT}/")
            for path in re.findall(r" -c (\S+\.cc)$", commands, re.MULTILINE)
            if not path.startswith(str(folder))}


def test_it_stays_ready_until_ctrl_c_and_then_stops_everything(lab, run):
    """After the demonstration the proxy can be used; SIGINT ends all of it, exit 0."""
    process = run(once=False).start()
    until(lambda: not process.alive() or "Sluice is ready" in process.log(),
          DEMONSTRATION_WITHIN_S, "the invitation", every_s=0.1)
    assert process.alive(), process.log_tail()
    driver = redis_py.Redis(port=run.ports["PROXY"], decode_responses=True)
    assert driver.execute_command("SECKILL.CREATE", "cap", "STOCK", 3) == "OK"
    assert driver.execute_command("SECKILL.BUY", "cap", "ann")[0] == "OK"
    driver.close()
    process.send(signal.SIGINT)
    assert process.wait(60) == 0, process.log_tail()
    assert all_free(run.ports)


def test_a_server_that_dies_ends_the_run_with_its_log(lab, run):
    """redis-server is killed under it: exit 1, the name of what ended, and nothing left running."""
    process = run(once=False).start()
    until(lambda: not process.alive() or "Sluice is ready" in process.log(),
          DEMONSTRATION_WITHIN_S, "the invitation", every_s=0.1)
    redis = redis_py.Redis(port=run.ports["REDIS"])
    os.kill(redis.info()["process_id"], signal.SIGKILL)
    assert process.wait(90) == 1
    assert "redis-server ended with code -9" in process.log()
    assert all_free(run.ports)


def test_a_busy_port_is_named_with_what_to_do(lab, run):
    """Before anything is built or started: exit 1, the port, and how to choose another one."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", run.ports["REDIS"]))
        other.listen()
        process = run(once=True).start()
        assert process.wait(30) == 1
    assert f"port {run.ports['REDIS']} (redis) is taken" in process.log()
    assert "SLUICE_RUN_REDIS_PORT=" in process.log()
    assert "building" not in process.log()
