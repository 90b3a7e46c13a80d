"""Free ports that stay free until their server is started, and started again.

They lie below the range from which the kernel takes the ports of outgoing connections: otherwise a
load of many connections could sit on the port of a server that a test has just killed. Suites that
run side by side (scripts/test) take theirs from ranges of their own.
"""

import os
import random
import socket

FIRST, LAST = 10_000, 32_000  # net.ipv4.ip_local_port_range starts at 32768


def _range_of(worker, workers):
    """The ports of one of several pytest-xdist workers, which are called gw0, gw1, …"""
    each = (LAST - FIRST) // int(workers)
    first = FIRST + int(worker.removeprefix("gw")) * each
    return first, first + each - 1


if "PYTEST_XDIST_WORKER" in os.environ:
    FIRST, LAST = _range_of(os.environ["PYTEST_XDIST_WORKER"],
                            os.environ["PYTEST_XDIST_WORKER_COUNT"])

_handed_out = set()
_random = random.Random()


def free_port():
    for _ in range(1000):
        port = _random.randint(FIRST, LAST)
        if port in _handed_out:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")
