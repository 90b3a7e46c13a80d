"""Clients that do not read, or ask more than is answered; see test_protection.py."""
import fcntl
import socket
import struct
import time

import pytest

from passthrough_fixture import command, wait_for
from protection_fixture import (KIB, MIB, Withholding, is_cut, is_open, read_some, socket_of,
                                stays_open)


def test_who_does_not_read_gets_no_further_command_carried_out(made):
    stack = made("limits.client_output_pause=64KiB")
    client, direct = stack.via(), stack.direct()
    # Of fixed size: left to itself the kernel may one day take all that the client does not read.
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * KIB)
    direct.ask("SET", "big", b"x" * 100 * KIB)
    for count in (1, 600):
        client.send(command("GET", "big") * count + command("INCR", "count"))
        if count == 1:  # that much the kernel takes
            wait_for(lambda: direct.ask("GET", "count") == b"$1\r\n1\r\n", "it is carried out")
    time.sleep(0.5)
    assert direct.ask("GET", "count") == b"$1\r\n1\r\n"
    for count in (1, 600):
        for _ in range(count):
            assert len(client.reply()) > 100 * KIB
        assert client.reply().startswith(b":")
    assert direct.ask("GET", "count") == b"$1\r\n2\r\n"


def test_of_unread_replies_the_kernel_takes_little(made):
    """256 KiB that it cannot send yet, and the piece that it took last; else it would take MiBs."""
    stack = made("limits.client_output_pause=64KiB")
    client = stack.via()
    client.ask("SET", "big", b"x" * 100 * KIB)
    with socket_of(stack, client) as ours:
        client.send(command("GET", "big") * 200)
        samples = []

        def settled():
            unsent_ioctl = 0x894B  # SIOCOUTQNSD
            samples.append(struct.unpack("i", fcntl.ioctl(ours, unsent_ioctl, b"\0" * 4))[0])
            return len(samples) > 30 and len(set(samples[-30:])) == 1

        wait_for(settled, "nothing moves any more")
        assert 128 * KIB < samples[-1] <= (256 + 128) * KIB
    for _ in range(200):
        assert len(client.reply()) > 100 * KIB


def test_unread_replies_up_to_the_limit(made):
    stack = made("limits.client_output_max=4MiB", io_threads=1)
    direct = stack.direct()
    direct.ask("SET", "fits", bytes(3 * MIB))
    direct.ask("SET", "exceeds", bytes(16 * MIB))
    patient, greedy = stack.via(), stack.via()
    patient.send(command("GET", "fits"))
    assert stays_open(patient, 0.3)
    assert len(patient.reply()) > 3 * MIB
    greedy.send(command("GET", "exceeds"))
    wait_for(lambda: "limits.client_output_max" in stack.log_text(), "it is cut")
    assert is_cut(greedy, 5)


def test_who_reads_nothing_for_too_long_is_cut(made):
    stack = made("limits.client_output_timeout=1s", "limits.client_output_pause=64KiB")
    direct = stack.direct()
    direct.ask("SET", "big", bytes(16 * MIB))
    deaf, slow = stack.via(), stack.via()
    begun = time.monotonic()
    deaf.send(command("GET", "big"))
    slow.send(command("GET", "big"))
    got = 0
    while time.monotonic() - begun < 0.7:
        assert is_open(deaf)
        got += read_some(slow, 400 * KIB)
        time.sleep(0.1)
    wait_for(lambda: "limits.client_output_timeout" in stack.log_text(), "it is cut", 3)
    assert 1 <= time.monotonic() - begun < 2.5
    assert is_cut(deaf, 3)
    while got < 16 * MIB:
        got += read_some(slow, 400 * KIB)
        if time.monotonic() - begun < 2.5:
            time.sleep(0.05)


def test_who_has_little_to_read_may_take_any_time(made):
    """Little: no more than client_output_pause, however much that is."""
    stack = made("limits.client_output_timeout=1s", "limits.client_output_pause=32MiB")
    client = stack.via()
    client.ask("SET", "big", bytes(16 * MIB))
    client.send(command("GET", "big"))
    assert stays_open(client, 2)
    assert len(client.reply()) > 16 * MIB


@pytest.mark.parametrize("words, count", [(("PING",), 4_000_000), (("GET", "kilo"), 200_000),
                                          (("BLPOP", "filled", 0), 30_000)])
def test_a_pipeline_written_whole_before_anything_is_read_comes_through(made, words, count):
    """As with Redis, whose replies have no bound either: neither side waits for the other."""
    stack = made()
    client, direct = stack.via(), stack.direct()
    direct.ask("SET", "kilo", b"x" * KIB)
    for _ in range(3):
        direct.ask("RPUSH", "filled", *["x"] * 10_000)
    expected = {"PING": 7, "GET": KIB + 9, "BLPOP": 23}[words[0]] * count
    client.socket.settimeout(60)
    client.send(command(*words) * count)
    got = 0
    while got < expected:
        got += read_some(client, MIB)
    assert got == expected


# ---- Commands under way.

def test_commands_in_flight_bound_nothing_but_the_pace(made):
    for limit in (1, 2, 100):
        stack = made(f"limits.commands_in_flight={limit}")
        client = stack.via()
        client.send(b"".join(command("ECHO", n) for n in range(1000)))
        assert [client.reply() for _ in range(1000)] == [
            b"$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(1000)]


@pytest.mark.parametrize("limit, shares, reach_redis", [
    (2, False, 2), (2, True, 2), (100, False, 100), (100, True, 64), (10_000, True, 64)])
def test_nobody_waits_behind_thousands_of_another_s_commands(made, limit, shares, reach_redis):
    """So many are under way at a time, and the neighbour's next command is right behind them."""
    fake = Withholding()
    stack = made(f"limits.commands_in_flight={limit}", redis_port=fake.port, io_threads=1)
    greedy, neighbour = stack.via(), stack.via()
    for client in (neighbour, greedy, neighbour) if shares else (greedy, greedy):
        assert client.ask("ECHO", "x") == b"+OK\r\n"
    fake.holds = True
    greedy.send(command("ECHO", "x") * 5000)
    wait_for(lambda: fake.commands() >= reach_redis, "they reach Redis")
    neighbour.send(command("ECHO", "next"))
    wait_for(lambda: b"next" in fake.received, "so does the neighbour's")
    assert fake.commands() == reach_redis + 1
    fake.stop()


def test_who_is_alone_on_its_connection_to_redis_may_have_more_under_way(made):
    fake = Withholding()
    stack = made(redis_port=fake.port, io_threads=1)
    alone = stack.via()
    for _ in range(2):
        assert alone.ask("ECHO", "x") == b"+OK\r\n"
    fake.holds = True
    alone.send(command("ECHO", "x") * 5000)
    wait_for(lambda: fake.commands() > 4 * 64, "they reach Redis")
    fake.stop()
