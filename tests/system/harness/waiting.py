"""Bounded waiting for a condition; no test sleeps for luck."""

import time


class TimedOut(AssertionError):
    pass


def until(condition, within_s, what="the condition", every_s=0.01):
    """Calls `condition` until it returns something true, which is returned.

    Raises TimedOut after `within_s`, naming `what` and the last value (or exception) seen. A
    connection that is refused or reset counts as "not yet".
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            seen = condition()
            if seen:
                return seen
        except (OSError, EOFError) as error:
            seen = error
        if time.monotonic() > deadline:
            raise TimedOut(f"{what} did not come within {within_s} s; last seen: {seen!r}")
        time.sleep(every_s)
