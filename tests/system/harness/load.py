"""Many buyers over many connections, each request asked again until it has an answer.

A request is asked with its REQ id, so asking again after a broken connection is what a real client
does. What a buyer was told is kept; the tests compare it with what MySQL holds.
"""

import random
import threading
import time

from .resp import Client, RespError, encode

# Errors that say "nothing happened, or nobody knows yet: ask again".
RETRY = ("LOADING", "BUSY", "UNKNOWNSTATE", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN")


class Request:
    __slots__ = ("user", "req", "words", "reply")

    def __init__(self, item, user, req, *more):
        self.user = user
        self.req = req
        self.words = ("SECKILL.BUY", item, user, "REQ", req, *more)
        self.reply = None


class Gate:
    """Lets requests through in portions, so that a test decides what is under way when it kills.

    grant(n) lets n more pass; open() lets all pass from then on.
    """

    def __init__(self, is_open):
        self._changed = threading.Condition()
        self._left = 0
        self._open = is_open

    def grant(self, n):
        with self._changed:
            self._left += n
            self._changed.notify_all()

    def open(self):
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def take(self, wanted, stopped):
        """Up to `wanted` passes, at least one; 0 if stopped() turned true while waiting."""
        with self._changed:
            while not self._open and self._left == 0:
                if stopped():
                    return 0
                self._changed.wait(0.1)
            if self._open:
                return wanted
            taken = min(wanted, self._left)
            self._left -= taken
            return taken


class Load:
    """requests: dealt out to `connections` in the given order, `window` in flight on each."""

    def __init__(self, port, requests, connections=64, window=8, gate=None, seed=1):
        self.port = port
        self.requests = requests
        self.window = window
        self.gate = gate or Gate(is_open=True)
        self.errors = {}          # text of an unexpected error → count
        self.retries = 0          # requests asked again
        self.broken = 0           # connections that broke
        self._lock = threading.Lock()
        self._stopped = False
        self._seed = seed
        self._threads = [
            threading.Thread(target=self._run, args=(requests[i::connections], i), daemon=True)
            for i in range(connections)]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def accepted(self):
        """How many requests have been answered OK so far."""
        return sum(1 for request in self.requests if _outcome(request) == "OK")

    def finish(self, within_s):
        """Waits until every request has an answer; the load itself."""
        self.gate.open()
        deadline = time.monotonic() + within_s
        try:
            for thread in self._threads:
                thread.join(max(0.01, deadline - time.monotonic()))
                assert not thread.is_alive(), (
                    f"not answered within {within_s} s: {self.unanswered()} of "
                    f"{len(self.requests)}; errors {self.errors}")
        finally:
            self._stopped = True
        return self

    def unanswered(self):
        return sum(1 for request in self.requests if request.reply is None)

    def outcomes(self):
        """{"OK": n, "SOLDOUT": n, …}"""
        counts = {}
        for request in self.requests:
            outcome = _outcome(request)
            counts[outcome] = counts.get(outcome, 0) + 1
        return counts

    def order_ids(self):
        """{(user, req): {every order_id that was acknowledged for it}}"""
        ids = {}
        for request in self.requests:
            if _outcome(request) == "OK":
                ids.setdefault((request.user, request.req), set()).add(int(request.reply[1]))
        return ids

    def _run(self, waiting, number):
        chance = random.Random(self._seed * 1000 + number)
        waiting = list(reversed(waiting))  # the next one is at the end
        client = None
        while waiting and not self._stopped:
            count = self.gate.take(min(self.window, len(waiting)), lambda: self._stopped)
            portion = [waiting.pop() for _ in range(count)]
            while portion and not self._stopped:
                try:
                    client = client or Client(self.port, timeout_s=10)
                    portion = self._ask(client, portion)
                    again = bool(portion)
                except (OSError, EOFError):
                    client = _closed(client)
                    again = True
                    with self._lock:
                        self.broken += 1
                portion = [request for request in portion if request.reply is None]
                if again and portion:
                    with self._lock:
                        self.retries += len(portion)
                    time.sleep(chance.uniform(0.005, 0.03))  # a client's back-off
        _closed(client)

    def _ask(self, client, portion):
        """One pipeline; the requests that must be asked again."""
        client.send_raw(b"".join(_encoded(request) for request in portion))
        for request in portion:
            reply = client.read()
            if not isinstance(reply, RespError):
                request.reply = reply
            elif reply.prefix not in RETRY:
                with self._lock:
                    self.errors[reply.text] = self.errors.get(reply.text, 0) + 1
        return [request for request in portion if request.reply is None]


def _encoded(request):
    return encode(*request.words)


def _outcome(request):
    reply = request.reply
    return reply[0] if isinstance(reply, list) and reply else repr(reply)


def _closed(client):
    if client is not None:
        try:
            client.close()
        except OSError:
            pass
    return None


def buyers_asking_twice(item, buyers, seed):
    """Two requests with the same REQ for each buyer, far apart and on different connections."""
    first = [Request(item, f"u{n}", f"r{n}") for n in range(buyers)]
    second = [Request(item, f"u{n}", f"r{n}") for n in range(buyers)]
    random.Random(seed).shuffle(first)
    random.Random(seed + 1).shuffle(second)
    mixed = []
    # Two streams, the second one a little behind, so that many pairs are in flight together.
    for n in range(buyers + 200):
        if n < buyers:
            mixed.append(first[n])
        if n >= 200:
            mixed.append(second[n - 200])
    return mixed


def start_sale(proxy, stock, buyers, gate=None):
    """More buyers than stock, one unit each: a Load on the item `phone`, under way."""
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", stock, "LIMIT", 1) == "OK"
    return Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(buyers)],
                window=4, gate=gate).start()
