"""Orders and their cancels through two proxies at once, whose journals are drained in any order."""

import itertools
import threading

from .load import RETRY
from .replication import until_rows
from .resp import RespError
from .waiting import until

BUYERS_AT_ONCE = 8
PAUSE_S = 0.02  # between two purchases of each


class Crossing:
    """Everybody buys through one proxy, and every second one cancels through the other at once;
    until it is ended."""

    def __init__(self, proxies):
        self.orders = {}  # user → (order id, cancelled)
        self._ended = threading.Event()
        self._errors = []
        self._threads = [threading.Thread(target=self._run, args=(proxies, k), daemon=True)
                         for k in range(BUYERS_AT_ONCE)]
        for thread in self._threads:
            thread.start()

    def _run(self, proxies, k):
        try:
            front, back = proxies[k % 2].client(), proxies[1 - k % 2].client()
            for n in itertools.count():
                user = f"u{k}-{n}"
                order = int(answer(front, "SECKILL.BUY", "phone", user, "REQ", "r")[1])
                cancelled = n % 2 == 0
                if cancelled:
                    answer(back, "SECKILL.CANCEL", "phone", user, order)
                self.orders[user] = (order, cancelled)
                if self._ended.wait(PAUSE_S):
                    return
        except Exception as error:  # told by finish(), in the main thread
            self._errors.append(repr(error))

    def finish(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not self._errors, self._errors
        return self.orders


def answer(client, *words):
    """What is told once the proxy does not ask to ask again."""
    def answered():
        reply = client(*words)
        again = isinstance(reply, RespError) and reply.prefix in RETRY
        return None if again else reply
    reply = until(answered, 30, f"an answer to {words}")
    assert reply[0] == "OK", (words, reply)
    return reply


def check_crossed(database, orders):
    """Every order once, with its status, and the items row adds up."""
    until_rows(database, len(orders), within_s=60)
    until(lambda: database.one("SELECT COUNT(*) FROM sluice_early_change") == (0,), 30,
          "no cancel waits")
    cancelled = {order for order, is_cancelled in orders.values() if is_cancelled}
    until(lambda: database.one("SELECT COUNT(*) FROM orders WHERE status = 'cancelled'")
          == (len(cancelled),), 30, "all cancels")
    rows = dict(database.query("SELECT order_id, status FROM orders"))
    assert rows == {order: "cancelled" if order in cancelled else "placed"
                    for order, _ in orders.values()}
    assert database.one("SELECT sold FROM items") == (len(orders) - len(cancelled),)
    assert database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (0,)
