"""Places in the daemons at which they kill themselves (SLUICE_FAILPOINT), for the restarts of a
torture: what a signal from outside would rarely hit."""

import os
import re
import subprocess

from harness.daemons import BIN

VARIABLE = "SLUICE_FAILPOINT"
COUNTS = (1, 1, 2, 3, 10, 50, 300)
# Which daemon passes a point: the first word of its name.
OF_FLUSHER = ("flush", "janitor", "compact")
LINE = re.compile(r"^\s+([a-z]+)(\.[a-z-]+)\s.*?(\(error\))?$", re.MULTILINE)


class Failpoints:
    """The names that the built daemons know; none if they were built before there were any."""

    def __init__(self):
        # --version: a daemon without failpoints ignores the variable, and must not start to serve.
        done = subprocess.run([str(BIN / "sluice-proxy"), "--version"],
                              env=dict(os.environ, **{VARIABLE: "list"}), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=20)
        self._of = {"proxy": [], "flusher": []}
        for first, rest, may_fail in LINE.findall(done.stdout):
            self._of["flusher" if first in OF_FLUSHER else "proxy"].append(
                (first + rest, bool(may_fail)))

    def names(self):
        return sorted(name for rows in self._of.values() for name, _ in rows)

    def draw(self, chance, program, hit):
        """A value for the variable, e.g. "gate.import:1"; None if there are no failpoints. Names
        that are not in `hit` come first: half of the draws are among them."""
        rows = self._of[program]
        if not rows:
            return None
        new = [row for row in rows if row[0] not in hit]
        name, may_fail = chance.choice(new if new and chance.random() < 0.5 else rows)
        error = ":error" if may_fail and chance.random() < 0.25 else ""
        return f"{name}:{chance.choice(COUNTS)}{error}"
