"""What purchases, scripts and connections of their own may use up; see test_protection.py."""
import hashlib
import re
import signal
import socket
import time

import pytest

from passthrough_fixture import command, wait_for
from protection_fixture import created, is_cut


def test_connections_of_their_own_up_to_the_limit(made):
    stack = made("limits.pinned_connections=3")
    holders = [stack.via() for _ in range(3)]
    for client in holders:
        assert client.ask("MULTI") == b"+OK\r\n"
    refused = stack.via()
    assert refused.ask("MULTI").startswith(b"-ERR Sluice: too many clients hold")
    assert is_cut(refused, 5)
    assert holders[0].ask("DISCARD") == b"+OK\r\n"
    next_one = stack.via()
    assert next_one.ask("MULTI") == b"+OK\r\n"
    assert next_one.ask("EXEC") == b"*0\r\n"


def test_scripts_up_to_the_memory_for_them(made):
    """Two that fit into 8 KiB, not into 4: the one used last is known to a Redis that restarted."""
    older, recent = ("return '" + letter * 3000 + "'" for letter in "ab")
    for memory, kept in (("0B", ()), ("4KiB", (recent,)), ("8KiB", (older, recent))):
        stack = made(f"limits.script_cache={memory}")
        client = stack.via()
        for body in (older, recent):
            assert client.ask("SCRIPT", "LOAD", body)[:1] == b"$"
        stack.kill_redis()
        stack.start_redis()
        wait_for(lambda: client.ask("PING") == b"+PONG\r\n", "Redis is reachable again")
        for body in (older, recent):
            reply = client.ask("EVALSHA", hashlib.sha1(body.encode()).hexdigest(), 0)
            assert reply.startswith(b"$3000\r\n" if body in kept else b"-NOSCRIPT "), memory


def test_items_up_to_the_limit(made):
    stack = made("limits.items=2")
    client = stack.via()
    created(client, "a")
    created(client, "b")
    assert client.ask("SECKILL.CREATE", "c", "STOCK", 1).startswith(b"-BUSY limits.items")
    for item in "ab":
        assert client.ask("SECKILL.BUY", item, "ann").startswith(b"*4\r\n$2\r\nOK\r\n")


@pytest.mark.parametrize("batch", [1, 2, 4096])
def test_batches_and_queues_bound_nothing_but_the_pace(made, batch):
    # Without the lease Redis is asked for each of them, also for those that are too late.
    stack = made(f"limits.batch_purchases={batch}", "limits.soldout_lease=0s")
    client = stack.via()
    created(client, "phone")
    client.send(b"".join(command("SECKILL.BUY", "phone", f"u{n}") for n in range(1100)))
    replies = [client.reply() for _ in range(1100)]
    assert all(b"$2\r\nOK\r\n" in reply for reply in replies[:1000])
    assert all(b"SOLDOUT" in reply for reply in replies[1000:])
    stats = stack.direct().ask("INFO", "commandstats")
    calls = int(re.search(rb"cmdstat_evalsha:calls=(\d+)", stats)[1])
    # Refusals may come without a call, once it is known that all is sold.
    assert calls >= 1000 / batch and (batch < 4096 or calls < 1100 / 2)


def test_purchases_in_flight_up_to_the_limit(made):
    stack = made("limits.purchases_in_flight=10", "limits.redis_timeout=60s", io_threads=1)
    client = stack.via()
    created(client, "phone")
    stack.redis.send_signal(signal.SIGSTOP)
    try:
        buy(client, 10)
        other = stack.via()
        assert other.ask("SECKILL.HELP").startswith(b"*")  # those ten are on their way to Redis
        buy(other, 11)
        watching = stack.via()
        wait_for(lambda: b"purchases_busy\r\n$1\r\n1" in watching.ask("SECKILL.STATUS"), "refused")
    finally:
        stack.redis.send_signal(signal.SIGCONT)
    outcomes = [one.reply() for one, count in ((client, 10), (other, 11)) for _ in range(count)]
    assert all(b"$2\r\nOK\r\n" in reply for reply in outcomes[:20]), outcomes
    assert outcomes[20].startswith(b"-BUSY limits.purchases_in_flight")


def buy(client, count):
    users = [f"{id(client)}-{n}" for n in range(count)]
    client.send(b"".join(command("SECKILL.BUY", "phone", user) for user in users))


def test_a_redis_that_stalls_costs_the_time_limit(made):
    stack = made("limits.redis_timeout=1s")
    client = stack.via()
    created(client, "phone")
    for stalls_s, outcome in ((0.3, b"*4\r\n$2\r\nOK"), (2.5, b"-UNKNOWNSTATE")):
        stack.redis.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        client.send(command("SECKILL.BUY", "phone", f"ann{stalls_s}"))
        client.socket.settimeout(stalls_s)
        try:
            wait_for(lambda: client.socket.recv(1, socket.MSG_PEEK), "a reply", stalls_s)
        except TimeoutError:
            pass
        waited = time.monotonic() - begun
        stack.redis.send_signal(signal.SIGCONT)
        client.socket.settimeout(10)
        assert client.reply().startswith(outcome)
        assert outcome[:1] == b"*" or waited < 2.4
