"""How large a command may be and how long it may take; see test_protection.py."""
import threading
import time

import pytest

from harness.admin import metrics
from passthrough_fixture import FakeRedis, command, free_port, wait_for
from protection_fixture import (KIB, MIB, Withholding, is_cut, is_open, pushed, read_some,
                                stays_open)


# ---- The size of a command.

def test_arguments_up_to_the_limit(made):
    stack = made("limits.arguments=16")
    client = stack.via()
    assert client.ask("DEL", *range(15)) == b":0\r\n"
    client.send(command("DEL", *range(16)))
    assert client.until_closed() == b"-ERR Protocol error: invalid multibulk length\r\n"


@pytest.mark.parametrize("count, refused", [(2147483647, False), (2147483648, True),
                                            (1 << 63, True), (1 << 64, True)])
def test_announced_arguments_cost_nothing(made, count, refused):
    """As many as Redis takes, and what does not fit into 64 bits."""
    stack = made()
    before = stack.resident_bytes()
    clients = [stack.via() for _ in range(20)]
    for client in clients:
        client.send(b"*%d\r\n$3\r\nDEL\r\n" % count)
    if refused:
        for client in clients:
            assert client.until_closed() == b"-ERR Protocol error: invalid multibulk length\r\n"
    assert stack.via().ask("PING") == b"+PONG\r\n"
    assert refused or all(is_open(client) for client in clients)
    assert stack.resident_bytes() - before < 8 * MIB


def test_an_argument_up_to_the_limit(made):
    stack = made("limits.bulk_bytes=1MiB")
    client = stack.via()
    assert client.ask("SET", "k", b"x" * MIB) == b"+OK\r\n"
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (MIB + 1))
    assert client.until_closed() == b"-ERR Protocol error: invalid bulk length\r\n"


def test_the_largest_argument_that_redis_takes_passes_both_ways(made):
    """512 MiB, with the limits as they are; the memory for it is given back."""
    stack = made()
    client = stack.via()
    client.socket.settimeout(60)
    value = bytes(512 * MIB)
    before = stack.resident_bytes()
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % len(value))
    client.send(value)
    client.send(b"\r\n")
    assert client.reply() == b"+OK\r\n"
    client.send(command("GET", "k"))
    assert client.line() == b"$%d\r\n" % len(value)
    left = len(value) + 2 - len(client.buffer)
    while left > 0:
        left -= read_some(client, MIB)
    assert left == 0
    wait_for(lambda: stack.resident_bytes() - before < 64 * MIB, "the memory is given back")
    exceeds = stack.via()
    exceeds.send(b"*2\r\n$3\r\nGET\r\n$%d\r\n" % (len(value) + 1))
    assert exceeds.until_closed() == b"-ERR Protocol error: invalid bulk length\r\n"


def test_an_unfinished_command_up_to_the_query_buffer(made):
    stack = made("limits.query_buffer=1MiB")
    head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (2 * MIB)
    fits, exceeds = stack.via(), stack.via()
    fits.send(head + bytes(MIB - len(head)))
    pushed(exceeds, head + bytes(MIB + 1 - len(head)))
    assert is_cut(exceeds, 5)
    assert stays_open(fits, 0.3)
    assert "limits.query_buffer" in stack.log_text()


@pytest.mark.parametrize("head, counted, words", [
    (b"", b"ECHO " + b"1" * (64 * KIB - 5), b"inline request"),
    (b"*", b"1" * 64 * KIB, b"mbulk count string"),
    (b"*1\r\n", b"$" + b"1" * (64 * KIB - 1), b"bulk count string")], ids=["inline", "*", "$"])
def test_a_line_up_to_64_kib(made, head, counted, words):
    stack = made()
    fits, exceeds, direct = stack.via(), stack.via(), stack.direct()
    fits.send(head + counted)
    for client in (exceeds, direct):
        client.send(head + counted + b"1")
        assert client.until_closed() == b"-ERR Protocol error: too big " + words + b"\r\n"
    assert stays_open(fits, 0.3)
    if head == b"":
        fits.send(b"\r\n")
        assert len(fits.reply()) > 64 * KIB - 5


# ---- How long a command may take.

def test_a_command_that_trickles_is_cut_at_its_deadline(made):
    stack = made("limits.request_timeout=1s")
    idle, trickling, fast = stack.via(), stack.via(), stack.via()
    begun = time.monotonic()
    trickling.send(b"*2\r\n$4\r\nECHO\r\n$100\r\n")
    fast.send(b"*1\r\n$4\r\n")  # always unfinished, but each command ends in time
    cut_s = passed_s = 0
    while passed_s < 1.8:
        time.sleep(0.1)
        passed_s = time.monotonic() - begun
        if is_open(trickling):
            trickling.send(b"x")
        elif cut_s == 0:
            cut_s = passed_s
        fast.send(b"PING\r\n*1\r\n$4\r\n")
        assert fast.reply() == b"+PONG\r\n"
    assert 1 <= cut_s < 1.8
    fast.send(b"PING\r\n")
    assert fast.reply() == b"+PONG\r\n"
    assert idle.ask("PING") == b"+PONG\r\n"
    assert "limits.request_timeout" in stack.log_text()


