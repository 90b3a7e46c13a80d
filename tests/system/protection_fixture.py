"""What tests of the bounds ask of a client's connection, and Redises that hold back."""
import ctypes
import os
import re
import socket
import time

from passthrough_fixture import FakeRedis, wait_for

KIB, MIB = 1 << 10, 1 << 20


def pushed(client, data):
    """Sends as much of `data` as the other side takes; how much that was."""
    client.socket.settimeout(0.3)
    sent = 0
    try:
        while sent < len(data):
            sent += client.socket.send(data[sent:sent + 256 * KIB])
    except (TimeoutError, ConnectionError):
        pass
    client.socket.settimeout(10)
    return sent


def read_some(client, size_max):
    """How many bytes came; the connection must not have ended."""
    data = client.socket.recv(size_max)
    assert data, "it is cut"
    return len(data)


def is_open(client):
    """Whether the other side has not closed; reads nothing."""
    try:
        client.socket.settimeout(0.001)
        return client.socket.recv(1, socket.MSG_PEEK) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False
    finally:
        client.socket.settimeout(10)


def stays_open(client, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_open(client):
            return False
        time.sleep(0.01)
    return True


def is_cut(client, seconds):
    """Whether the connection ends within that time; what comes before is thrown away."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client.socket.settimeout(max(0.001, end - time.monotonic()))
        try:
            if not client.socket.recv(1 << 20):
                return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True
    return False


def socket_of(stack, client):
    """The proxy's own end of the client's connection."""
    number = re.search(rb" fd=(\d+) ", client.ask("CLIENT", "INFO"))[1]
    process = os.pidfd_open(stack.proxy.pid)
    pidfd_getfd = 438
    copy = ctypes.CDLL(None, use_errno=True).syscall(pidfd_getfd, process, int(number), 0)
    os.close(process)
    assert copy >= 0, os.strerror(ctypes.get_errno())
    return socket.socket(fileno=copy)


def answers(stack):
    client = stack.via()
    try:
        return client.ask("PING") == b"+PONG\r\n"
    except (EOFError, ConnectionError):
        return False
    finally:
        client.close()


class Withholding(FakeRedis):
    """Answers commands, or (once it `holds`) only counts them."""

    def __init__(self):
        self.holds, self.received = False, b""
        super().__init__(self.judge)

    def judge(self, data):
        if not self.holds:
            return b"+OK\r\n" * max(1, data.count(b"ECHO"))
        self.received += data
        return b""

    def commands(self):
        return self.received.count(b"ECHO")


def created(client, item, stock=1000):
    wait_for(lambda: client.ask("SECKILL.CREATE", item, "STOCK", stock) == b"+OK\r\n", "it is open")
