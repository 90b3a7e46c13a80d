"""Free ports that stay free until their server is started, and started again.

They lie below the range from which the kernel takes the ports of outgoing connections: otherwise a
load of many connections could sit on the port of a server that a test has just killed.
"""

import random
import socket

FIRST, LAST = 10_000, 32_000  # net.ipv4.ip_local_port_range starts at 32768

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
