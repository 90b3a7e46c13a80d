"""What a broken or hostile client sends: the error that the contract names or a closed connection;
memory stays bounded and nobody else notices."""

import os
import random
import time

import pytest

from harness.resp import RespError, encode
from harness.waiting import until

MIB = 1 << 20
LONGEST = "n" * 64


@pytest.fixture
def proxy(lab):
    front = lab.proxy(lab.redis())
    with front.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1000) == "OK"
    return front


def fields(count):
    return [part for n in range(count) for part in (f"f{n}", "v")]


GOOD = [
    ("SECKILL.BUY", LONGEST, "ann"),  # NOITEM, but well-formed
    ("SECKILL.BUY", "phone", LONGEST),
    ("SECKILL.BUY", "phone", "AZaz09:_.-"),
    ("SECKILL.BUY", "phone", "a1", "REQ", LONGEST),
    ("SECKILL.BUY", "phone", "a2", "QTY", 1),
    ("SECKILL.BUY", "phone", "a3", "QTY", 2147483647),  # SOLDOUT, but well-formed
    ("SECKILL.BUY", "phone", "a4", "FIELDS", *fields(32)),
    ("SECKILL.BUY", "phone", "a5", "FIELDS", "f", "v" * 1024),
    ("SECKILL.BUY", "phone", "a6", "FIELDS", LONGEST, "v"),
    ("SECKILL.CREATE", "big", "STOCK", 2147483647),
]

BAD = [
    # words of the command, what the message must name
    (("SECKILL.BUY",), "wrong number of arguments"),
    (("SECKILL.BUY", "phone"), "wrong number of arguments"),
    (("SECKILL.STOCK",), "wrong number of arguments"),
    (("SECKILL.STOCK", "phone", "radio"), "wrong number of arguments"),
    (("SECKILL.CANCEL", "phone", "ann"), "wrong number of arguments"),
    (("SECKILL.ORDER", "phone", "ann"), "wrong number of arguments"),
    (("SECKILL.CREATE", "x"), "wrong number of arguments"),
    (("SECKILL.CLOSE",), "wrong number of arguments"),
    (("SECKILL.BUY", LONGEST + "n", "ann"), "item"),
    (("SECKILL.BUY", "", "ann"), "item"),
    (("SECKILL.BUY", "ph one", "ann"), "item"),
    (("SECKILL.BUY", "{phone}", "ann"), "item"),
    (("SECKILL.BUY", b"ph\x00ne", "ann"), "item"),
    (("SECKILL.BUY", "phone", LONGEST + "n"), "user"),
    (("SECKILL.BUY", "phone", ""), "user"),
    (("SECKILL.BUY", "phone", "an/n"), "user"),
    (("SECKILL.BUY", "phone", "ann", "REQ", LONGEST + "n"), "REQ"),
    (("SECKILL.BUY", "phone", "ann", "REQ", ""), "REQ"),
    (("SECKILL.BUY", "phone", "ann", "REQ", "a,b"), "REQ"),
    (("SECKILL.BUY", "phone", "ann", "REQ"), "REQ"),
    (("SECKILL.BUY", "phone", "ann", "QTY", 0), "QTY"),
    (("SECKILL.BUY", "phone", "ann", "QTY", -1), "QTY"),
    (("SECKILL.BUY", "phone", "ann", "QTY", 1 << 31), "QTY"),
    (("SECKILL.BUY", "phone", "ann", "QTY", 1 << 64), "QTY"),
    (("SECKILL.BUY", "phone", "ann", "QTY", "1.5"), "QTY"),
    (("SECKILL.BUY", "phone", "ann", "QTY", "1e3"), "QTY"),
    (("SECKILL.BUY", "phone", "ann", "QTY", " 1"), "QTY"),
    (("SECKILL.BUY", "phone", "ann", "QTY", ""), "QTY"),
    (("SECKILL.BUY", "phone", "ann", "QTY", "one"), "QTY"),
    (("SECKILL.BUY", "phone", "ann", "FIELDS"), "FIELDS"),
    (("SECKILL.BUY", "phone", "ann", "FIELDS", "odd"), "FIELDS"),
    (("SECKILL.BUY", "phone", "ann", "FIELDS", *fields(33)), "32"),
    (("SECKILL.BUY", "phone", "ann", "FIELDS", "f", "v" * 1025), "1024"),
    (("SECKILL.BUY", "phone", "ann", "FIELDS", LONGEST + "n", "v"), "field"),
    (("SECKILL.BUY", "phone", "ann", "GIFT", "yes"), "GIFT"),
    (("SECKILL.CREATE", "x", "STOCK", 0), "STOCK"),
    (("SECKILL.CREATE", "x", "STOCK", 1 << 31), "STOCK"),
    (("SECKILL.CREATE", "x", "STOCK", "many"), "STOCK"),
    (("SECKILL.CREATE", "x", "STOCK", 1, "LIMIT", -1), "LIMIT"),
    (("SECKILL.CREATE", "x", "STOCK", 1, "START", "noon"), "START"),
    (("SECKILL.CREATE", "x", "STOCK", 1, "START", 2000, "END", 1000), "END"),
    (("SECKILL.RESTOCK", "phone", "more"), "delta"),
    (("SECKILL.CANCEL", "phone", "ann", "mine"), "order_id"),
    (("SECKILL.ORDER", "phone", "ann", "-1"), "order_id"),
]


