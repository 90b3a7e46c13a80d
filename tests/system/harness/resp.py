"""A raw RESP client: exactly the bytes that a test wants, exactly the replies that come."""

import socket


class RespError(Exception):
    """An error reply. Returned, not raised: tests look at it like at any other reply."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text
        self.prefix = text.split(" ", 1)[0]

    def __eq__(self, other):
        return isinstance(other, RespError) and other.text == self.text

    __hash__ = None


class Status(str):
    """A simple string (+OK): equal to its text, but told apart from a bulk string."""


def encode(*words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(out)


class Client:
    """One connection. Bulk strings come back as str where they are UTF-8, else as bytes."""

    def __init__(self, port, host="127.0.0.1", timeout_s=20):
        self.sock = socket.create_connection((host, port), timeout=timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.sock.makefile("rb", buffering=1 << 16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reader.close()
        self.sock.close()

    def send_raw(self, raw):
        self.sock.sendall(raw)

    def send(self, *words):
        self.sock.sendall(encode(*words))

    def __call__(self, *words):
        self.send(*words)
        return self.read()

    def pipeline(self, commands):
        """Sends all commands, then reads all replies."""
        self.sock.sendall(b"".join(encode(*words) for words in commands))
        return [self.read() for _ in commands]

    def closed_by_peer(self, within_s=5):
        """True if the other side ends the connection; what it still sends is thrown away."""
        self.sock.settimeout(within_s)
        try:
            while self.reader.read1(1 << 16):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def read(self):
        """The next reply. EOFError: the connection was closed."""
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("connection closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return Status(rest.decode())
        if kind == b"-":
            return RespError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind in b"$=!":
            return self._bulk(kind, int(rest))
        if kind in b"*~>":
            return None if int(rest) < 0 else [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return {_hashable(self.read()): self.read() for _ in range(int(rest))}
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        if kind == b"(":
            return int(rest)
        raise ValueError(f"not RESP: {line!r}")

    def _bulk(self, kind, length):
        if length < 0:
            return None
        raw = self.reader.read(length + 2)
        if len(raw) != length + 2:
            raise EOFError("connection closed")
        try:
            text = raw[:-2].decode()
        except UnicodeDecodeError:
            return raw[:-2]
        if kind == b"!":
            return RespError(text)
        return text[4:] if kind == b"=" else text


def _hashable(value):
    return tuple(value) if isinstance(value, list) else value
