"""Keys and values of a command stream: few keys, so that commands meet; values of every shape."""

INTEGERS = [b"0", b"1", b"-1", b"10", b"127", b"-9223372036854775808", b"9223372036854775807"]
ODD = [b"", b"\r\n", b"\x00", b"$5\r\nhello\r\n", b"*1\r\n", b"-ERR no\r\n", b"3.14", b"abc",
       b"nan", b"inf", b" 7", b"07", b"\xff\xfe\x80", b"+OK\r\n", b">2\r\n", "snö".encode()]


class Values:
    """Draws from `rng`; every key begins with `prefix`, so that streams can run side by side."""

    def __init__(self, rng, prefix=b""):
        self.rng = rng
        self.prefix = prefix

    def key(self, kind=None):
        """One in fifteen keys is of another type than asked for: WRONGTYPE."""
        if kind is None or self.rng.random() < 0.07:
            kind = self.rng.choice("slhtzxnbpg")
        return self.prefix + kind.encode() + b"%d" % self.rng.randrange(4)

    def own_key(self):
        """Of the right type, and not a stream: what may be dumped, and renamed to one another."""
        return self.prefix + self.rng.choice("slhtz").encode() + b"%d" % self.rng.randrange(4)

    def keys(self, kind, most=3):
        return [self.key(kind) for _ in range(self.rng.randint(1, most))]

    def value(self):
        draw = self.rng.random()
        if draw < 0.35:
            return b"v%d" % self.rng.randrange(20)
        if draw < 0.5:
            return self.rng.choice(INTEGERS)
        if draw < 0.65:
            return self.rng.choice(ODD)
        if draw < 0.97:
            return self.rng.randbytes(self.rng.randrange(1, 60))
        return self.rng.randbytes(self.rng.choice([200, 1000, 16 * 1024, 70_000]))

    def values(self, most=3):
        return [self.value() for _ in range(self.rng.randint(1, most))]

    def member(self):
        return b"m%d" % self.rng.randrange(30) if self.rng.random() < 0.9 else self.value()

    def members(self, most=4):
        return [self.member() for _ in range(self.rng.randint(1, most))]

    def field(self):
        return b"f%d" % self.rng.randrange(12) if self.rng.random() < 0.9 else self.value()

    def number(self):
        """Mostly a number; sometimes one that Redis refuses."""
        if self.rng.random() < 0.9:
            return b"%d" % self.rng.randrange(-12, 13)
        return self.rng.choice([b"x", b"", b"1.5", b"99999999999999999999", b"-0", b"1e3"])

    def score(self):
        return self.rng.choice([b"%d" % self.rng.randrange(10), b"1.5", b"-inf", b"+inf", b"1e10",
                                b"(3", b"nan", b"3.0000000000000004"])

    def stream_id(self):
        return b"%d-%d" % (self.rng.randrange(1, 60), self.rng.randrange(3))

    def choice(self, *words):
        return self.rng.choice(words)

    def some(self, *words):
        """A random part of `words`, in their order."""
        return [word for word in words if self.rng.random() < 0.4]
