"""A process's wall clock, turned by a preloaded shim: tests/shims/clock.c."""

import pathlib
import struct

from .daemons import BIN

SHIM = BIN.parent / "tests" / "libsluice_clock_shim.so"
SECOND_MS, HOUR_MS, DAY_MS = 1000, 3_600_000, 86_400_000


class Clock:
    """The clock of all processes that are started with its env: now and then it is another time."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.turn(0)

    def of(self, daemon):
        """Becomes the clock of a daemon that is still to be started; returns it."""
        daemon.process.env.update({"LD_PRELOAD": str(SHIM), "SLUICE_CLOCK": str(self.path)})
        return daemon

    def turn(self, ms):
        """Ahead of the machine's by so many milliseconds from now on; behind if negative."""
        if not self.path.exists():
            self.path.write_bytes(bytes(8))
        with open(self.path, "r+b") as file:
            file.write(struct.pack("<q", int(ms)))
