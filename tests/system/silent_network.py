"""The scene of test_silent_machine.py. Runs in a network namespace of its own, whose loopback it
takes down while commands wait for Redis: nobody says a word, as if the machine had lost power."""
import array
import fcntl
import socket
import struct
import sys
import time

from passthrough_fixture import Raw, Stack, command, wait_for

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
SILENCE_S = 1


def set_loopback(up):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = array.array("B", struct.pack("16sH14x", b"lo", 0))
        fcntl.ioctl(control, SIOCGIFFLAGS, request)
        flags = struct.unpack("16sH14x", request.tobytes())[1]
        flags = flags | IFF_UP if up else flags & ~IFF_UP
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags))


class Local(Raw):
    """A client over the unix socket, which the network has no part in."""

    def __init__(self, stack):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(15)
        self.socket.connect(f"{stack.dir}/proxy.sock")
        self.buffer = b""


def main():
    set_loopback(True)
    stack = Stack(sets=(f"limits.redis_timeout={SILENCE_S}s",))
    try:
        asking, blocked, late = Local(stack), Local(stack), Local(stack)
        assert asking.ask("SET", "k", "v") == b"+OK\r\n"
        blocked.send(command("BLPOP", "list", 0))
        wait_for(lambda: b"blocked_clients:1" in asking.ask("INFO", "clients"), "a client waits")
        set_loopback(False)
        begun = time.monotonic()
        asking.send(command("GET", "k"))
        lost = asking.reply()
        assert lost.startswith(b"-ERR Sluice: connection to Redis lost"), lost
        assert blocked.reply() == lost
        # Probes are a second apart, and the kernel's timers coarse.
        assert SILENCE_S * 0.9 <= time.monotonic() - begun < SILENCE_S + 8
        assert late.ask("GET", "k").startswith(b"-ERR Sluice: ")
        set_loopback(True)
        wait_for(lambda: late.ask("GET", "k") == b"$1\r\nv\r\n", "Redis is back")
    finally:
        stack.stop()
    print("noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
