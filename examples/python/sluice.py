"""A client of Sluice that buys exactly once over a network that fails. See ../README.md."""

import random
import time

import redis

# What the values behind an outcome are.
NAMES = {
    "BUY OK": ("order_id", "remaining", "durability"),
    "BUY SOLDOUT": ("remaining",),
    "BUY LIMIT": ("bought", "order_id"),
    "BUY CANCELLED": ("order_id",),
    "BUY NOTSTARTED": ("start_ms",),
    "BUY ENDED": ("end_ms",),
    "CANCEL OK": ("remaining",),
    "ORDER FOUND": ("order_id", "user", "quantity", "status", "durability"),
    "WAITDB DEADLETTER": ("code", "text"),
}
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


class Undecided(Exception):
    """No answer in time: the outcome is not known. Ask later, with the same REQ."""


class Sluice:
    def __init__(self, host, port, patience_s):
        # No retries of the driver's own: they are in _until_decided(), where REQ makes them safe.
        self._redis = redis.Redis(host=host, port=port, decode_responses=True,
                                  socket_connect_timeout=2, socket_timeout=3)
        self._patience_s = patience_s

    def buy(self, item, user, req):
        return self._until_decided("BUY", item, user, "REQ", req,
                                   inquiry=("ORDER", item, user, "REQ", req))

    def pay(self, item, user, order_id):
        return self._until_decided("PAY", item, user, order_id, "REQ", f"pay-{order_id}")

    def cancel(self, item, user, order_id):
        return self._until_decided("CANCEL", item, user, order_id, "REQ", f"cancel-{order_id}")

    def order(self, item, user, *which):
        """which: an order's id, or "REQ" and the click's."""
        return self._until_decided("ORDER", item, user, *which)

    def wait_for_mysql(self, item, user, order_id, wait_ms):
        """At most two seconds at a time, below the driver's timeout; the caller may ask again."""
        return self._until_decided("WAITDB", item, user, order_id, min(wait_ms, 2000))

    def _until_decided(self, verb, *words, inquiry=None):
        deadline = time.monotonic() + self._patience_s
        pause_s, last = FIRST_PAUSE_S, None
        while time.monotonic() < deadline:
            try:
                return self._ask(verb, *words)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                last = error  # -LOADING is one of them in this driver
            except redis.ResponseError as error:
                last = error
                if str(error).startswith("UNKNOWNSTATE"):
                    if (found := self._found(inquiry)) is not None:
                        return found
                elif not str(error).startswith(("BUSY", "LOADING")):
                    raise
            time.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        raise Undecided(str(last))

    def _found(self, inquiry):
        """The order of a purchase whose outcome was not known; None: ask or buy again."""
        if inquiry is None:
            return None
        try:
            found = self._ask(*inquiry)
        except redis.RedisError:
            return None
        if found["outcome"] != "FOUND":
            return None
        outcome = "CANCELLED" if found["status"] in ("cancelled", "expired") else "OK"
        return {"outcome": outcome, "order_id": found["order_id"]}

    def _ask(self, verb, *words):
        outcome, *values = self._redis.execute_command(f"SECKILL.{verb}", *words)
        return {"outcome": outcome, **dict(zip(NAMES.get(f"{verb} {outcome}", ()), values))}
