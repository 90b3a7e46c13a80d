"""Sends a stream in random pieces, takes what comes back, and finds the first difference."""

import re
import select
import socket

# The one reply that must differ: HELLO tells the connection's number.
HELLO_ID = re.compile(rb"(\$2\r\nid\r\n:)\d+")
READ_BYTES = 1 << 18


class Player:
    """One connection that plays one stream; many can be played side by side (play_all)."""

    def __init__(self, port, data, end, rng):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.pieces = pieces(data, rng)[::-1]
        self.ending = b"$%d\r\n%b\r\n" % (len(end), end)
        self.received = []
        self.tail = b""

    def fileno(self):
        return self.socket.fileno()

    def write(self):
        try:
            sent = self.socket.send(self.pieces[-1])
        except BlockingIOError:
            return
        if sent == len(self.pieces[-1]):
            self.pieces.pop()
        else:
            self.pieces[-1] = self.pieces[-1][sent:]

    def read(self):
        """True once the whole stream is answered, or the connection is closed."""
        data = self.socket.recv(READ_BYTES)
        self.received.append(data)
        self.tail = (self.tail + data)[-len(self.ending):]
        return not data or (self.tail == self.ending and not self.pieces)

    def finish(self):
        self.socket.close()
        return HELLO_ID.sub(rb"\1#", b"".join(self.received))


def pieces(data, rng):
    """`data` cut at random bytes: some pieces of a few bytes, most of a read's size."""
    out, at = [], 0
    while at < len(data):
        size = rng.choice([1, 2, 7, 40, 1000, 4000, 16_000, 16_384, 60_000])
        out.append(data[at:at + size])
        at += size
    return out


def play_all(players, silence_s=20):
    """What each was answered. A Redis or proxy that says nothing for `silence_s` fails the test."""
    active = list(players)
    while active:
        readable, writable, _ = select.select(active, [p for p in active if p.pieces], [],
                                              silence_s)
        assert readable or writable, f"{len(active)} streams get no answer any more: " + repr(
            [player.tail for player in active])
        for player in writable:
            player.write()
        for player in readable:
            if player.read():
                active.remove(player)
    return [player.finish() for player in players]


def first_difference(stream, direct, via):
    """None, or what to print: the replies around the first one that differs.

    Replies are numbered; a command's number may be lower, as some have several replies or none.
    """
    if direct == via:
        return None
    ours, theirs = replies(direct), replies(via)
    at = next((n for n, (one, two) in enumerate(zip(ours, theirs)) if one != two),
              min(len(ours), len(theirs)))
    lines = [f"reply {at} of {len(ours)} (through Sluice {len(theirs)}) differs"]
    for number in range(max(0, at - 3), at + 2):
        lines.append(f"{number}: Redis  {ours[number:number + 1]!r:.400}")
        lines.append(f"{number}: Sluice {theirs[number:number + 1]!r:.400}")
    lines += [f"command {n}: {line!r:.200}" for n, line in enumerate(stream.commands)
              if at - 12 <= n <= at + 6]
    return "\n".join(lines)


def replies(data):
    out, at = [], 0
    while at < len(data):
        end = reply_end(data, at)
        out.append(data[at:end])
        at = end
    return out


def reply_end(data, at):
    """Where the reply that begins at `at` ends; the end of `data` if it is cut off."""
    values = 1
    while values > 0:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return len(data)
        kind, rest, at = data[at:at + 1], data[at + 1:line_end], line_end + 2
        values -= 1
        if kind in b"$=!" and rest != b"-1":
            at += int(rest) + 2
        elif kind in b"*~>" and rest != b"-1":
            values += int(rest)
        elif kind == b"%":
            values += 2 * int(rest)
    return min(at, len(data))
