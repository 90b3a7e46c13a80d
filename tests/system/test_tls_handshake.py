"""Whoever does not come through the TLS handshake in time is cut, and disturbs nobody."""

import socket
import ssl
import time

import pytest

from harness.resp import encode
from harness.waiting import until
from tls_fixture import InMemory, Secured, plain_socket

HANDSHAKE_S = 1.0  # limits.login_timeout of the tests that wait for it


@pytest.mark.parametrize("text", [b"PING\r\n", encode("SET", "k", "v"), b"GET / HTTP/1.1\r\n\r\n",
                                  b"\x16\x03\x01\xff\xff" + b"\x00" * 64, bytes(5000)])
def test_what_is_not_tls_is_cut_and_reaches_nobody(secured, text):
    sock = plain_socket(secured.port)
    sock.sendall(text)
    answer = b""
    try:
        while got := sock.recv(1 << 16):
            answer += got
    except ConnectionError:
        pass
    assert b"PONG" not in answer and b"+OK" not in answer and b"-" not in answer[:1]
    sock.close()
    with secured.client() as client:
        assert client("EXISTS", "k") == 0
    assert secured.failed_handshakes() == 1


def half_hello(secured):
    client = InMemory(secured.port, secured.authority.client_context())
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    hello = client.outgoing.read()
    client.sock.sendall(hello[:len(hello) // 2])
    return client.sock


def whole_hello(secured):
    sock = half_hello(secured)
    sock.close()
    client = InMemory(secured.port, secured.authority.client_context())
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.sock.sendall(client.outgoing.read())
    return client.sock


@pytest.mark.parametrize("begin", [lambda secured: plain_socket(secured.port), half_hello,
                                   whole_hello], ids=["nothing", "half", "hello"])
def test_an_unfinished_handshake_is_cut_after_the_limit_and_not_before(lab, begin):
    secured = Secured(lab, limits__login_timeout=f"{int(HANDSHAKE_S * 1000)}ms")
    begun = time.monotonic()
    sock = begin(secured)
    sock.settimeout(20)
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    took = time.monotonic() - begun
    assert HANDSHAKE_S - 0.05 <= took < HANDSHAKE_S + 10
    sock.close()
    until(lambda: secured.clients() == 0, 10, "the end of the session")


def test_a_slow_handshake_within_the_limit_is_served_and_the_limit_is_over_then(lab):
    secured = Secured(lab, limits__login_timeout=f"{int(HANDSHAKE_S * 1000)}ms")
    client = InMemory(secured.port, secured.authority.client_context())
    time.sleep(HANDSHAKE_S / 2)
    client.run(client.tls.do_handshake)
    time.sleep(HANDSHAKE_S)
    client.run(lambda: client.tls.write(encode("PING")))
    assert client.read(7) == b"+PONG\r\n"
    client.sock.close()


def test_unfinished_handshakes_count_as_clients_and_disturb_nobody(lab):
    """300 that stop in the handshake: another client is served; one too many is closed."""
    secured = Secured(lab, limits__clients=301, limits__login_timeout="60s")
    waiting = [half_hello(secured) for _ in range(300)]
    with secured.client() as client:
        assert client("PING") == "PONG"
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            secured.client()
        for sock in waiting:
            sock.close()
        until(lambda: secured.clients() == 1, 10, "the end of the 300")
        assert client("PING") == "PONG"


def test_clients_that_vanish_at_any_byte_leave_nothing_behind(secured):
    """A conversation cut within its ClientHello, of 517 bytes or, with the keys of OpenSSL 3.5,
    1,500, and within its first record, by a reset: the proxy closes its side each time."""
    context = secured.authority.client_context()

    def vanish(client):
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sock.close()

    for fortieth in range(41):
        client = InMemory(secured.port, context)
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.do_handshake()
        hello = client.outgoing.read()
        client.sock.sendall(hello[:len(hello) * fortieth // 40])
        vanish(client)
    for length in (1, 600, 1900):
        client = InMemory(secured.port, context)
        client.run(client.tls.do_handshake)
        client.tls.write(encode("ECHO", "x" * 2000))
        client.sock.sendall(client.outgoing.read()[:length])
        vanish(client)
    until(lambda: secured.clients() == 0, 10, "the end of all sessions")