def test_a_large_command_over_a_slow_line_gets_the_time_that_it_needs(made):
    """A second more for each 64 KiB that has arrived."""
    stack = made("limits.request_timeout=1s")
    client = stack.via()
    size = 400 * KIB
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % size)
    for _ in range(20):
        client.send(bytes(size // 20))
        time.sleep(0.1)
    client.send(b"\r\n")
    assert client.reply() == b"+OK\r\n"


def test_without_a_deadline_half_a_command_may_wait(made):
    stack = made("limits.request_timeout=0s")
    client = stack.via()
    client.send(b"*2\r\n$4\r\nECHO\r\n$2\r\nh")
    assert stays_open(client, 1)
    client.send(b"i\r\n")
    assert client.reply() == b"$2\r\nhi\r\n"


def test_commands_behind_one_that_blocks_have_no_deadline(made):
    stack = made("limits.request_timeout=1s")
    client, direct = stack.via(), stack.direct()
    client.send(command("BLPOP", "list", 0) + command("ECHO", "a") + b"*2\r\n$4\r\nECHO\r\n")
    assert stays_open(client, 2)
    direct.ask("RPUSH", "list", "x")
    assert client.reply() == b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n"
    assert client.reply() == b"$1\r\na\r\n"


# ---- Large ones go a way of their own.

def test_nobody_waits_behind_a_large_command(made):
    """It has a connection of its own while Redis reads it; without one it goes the common way."""
    go_on = threading.Event()

    def answer(data):
        if b"large" in data:
            go_on.wait(10)  # Redis takes no more of it for now
        return None if b"end\r\n" not in data and b"PING" not in data else b"+OK\r\n"

    fake = FakeRedis(lambda data: answer(data) or b"")
    stack = made(redis_port=fake.port, io_threads=1)
    client, neighbour = stack.via(), stack.via()
    sender = threading.Thread(
        target=client.send, args=(command("SET", "large", bytes(20 * MIB) + b"end"),), daemon=True)
    sender.start()
    sender.join(0.5)
    for _ in range(100):
        neighbour.send(command("SET", "k", "end"))
        assert neighbour.reply() == b"+OK\r\n"
    assert not go_on.is_set()
    go_on.set()
    assert client.reply() == b"+OK\r\n"
    fake.stop()


def test_a_command_up_to_1_mib_needs_no_connection_of_its_own(made):
    admin = free_port()
    stack = made(f"admin.address=127.0.0.1:{admin}")
    client = stack.via()
    for size, own in ((MIB, 0), (MIB + 1, 1)):
        value = bytes(size - len(command("SET", "k", bytes(MIB // 2))) + MIB // 2 - 1)
        assert len(command("SET", "k", value)) == size
        assert client.ask("SET", "k", value) == b"+OK\r\n"
        assert metrics(admin)["sluice_pinned_connections"] == own


def test_large_commands_in_a_pipeline_keep_their_place(made):
    for limit in (1000, 1):
        stack = made(f"limits.pinned_connections={limit}")
        client = stack.via()
        holder = stack.via()
        if limit == 1:
            assert holder.ask("MULTI") == b"+OK\r\n"
        data = b"".join(command("APPEND", "k", b"x" * (2 * MIB if n % 5 == 3 else 1)) +
                        command("STRLEN", "k") for n in range(30))
        threading.Thread(target=client.send, args=(data,), daemon=True).start()
        length = 0
        for n in range(30):
            length += 2 * MIB if n % 5 == 3 else 1
            assert client.reply() == client.reply() == b":%d\r\n" % length
        assert holder.ask("PING")[:1] == b"+"


def test_a_large_command_does_not_overtake_those_before_it(made):
    fake = Withholding()
    stack = made(redis_port=fake.port, io_threads=1)
    client = stack.via()
    assert client.ask("ECHO", "x") == b"+OK\r\n"
    fake.holds = True
    data = command("ECHO", "x") + command("SET", "large", bytes(2 * MIB))
    threading.Thread(target=pushed, args=(client, data), daemon=True).start()
    wait_for(lambda: fake.commands() == 1, "the first one reaches Redis")
    time.sleep(0.3)
    assert b"large" not in fake.received
    fake.stop()
