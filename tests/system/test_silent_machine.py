"""Redis's machine goes silent, without closing anything: who waits for it is told.

Expected: both a command on a shared connection and one that blocks on its own are answered with an
error after limits.redis_timeout and a few seconds, not after the quarter of an hour that TCP takes
by itself; when the machine is back it is used again.
"""
import os
import pathlib
import subprocess
import sys

import pytest


def test_a_machine_that_has_gone_silent_is_noticed():
    scene = pathlib.Path(__file__).with_name("silent_network.py")
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    tried = subprocess.run([*unshare, "true"], capture_output=True, text=True, timeout=10)
    if tried.returncode != 0:
        pytest.skip(f"no network namespace of its own for this user: {tried.stderr.strip()}")
    run = subprocess.run([*unshare, sys.executable, str(scene)], capture_output=True, text=True,
                         timeout=60)
    assert (run.returncode, run.stdout) == (0, "noticed\n"), run.stderr
