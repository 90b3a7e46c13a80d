"""A TCP proxy that does to a connection what networks do: cut, delay, split, swallow, redirect.

It stands between Sluice and Redis (protocol "resp") or Sluice and MySQL (protocol "mysql") and
knows just enough of either to find the n-th request that matches, and the reply that belongs to it;
of protocol "raw" it knows nothing. One thread a connection, which owns both of its sockets.
"""

import re
import select
import socket
import threading
import time

from .ports import free_port

CHUNK = 1 << 16
TICK_S = 0.02  # how soon a connection notices that it was told to end, or to go on

# What happens at the request that a rule was waiting for.
LOSE_REQUEST = "lose request"  # it is not sent, the connection is cut
HALF_REQUEST = "half request"  # half of its bytes are sent, then the connection is cut
SENT = "sent"                  # it is sent, then `then` is called at once, then it is cut
LOSE_REPLY = "lose reply"      # it is sent and answered, the answer is not sent on
HALF_REPLY = "half reply"      # half of the answer's bytes are sent on, then the connection is cut
ACTIONS = (LOSE_REQUEST, HALF_REQUEST, SENT, LOSE_REPLY, HALF_REPLY)


class Rule:
    """The `nth` request that contains `pattern` (counted over all connections) gets `action`."""

    def __init__(self, pattern, action, nth=1, then=None):
        assert action in ACTIONS, action
        self.pattern = re.compile(pattern, re.IGNORECASE | re.DOTALL)
        self.action = action
        self.nth = nth
        self.then = then or (lambda: None)
        self.seen = 0
        self.request = b""  # the one that met it
        self.fired = threading.Event()

    def meets(self, request):
        if self.fired.is_set() or not self.pattern.search(request):
            return False
        self.seen += 1
        if self.seen == self.nth:
            self.request = request
        return self.seen == self.nth

    def wait(self, within_s=20):
        assert self.fired.wait(within_s), f"no {self.pattern.pattern} came {self.nth} times"


class TcpFault:
    """Listens on `port`, forwards to 127.0.0.1:`target`. All methods are for the test's thread."""

    def __init__(self, target, protocol="resp"):
        self.target = target
        self.framing = {"resp": resp_end, "mysql": mysql_end, "raw": len}[protocol]
        self.delay_s = 0.0       # before each chunk, in both directions
        self.one_byte = False    # every byte in a segment of its own
        self.port = free_port()
        self.lock = threading.Lock()
        self.rule = None         # guarded by lock
        self.held = set()        # of "requests", "replies": nothing passes; guarded by lock
        self.generation = 0      # connections of an older one end
        self.refusing = False
        self.closed = False
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def on(self, pattern, action, nth=1, then=None):
        """Arms a Rule, in place of the one before."""
        with self.lock:
            self.rule = Rule(pattern, action, nth, then)
            return self.rule

    def hold(self, *directions):
        """A black hole: connections stay, bytes of these directions (default: both) do not come."""
        with self.lock:  # so that nothing is on its way when this returns
            self.held = set(directions or ("requests", "replies"))

    def release(self):
        self.held = set()

    def cut(self):
        """Ends all connections; new ones are welcome."""
        self.generation += 1

    def refuse(self, refusing=True):
        """New connections are closed at once, as of a server that is not there."""
        self.refusing = refusing

    def switch(self, target):
        """From now on another server is behind this port; old connections end."""
        self.target = target
        self.cut()

    def close(self):
        self.closed = True
        self.cut()
        self.release()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self):
        self._listener.settimeout(TICK_S)
        while not self.closed:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self.refusing:
                client.close()
                continue
            connection = _Connection(self, client)
            thread = threading.Thread(target=connection.run, daemon=True)
            thread.start()
            self._threads.append(thread)