def test_the_good_side_of_every_limit_is_accepted(proxy):
    with proxy.client() as client:
        for command in GOOD:
            assert not isinstance(reply := client(*command), RespError), (command, reply)


def test_the_bad_side_of_every_limit_is_an_error_that_names_it(proxy):
    """-ERR with the argument's name; nothing is sold, and the connection stays usable."""
    with proxy.client() as client:
        for command, name in BAD:
            reply = client(*command)
            assert isinstance(reply, RespError) and reply.prefix == "ERR", (command, reply)
            assert name.lower() in reply.text.lower(), (command, reply)
        assert client("SECKILL.STOCK", "phone")[5] == 0, "something was sold: stock, sold"
        assert client("SECKILL.STOCK", "x") == ["NOITEM"]
        # The same in one pipeline: each command gets its own error, in order.
        for (command, name), reply in zip(BAD, client.pipeline([command for command, _ in BAD])):
            assert isinstance(reply, RespError) and name.lower() in reply.text.lower(), command


PROTOCOL_ERRORS = {
    "a negative count": b"*-2\r\n",
    "a negative length": b"*1\r\n$-5\r\n",
    "a count over 31 bits": b"*2147483648\r\n",
    "a count over 64 bits": b"*99999999999999999999\r\n",
    "a bulk of 1 GiB": b"*2\r\n$3\r\nGET\r\n$1073741824\r\n",
    "a length that is no number": b"*1\r\n$abc\r\n",
    "a count that is no number": b"*one\r\n",
    "no dollar": b"*1\r\n+PING\r\n",
    "an endless inline command": b"A" * (256 * 1024),
    "an endless count line": b"*" + b"1" * (128 * 1024),
}


@pytest.mark.parametrize("name", PROTOCOL_ERRORS)
def test_a_protocol_error_closes_that_connection_only(proxy, name):
    """-ERR Protocol error or silence, then the end of that connection; its neighbour is unharmed.

    (`*-2` is what Redis ignores: there the connection may also stay open and usable.)
    """
    with proxy.client() as neighbour, proxy.client() as client:
        try:
            client.send_raw(PROTOCOL_ERRORS[name])
        except ConnectionError:
            pass
        if name == "a negative count":
            client.send_raw(encode("PING"))
            try:
                reply = client.read()
                assert reply == "PONG" or isinstance(reply, RespError)
            except (EOFError, ConnectionError):
                pass
        else:
            assert client.closed_by_peer(within_s=10), f"{name}: the connection stayed open"
        assert neighbour("SECKILL.BUY", "phone", "ann")[0] == "OK"
        assert neighbour("PING") == "PONG"


