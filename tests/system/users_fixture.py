"""A proxy with a users file, and a Redis that was given the same file to compare it with."""
import itertools
import os
import socket
import subprocess

from passthrough_fixture import Raw, Stack, accepts, free_port, wait_for

FILE = """\
user default off
user admin on >adm1n ~* &* +@all
user reader on >r3ad ~app:* %R~ro:* %W~wo:* &news.* +@read +@write +@connection +@pubsub \
+@transaction +@blocking +config|get +select|0
user shop on #9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 ~shoe* +get
user limited on >l1m ~* &* +@all -@dangerous -get -config +config|get -exec
user parts on nopass +get +ping ~a* (+set ~b*) (%W~c:* +del +mset) (&only +subscribe)
user gone off >g0ne ~* &* +@all
"""
PASSWORDS = {"admin": "adm1n", "reader": "r3ad", "shop": "test", "limited": "l1m", "parts": "x",
             "gone": "g0ne"}
# Words that only the proxy knows; added to the proxy's file, not to Redis's.
SALE = {"user shop on": "+@purchase", "user reader on": "+seckill.stock"}


def with_sale_rules(text):
    lines = []
    for line in text.splitlines():
        for start, rule in SALE.items():
            if line.startswith(start):
                line += " " + rule
        lines.append(line)
    return "\n".join(lines) + "\n"


class From(Raw):
    """A connection from a loopback address of its own, or from `source`."""

    _number = itertools.count(2)

    def __init__(self, port, source=None):
        number = next(self._number)
        source = source or f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self.socket = socket.create_connection(("127.0.0.1", port), 5, source_address=(source, 0))
        self.socket.settimeout(10)
        self.buffer = b""


class UsersStack(Stack):
    """`reference()` is a Redis with the users as its own, `via()` the proxy: each time from another
    address, so that what one test does wrong slows down no other."""

    def via(self, source=None):
        return From(self.port, source)

    def __init__(self, text=FILE, **kwargs):
        self.reference_redis = None
        self.file = os.path.join("/tmp", f"sluice-users-{os.getpid()}-{free_port()}.acl")
        self.write(text)
        self.reference_text = text
        kwargs["sets"] = [*kwargs.get("sets", ()), f"auth.users_file={self.file}"]
        super().__init__(**kwargs)

    def write(self, text):
        with open(self.file, "w") as file:
            file.write(with_sale_rules(text))

    def reference(self):
        if self.reference_redis is None:
            path = os.path.join(self.dir, "reference.acl")
            with open(path, "w") as file:
                file.write(self.reference_text)
            self.reference_port = free_port()
            self.reference_redis = subprocess.Popen(
                ["redis-server", "--port", str(self.reference_port), "--save", "", "--dir",
                 self.dir, "--aclfile", path], stdout=subprocess.DEVNULL)
            wait_for(lambda: accepts(self.reference_port), "the reference Redis accepts")
        return Raw(self.reference_port)

    def login(self, user, where=None):
        connection = (where or self.via)()
        reply = connection.ask("AUTH", user, PASSWORDS[user])
        assert reply == b"+OK\r\n", reply
        return connection

    def stop(self):
        if self.reference_redis is not None:
            self.reference_redis.kill()
            self.reference_redis.wait()
        code = super().stop()
        os.unlink(self.file)
        return code