class _Connection:
    """One pair of sockets. Requests and replies are told apart only to find a rule's own ones."""

    def __init__(self, owner, client):
        self.owner = owner
        self.generation = owner.generation
        self.client = client
        self.server = None
        self.requests = b""        # bytes of the client that are no whole request yet
        self.replies = b""         # bytes of the server that are no whole reply yet
        self.unanswered = 0        # requests sent on whose replies have not come
        self.rule = None           # its request was sent; waits for the reply
        self.replies_before = 0    # that come before that reply

    def run(self):
        try:
            self.server = socket.create_connection(("127.0.0.1", self.owner.target), timeout=5)
            for side in (self.client, self.server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                side.settimeout(10)
            while self.generation == self.owner.generation and self._turn():
                pass
        except OSError:
            pass
        finally:
            for side in (self.client, self.server):
                if side is not None:
                    side.close()

    def _turn(self):
        """Waits for bytes and passes them on. False: the connection ends."""
        directions = {self.client: "requests", self.server: "replies"}
        sides = [side for side, name in directions.items() if name not in self.owner.held]
        if not sides:
            time.sleep(TICK_S)
            return True
        for side in select.select(sides, [], [], TICK_S)[0]:
            with self.owner.lock:
                if directions[side] in self.owner.held:
                    continue
                data = side.recv(CHUNK)
            if not data:
                return False
            if self.owner.delay_s:
                time.sleep(self.owner.delay_s)
            if not (self._from_client(data) if side is self.client else self._from_server(data)):
                return False
        return True

    def _from_client(self, data):
        self.requests += data
        while (end := self.owner.framing(self.requests)) > 0:
            request, self.requests = self.requests[:end], self.requests[end:]
            with self.owner.lock:
                rule = self.owner.rule
                met = rule is not None and rule.meets(request)
            if met and not self._met(rule, request):
                return False
            if not met:
                self._send(self.server, request)
            self.unanswered += 1
        return True

    def _met(self, rule, request):
        if rule.action in (LOSE_REPLY, HALF_REPLY):
            self.rule, self.replies_before = rule, self.unanswered
            self._send(self.server, request)
            return True
        sent = {LOSE_REQUEST: 0, HALF_REQUEST: len(request) // 2, SENT: len(request)}[rule.action]
        self._send(self.server, request[:sent])
        self._fire(rule)
        return False

    def _from_server(self, data):
        if self.rule is None and self.unanswered == 0 and not self.replies:
            self._send(self.client, data)  # mysqld's greeting: no request came before it
            return True
        self.replies += data
        while (end := self.owner.framing(self.replies)) > 0:
            reply = self.replies[:end]
            if self.rule is not None and self.replies_before == 0:
                if self.rule.action == HALF_REPLY:
                    self._send(self.client, reply[:end // 2])
                self._fire(self.rule)
                return False
            self.replies = self.replies[end:]
            self._send(self.client, reply)
            self.unanswered = max(0, self.unanswered - 1)
            self.replies_before -= 1
        return True

    def _send(self, side, data):
        step = 1 if self.owner.one_byte else len(data)
        for at in range(0, len(data), max(step, 1)):
            side.sendall(data[at:at + step])

    def _fire(self, rule):
        rule.then()
        rule.fired.set()


def resp_end(data):
    """Where the first whole RESP value of `data` ends; 0: it is not whole yet."""
    end = _resp_value_end(data, 0)
    return max(end, 0)


def _resp_value_end(data, at):
    line_end = data.find(b"\r\n", at)
    if line_end < 0:
        return -1
    kind, rest = data[at:at + 1], data[at + 1:line_end]
    at = line_end + 2
    if kind in b"$=!":
        at += int(rest) + 2 if int(rest) >= 0 else 0
        return at if at <= len(data) else -1
    if kind in b"*~>%":
        for _ in range(int(rest) * (2 if kind == b"%" else 1)):
            at = _resp_value_end(data, at)
            if at < 0:
                return -1
    return at


def mysql_end(data):
    """Where the first whole packet of `data` ends; 0: it is not whole yet.

    The client never sends a request before the last one is answered, and the first packet of an
    answer is enough to know that it was answered.
    """
    if len(data) < 4:
        return 0
    end = 4 + int.from_bytes(data[:3], "little")
    return end if end <= len(data) else 0
