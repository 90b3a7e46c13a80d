"""One client's whole session: a list of commands, and the bytes that it sends for them."""

import random

from . import commands, connection, scripts
from .values import Values

# In a transaction the connection itself stays as it is.
NOT_IN_MULTI = {b"debug", b"watch"}


class Stream:
    """`commands` commands drawn from `seed`.

    shared=True: others run beside it on the same Redis, so all that it touches begins with a name
    of its own, and it does not look at what belongs to all.
    one_reply=True: only commands with exactly one reply, for a client that waits for each.
    """

    def __init__(self, seed, length, shared=False, one_reply=False):
        self.rng = random.Random(seed)
        self.prefix = b"%d:" % seed if shared else b""
        self.values = Values(self.rng, self.prefix)
        self.commands = []
        self.protocol = 2
        self.tracked = False
        episodes = [self.plain] * 30 + [self.transaction] * 4 + [self.scripting] * 5 + [
            self.blocking, self.select, self.names, self.hello, self.reset]
        if not one_reply:
            episodes += [self.subscriber, self.silence, self.tracking, self.odd_transaction,
                         self.odd_subscriber]
        if not shared:
            episodes += [self.whole_keyspace] * 3
        while len(self.commands) < length:
            self.rng.choice(episodes)()
        # Whatever state the last episode left, this command is answered.
        self.end = b"end of stream %d" % seed
        self.add(("DISCARD",), ("CLIENT", "REPLY", "ON"), ("RESET",), ("ECHO", self.end))

    def add(self, *lines):
        self.commands += lines

    def plain(self):
        self.add(*(commands.plain(self.values) for _ in range(self.rng.randrange(1, 20))))

    def scripting(self):
        self.add(*(scripts.script(self.values) for _ in range(3)),
                 *(scripts.function(self.values) for _ in range(2)))

    def blocking(self):
        self.add(commands.blocking(self.values))

    def transaction(self):
        if self.rng.random() < 0.3:
            self.add(("WATCH", *self.values.keys("s")), commands.strings(self.values))
        self.add(("MULTI",))
        for _ in range(self.rng.randrange(8)):
            line = self.rng.choice([commands.plain, commands.plain, commands.blocking,
                                    scripts.script])(self.values)
            if name_of(line) not in NOT_IN_MULTI:
                self.add(line)
        ending = self.rng.random()
        if ending < 0.1:
            self.add(("MULTI",), ("EXEC", "x"))
        self.add(("DISCARD",) if 0.1 < ending < 0.25 else ("EXEC",))
        if ending > 0.9:
            self.add(("UNWATCH",))

    def select(self):
        self.add(("SELECT", self.rng.randrange(16)))

    def names(self):
        self.add(("CLIENT", "SETNAME", self.rng.choice(["me", "a b", ""])), ("CLIENT", "GETNAME"))

    def silence(self):
        """Commands whose replies the client does not want; they count all the same."""
        if self.rng.random() < 0.5:
            self.add(("CLIENT", "REPLY", "SKIP"), commands.plain(self.values))
        else:
            self.add(("CLIENT", "REPLY", "OFF"), *(commands.plain(self.values) for _ in range(3)),
                     ("CLIENT", "REPLY", "SKIP"), ("CLIENT", "REPLY", "ON"))

    def subscriber(self):
        channel, pattern = self.prefix + b"news", self.prefix + b"n*"
        self.add(("SUBSCRIBE", channel, self.prefix + b"other"), ("PSUBSCRIBE", pattern),
                 ("SSUBSCRIBE", channel), ("PING", "x"), ("PING",), commands.plain(self.values),
                 ("PUBLISH", channel, self.values.value()), ("UNSUBSCRIBE", channel),
                 ("SPUBLISH", channel, self.values.value()), ("SUNSUBSCRIBE",))
        if self.rng.random() < 0.3:
            self.reset()
        else:
            self.add(("UNSUBSCRIBE",), ("PUNSUBSCRIBE", pattern), ("UNSUBSCRIBE",))

    def tracking(self):
        """Invalidation messages of its own writes come at the same place in the stream.

        Once: Redis remembers for whom it tracked a key, even after RESET, by the connection's
        number, and a connection through Sluice is another one to Redis after RESET.
        """
        if self.protocol == 3 and not self.tracked:
            self.tracked = True
            self.add(("CLIENT", "TRACKING", "ON", *self.values.some("NOLOOP")),
                     *(commands.strings(self.values) for _ in range(8)),
                     ("CLIENT", "TRACKING", "OFF"))

    def hello(self):
        self.protocol = self.rng.choice([2, 3, 3])
        self.add(("HELLO", self.protocol, *self.rng.choice([(), ("SETNAME", "me")])))

    def reset(self):
        self.protocol = 2
        self.add(("RESET",))
        if self.rng.random() < 0.7:
            self.hello()

    def odd_transaction(self):
        self.add(*connection.transaction(self.values, self.some_plain))
        self.hello()

    def odd_subscriber(self):
        self.add(*connection.subscriber(self.values, self.some_plain))
        self.protocol = 2
        if self.rng.random() < 0.1:
            self.add(*connection.large(self.values))
        self.hello()

    def some_plain(self):
        return commands.plain(self.values)

    def whole_keyspace(self):
        """Looks at all keys. In database 0, whose table is never thin enough to be resized by the
        clock: the order of its keys depends on the commands alone."""
        self.add(("SELECT", 0), self.rng.choice([
            ("SCAN", 0), ("SCAN", 0, "MATCH", "s*", "COUNT", 1000, "TYPE", "string"), ("DBSIZE",),
            ("SCAN", self.rng.randrange(256), "COUNT", 20), ("KEYS", "*"), ("KEYS", "[hl]?"),
            ("SCRIPT", "FLUSH"), ("FUNCTION", "FLUSH"), ("FUNCTION", "LIST"), ("FUNCTION", "DUMP"),
            ("SWAPDB", 3, 4), ("PUBSUB", "CHANNELS"), ("PUBSUB", "NUMPAT"), ("SCAN", "x"),
            ("FUNCTION", "LOAD", scripts.LIBRARY.replace(b"%s", b"whole"))]))

    def bytes(self):
        """The commands as they are sent: one in twenty inline, as a person at telnet would.

        Left out is what some servers do wrong, which has tests of its own: an empty command after
        CLIENT REPLY SKIP, and a failed AUTH, whose answer they may lose.
        """
        out = []
        for line in self.commands:
            words = [as_bytes(word) for word in line]
            if self.rng.random() < 0.05 and all(map(is_plain_word, words)):
                empty = [] if words[-1] == b"SKIP" else [b" \n\r\n"]
                out.append(b"  ".join(words) + self.rng.choice([b"\n", b"\r\n", *empty]))
            else:
                out.append(array(words))
        return b"".join(out)


def array(words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def as_bytes(word):
    return word if isinstance(word, bytes) else str(word).encode()


def is_plain_word(word):
    return word.isalnum() and len(word) < 100


def name_of(line):
    return as_bytes(line[0]).lower()
