"""A reply never reaches the wrong client, whatever happens to the connections to Redis.

1,000 clients pipeline ECHOs of values that nobody else sends, over every kind of connection that
the proxy has to Redis: shared ones of both protocols and of two databases, and ones of their own
for transactions and blocking commands. Meanwhile Redis cuts all of them hundreds of times, also
within a reply.
Expected: each client gets its own values in its own order, or an error that says so, or its
connection ends; and once Redis leaves the connections alone, every client is served again.
"""
import collections
import pathlib
import random
import resource
import selectors
import socket
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from harness.tcp_fault import resp_end  # noqa: E402
from passthrough_fixture import Stack, command  # noqa: E402

CLIENTS = 1000
CUTS = 300
CUT_EVERY_S = 0.02
WINDOW = 6     # replies due to each client
REST_S = 0.05  # after an error, as a client that backs off
WITHIN_S = 120
ERRORS = (b"-ERR Sluice: ", b"-EXECABORT ")


def bulk(value):
    return b"$%d\r\n%b\r\n" % (len(value), value)


class Echoes:
    """One client; connects again when its connection ends."""

    def __init__(self, number, port, rng):
        self.number, self.port, self.rng = number, port, rng
        self.commands = [
            self.echo, self.echo, self.echo, self.transaction, self.blocking][number % 5]
        self.greeting = {1: ("HELLO", 3), 2: ("SELECT", 1)}.get(number % 5)
        self.sequence = self.right = self.errors = self.ends = 0
        self.rests_until = 0.0
        self.socket = None

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), 10)
        self.socket.setblocking(False)
        self.received = self.unsent = b""
        self.due = collections.deque()  # what each reply must be; a function judges it
        if self.greeting:
            self.unsent += command(*self.greeting)
            self.due.append(lambda reply: reply[:1] in b"%+")
        self.send_more()

    def value(self):
        self.sequence += 1
        value = b"%d:%d:" % (self.number, self.sequence)
        if self.rng.random() < 0.02:
            value += b"x" * 100_000  # longer than what a socket takes at once: cut in the middle
        return value

    def echo(self):
        value = self.value()
        self.unsent += command("ECHO", value)
        self.due.append(bulk(value).__eq__)

    def transaction(self):
        value = self.value()
        self.unsent += command("MULTI") + command("ECHO", value) + command("EXEC")
        self.due += [b"+OK\r\n".__eq__, b"+QUEUED\r\n".__eq__, (b"*1\r\n" + bulk(value)).__eq__]

    def blocking(self):
        """A push whose reply was lost may have happened: then an older value comes, or several."""
        name = b"queue%d" % self.number
        own = b"*2\r\n" + bulk(name)
        self.unsent += command("RPUSH", name, self.value()) + command("BLPOP", name, 1)
        self.due += [lambda reply: reply.startswith(b":"),
                     lambda reply: reply == b"*-1\r\n" or (
                         reply.startswith(own) and b"\r\n%d:" % self.number in reply[len(own):])]

    def send_more(self):
        while len(self.due) < WINDOW:
            self.commands()
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent):]
        except (BlockingIOError, ConnectionError):
            pass  # a connection that has ended shows when it is read

    def readable(self):
        """False: the connection has ended."""
        try:
            data = self.socket.recv(1 << 18)
            self.received += data
            while (end := resp_end(self.received)) > 0:
                self.judge(self.received[:end])
                self.received = self.received[end:]
            if self.rests_until == 0:
                self.send_more()
        except ConnectionError:
            data = b""
        self.ends += not data
        return bool(data)

    def judge(self, reply):
        right = self.due.popleft()(reply)
        assert right or reply.startswith(ERRORS), f"client {self.number} gets {reply!r:.200}"
        self.right += right
        if not right:
            self.errors += 1
            self.rests_until = time.monotonic() + REST_S

    def wake(self, now):
        if 0 < self.rests_until < now:
            self.rests_until = 0
            self.send_more()


@pytest.fixture
def descriptors():
    """For as many connections; an ordinary user may have 1,024 until he asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CLIENTS
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this user may open no more than {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def serve(selector, seconds=0.005):
    for key, _ in selector.select(seconds):
        client = key.data
        if not client.readable():
            selector.unregister(client.socket)
            client.socket.close()
            client.connect()
            selector.register(client.socket, selectors.EVENT_READ, client)
    now = time.monotonic()
    for key in selector.get_map().values():
        key.data.wake(now)


def test_a_thousand_clients_get_their_own_replies_while_redis_cuts_the_connections(
        descriptors):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    stack = Stack(sets=["limits.pinned_connections=1000"])
    clients = [Echoes(number, stack.port, rng) for number in range(CLIENTS)]
    with selectors.DefaultSelector() as selector:
        try:
            for client in clients:
                client.connect()
                selector.register(client.socket, selectors.EVENT_READ, client)
            cut_connections(stack, selector)
            before = [client.right for client in clients]
            end = time.monotonic() + WITHIN_S
            while any(client.right == old for client, old in zip(clients, before)):
                assert time.monotonic() < end, "not every client is served again"
                serve(selector)
            totals = {name: sum(getattr(client, name) for client in clients)
                      for name in ("right", "errors", "ends")}
            print(totals)
            # Had it not seen all three, the cuts would have met nobody.
            assert totals["right"] > 20_000 and totals["errors"] > 1000 and totals["ends"] > 0
        finally:
            for client in clients:
                if client.socket:
                    client.socket.close()
            assert stack.stop() == 0


def cut_connections(stack, selector):
    killer = stack.direct()
    end = time.monotonic() + WITHIN_S
    cuts, next_cut = 0, time.monotonic()
    while cuts < CUTS:
        assert time.monotonic() < end, f"only {cuts} cuts"
        serve(selector)
        if time.monotonic() > next_cut:
            cuts += killer.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") != b":0\r\n"
            next_cut = time.monotonic() + CUT_EVERY_S
    killer.close()