def test_binary_junk_harms_nobody(proxy):
    """200 connections send random bytes: each ends or waits; the proxy goes on, bounded."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    before = proxy.process.resident_bytes()
    clients = [proxy.client() for _ in range(200)]
    for client in clients:
        try:
            client.send_raw(chance.randbytes(chance.randint(1, 5000)))
            client.send_raw(chance.choice([b"", b"\r\n", b"*3\r\n$3\r\n", b"$", b"\x00\r\n"]))
        except ConnectionError:
            pass
    with proxy.client() as neighbour:
        assert neighbour("SECKILL.BUY", "phone", "ann")[0] == "OK"
    for client in clients:
        client.close()
    assert proxy.process.alive()
    assert proxy.process.resident_bytes() < before + 64 * MIB


def test_half_a_command_and_then_silence_costs_nothing(proxy):
    """500 connections stop in mid-command: others buy as ever and the memory stays small."""
    before = proxy.process.resident_bytes()
    halves = [b"*5\r\n$11\r\nSECKILL.BUY\r\n$5\r\npho",
              b"*1000\r\n$3\r\nSET\r\n$1000000\r\nabc", b"PIN", b"*"]
    clients = [proxy.client() for _ in range(500)]
    for n, client in enumerate(clients):
        client.send_raw(halves[n % len(halves)])
    with proxy.client() as neighbour:
        replies = neighbour.pipeline([("SECKILL.BUY", "phone", f"u{n}") for n in range(500)])
        assert {reply[0] for reply in replies} == {"OK"}
    assert proxy.process.resident_bytes() < before + 64 * MIB
    # And the other half still makes a whole.
    first = clients[0]
    first.send_raw(b"ne\r\n$3\r\nann\r\n$3\r\nQTY\r\n$1\r\n1\r\n")
    assert first.read()[0] == "OK"
    for client in clients:
        client.close()


def test_promised_lengths_allocate_nothing(proxy):
    """100 connections promise large arguments and send none: lengths are not believed before the
    bytes come."""
    before = proxy.process.resident_bytes()
    clients = [proxy.client() for _ in range(100)]
    for client in clients:
        client.send_raw(b"*2\r\n$4\r\nECHO\r\n$33554432\r\n")
    with proxy.client() as neighbour:
        assert neighbour("PING") == "PONG"
    assert proxy.process.resident_bytes() < before + 64 * MIB
    for client in clients:
        client.close()


def test_a_client_that_never_reads_is_bounded(lab):
    """It pipelines 2 GB worth of replies and reads none: the proxy stops reading from it, or ends
    it at limits.client_output_max; others are served meanwhile, and it costs them nothing."""
    proxy = lab.proxy(lab.redis(), limits__client_output_max="32MiB")
    with proxy.client() as neighbour:
        assert neighbour("SET", "big", "x" * 100_000) == "OK"
        before = proxy.process.resident_bytes()
        deaf = [proxy.client() for _ in range(4)]
        for client in deaf:
            client.sock.settimeout(0.2)
            try:
                for _ in range(50):
                    client.sock.sendall(encode("GET", "big") * 100)
            except OSError:
                pass  # it no longer reads from us, or has ended us: both are bounds
        highest = 0
        for _ in range(100):
            assert neighbour("PING") == "PONG"
            highest = max(highest, proxy.process.resident_bytes() - before)
            time.sleep(0.02)  # the memory is watched for 2 s
        assert highest < 4 * 64 * MIB, f"{highest / MIB:.0f} MiB for 4 clients"
        for client in deaf:
            client.close()
        until(lambda: proxy.process.resident_bytes() - before < 64 * MIB, 10, "memory given back")


def test_a_command_byte_by_byte_is_the_same_command(proxy):
    """TCP may cut anywhere."""
    with proxy.client() as client:
        for byte in encode("SECKILL.BUY", "phone", "ann", "FIELDS", "k", "a\r\nb"):
            client.send_raw(bytes([byte]))
        assert client.read()[0] == "OK"


def test_connections_that_come_and_go_leave_nothing(proxy):
    """1,000 connections, some cut off with replies outstanding: the descriptors go back."""
    def descriptors():
        return len(os.listdir(f"/proc/{proxy.process.pid}/fd"))

    before = descriptors()
    for n in range(1000):
        client = proxy.client()
        client.send("SECKILL.BUY", "phone", f"u{n}")
        client.close()
    until(lambda: descriptors() <= before + 2, 10, f"descriptors back to {before}")
    with proxy.client() as client:
        assert client("PING") == "PONG"
