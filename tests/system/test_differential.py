"""The same random commands to Redis directly and through Sluice: the same bytes come back.

Expected: over 200,000 commands of every data type, scripts, functions, transactions, blocking and
subscribing commands, errors and binary data, in RESP2 and RESP3, cut at random bytes: no byte
differs, whether a client is alone or others pipeline beside it, and whether it waits for each reply
or for none. A failure prints the stream's seed and the first reply that differs.
"""

import random

import pytest

from differential.play import HELLO_ID, Player, first_difference, play_all
from differential.stream import Stream
from passthrough_fixture import Raw, Stack

STREAM_COMMANDS = 2000
ALONE_STREAMS = 64
CROWD_ROUNDS, CROWD = 5, 8
FILLERS = 150  # keys that stay, so that the clock never resizes the table of keys

played = {"commands": 0}


@pytest.fixture(scope="module")
def stack():
    # The clock of Redis must not move keys about, since their order is part of replies; with a
    # high hz it ends the waits of blocking commands in time.
    made = Stack(redis_options=("--activerehashing", "no", "--hz", "500"))
    yield made
    assert made.stop() == 0, "the proxy did not end as SIGTERM asks"


def fresh_redis(stack):
    control = Raw(stack.port)
    for words in [("FLUSHALL",), ("SCRIPT", "FLUSH"), ("FUNCTION", "FLUSH"),
                  ("CONFIG", "RESETSTAT")]:
        assert control.ask(*words) == b"+OK\r\n"
    assert control.ask("MSET", *(word for n in range(FILLERS) for word in (f"fill{n}", n)))
    control.close()


def play(stack, port, streams, seed):
    """The same pieces for both sides: Player draws them from the seed."""
    fresh_redis(stack)
    return play_all([Player(port, data, stream.end, random.Random(seed))
                     for stream, data in streams])


def compare(stack, seed, streams):
    streams = [(stream, stream.bytes()) for stream in streams]
    direct = [play(stack, stack.redis_port, [one], seed)[0] for one in streams]
    via = play(stack, stack.port, streams, seed)
    played["commands"] += sum(len(stream.commands) for stream, _ in streams)
    for (stream, _), ours, theirs in zip(streams, direct, via):
        difference = first_difference(stream, ours, theirs)
        assert difference is None, f"seed {seed}: {difference}"


@pytest.mark.parametrize("part", range(4))
def test_one_client_gets_the_bytes_of_redis(stack, part):
    first = random.randrange(1 << 40)
    print("seed", first)
    for seed in range(first, first + ALONE_STREAMS // 4):
        compare(stack, seed, [Stream(seed, STREAM_COMMANDS)])


def test_clients_side_by_side_get_the_bytes_of_redis(stack):
    first = random.randrange(1 << 40)
    print("seed", first)
    for seed in range(first, first + CROWD_ROUNDS * CROWD, CROWD):
        compare(stack, seed, [Stream(seed + n, STREAM_COMMANDS, shared=True) for n in range(CROWD)])


def test_waiting_for_each_reply_makes_no_difference(stack):
    """Pipelined directly, one by one through Sluice."""
    seed = random.randrange(1 << 40)
    print("seed", seed)
    stream = Stream(seed, STREAM_COMMANDS, one_reply=True)
    direct = play(stack, stack.redis_port, [(stream, stream.bytes())], seed)[0]
    fresh_redis(stack)
    client = Raw(stack.port)
    via = [client.ask(*line) for line in stream.commands]
    client.close()
    difference = first_difference(stream, direct, HELLO_ID.sub(rb"\1#", b"".join(via)))
    assert difference is None, f"seed {seed}: {difference}"


def test_over_200_000_commands_were_compared(stack):
    assert played["commands"] >= 200_000, played
