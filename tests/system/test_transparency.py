"""What attacks on the transparency of the proxy found: odd states, odd orders, odd moments.

Expected: whatever state a client has brought its connection into, it gets the bytes that Redis
would send, keeps what Redis would keep, and no other client notices.
"""
import hashlib
import re

import pytest

from passthrough_fixture import Stack, command, wait_for

HELLO_ID = re.compile(rb"(\$2\r\nid\r\n:)\d+")
END = b"$3\r\nend\r\n"


def talk(connection, *commands):
    return [connection.ask(*words) for words in commands]


def answers(connection, commands):
    """All that comes back for the commands, sent at once; bytes are sent as they are."""
    connection.send(b"".join(words if isinstance(words, bytes) else command(*words)
                             for words in (*commands, ("ECHO", "end"))))
    got = b""
    while not got.endswith(END):
        got += connection.line()
    return HELLO_ID.sub(rb"\1#", got)


OFF, ON, SKIP = [("CLIENT", "REPLY", word) for word in ("OFF", "ON", "SKIP")]
PING, MULTI, EXEC = ("PING",), ("MULTI",), ("EXEC",)
STATES = {
    "a subscription ends no WATCH": [
        ("SET", "k", 1), ("WATCH", "k"), ("SUBSCRIBE", "a"), ("UNSUBSCRIBE", "a"), ("SET", "k", 2),
        MULTI, ("SET", "k", 3), EXEC, ("GET", "k")],
    "RESET as a subscriber ends a WATCH": [
        ("SET", "k", 1), ("WATCH", "k"), ("SUBSCRIBE", "a"), ("RESET",), ("SET", "k", 2),
        MULTI, ("SET", "k", 3), EXEC, ("UNWATCH",), ("GET", "k")],
    "SKIP does not outlive SUBSCRIBE": [SKIP, ("SUBSCRIBE", "a"), PING, ("UNSUBSCRIBE", "a"), PING],
    "SKIP does not outlive UNSUBSCRIBE": [SKIP, ("UNSUBSCRIBE",), PING],
    "SKIP swallows the answer to RESET": [SKIP, ("RESET",), PING],
    "SKIP swallows it within a WATCH": [("WATCH", "k"), SKIP, ("RESET",), PING],
    "OFF does not outlive RESET": [OFF, PING, ("RESET",), PING],
    "an answer of the proxy follows a subscription": [
        ("SUBSCRIBE", "a"), ("UNSUBSCRIBE", "a"), ("ACL", "WHOAMI"), ("CLIENT", "GETNAME")],
    "REDIRECT to no number": [("CLIENT", "TRACKING", "ON", "REDIRECT", "x")],
    "REDIRECT behind a wrong word": [("CLIENT", "TRACKING", "ON", "FOO", "REDIRECT", 99999)],
    "REDIRECT to nobody before a wrong word": [
        ("CLIENT", "TRACKING", "ON", "REDIRECT", 99999, "FOO")],
    "REDIRECT to client 0": [("CLIENT", "TRACKING", "ON", "REDIRECT", 0)],
    "REDIRECT to nobody in MULTI": [
        MULTI, ("CLIENT", "TRACKING", "ON", "REDIRECT", 99999), ("CLIENT", "GETREDIR"), EXEC],
    "REPLCONF without pairs": [("REPLCONF", "ACK", 1, "x"), ("REPLCONF", "ACK")],
}
STATES_RESP3 = {
    "a message within EXEC's answer": [
        ("SUBSCRIBE", "a"), MULTI, ("PUBLISH", "a", "m"), PING, EXEC, ("UNSUBSCRIBE", "a")],
    "a message within EXEC's rewritten answer": [
        ("SUBSCRIBE", "a"), MULTI, ("CLIENT", "GETNAME"), ("PUBLISH", "a", "m"),
        ("CLIENT", "GETNAME"), EXEC, ("UNSUBSCRIBE", "a")],
    "a message within a script's answer": [
        ("SUBSCRIBE", "a"), ("EVAL", "return {redis.call('publish', 'a', 'm'), 2}", 0),
        ("UNSUBSCRIBE", "a")],
    "CACHING outlives CLIENT": [
        ("SET", "k", 1), ("CLIENT", "TRACKING", "ON", "OPTIN"), ("CLIENT", "CACHING", "YES"),
        ("CLIENT", "GETNAME"), ("GET", "k"), ("SET", "k", 2)],
    "HELLO there and back in MULTI of a subscriber": [
        ("SUBSCRIBE", "a"), MULTI, ("HELLO", 2), ("CLIENT", "GETNAME"), ("HELLO", 3), PING, EXEC,
        PING, ("PUBLISH", "a", "m"), ("UNSUBSCRIBE", "a")],
    "HELLO in MULTI of one who was a subscriber": [
        ("SUBSCRIBE", "a"), ("UNSUBSCRIBE",), MULTI, ("HELLO", 2), PING, ("HELLO", 3), EXEC, PING,
        MULTI, ("HELLO", 2), EXEC, PING, ("GET", "none"), ("HELLO", 3), ("GET", "none")],
    "HELLO 2 of a subscriber": [
        ("SUBSCRIBE", "a"), ("HELLO", 2), PING, ("GET", "k"), ("UNSUBSCRIBE", "a"),
        ("GET", "none")],
    "HELLO 2 of one who was a subscriber": [
        ("SUBSCRIBE", "a"), ("UNSUBSCRIBE",), ("HELLO", 2), ("GET", "none"), ("HELLO", 3),
        ("GET", "none")],
}
CASES = [(2, name) for name in STATES] + [(3, name) for name in {**STATES, **STATES_RESP3}]


@pytest.mark.parametrize("protocol, name", CASES)
def test_odd_states_answer_as_redis_does(stack, protocol, name):
    commands = [("HELLO", protocol), *{**STATES, **STATES_RESP3}[name]]
    expected = answers(stack.direct(), commands)
    assert answers(stack.via(), commands) == expected


@pytest.mark.parametrize("empty", [b"*0\r\n", b"\r\n"])
def test_skip_is_spent_on_an_empty_command(stack, empty):
    """As with every server but Redis 8.0, which leaves out the answer to the next command."""
    assert answers(stack.via(), [SKIP, empty, PING, SKIP, PING]) == b"+PONG\r\n$3\r\nend\r\n"


def test_a_subscriber_that_goes_back_to_resp2_gets_messages_as_arrays(stack):
    outcome = []
    for connect in (stack.direct, stack.via):
        raw = connect()
        # The PING: the proxy answers HELLO before Redis has heard of it.
        talk(raw, ("HELLO", 3), ("SUBSCRIBE", "news"), ("HELLO", 2), PING)
        stack.direct().ask("PUBLISH", "news", "hello")
        got = [raw.reply()]
        got += talk(raw, PING, ("GET", "k"), ("UNSUBSCRIBE", "news"), ("GET", "none"),
                    ("HELLO", 3), ("SUBSCRIBE", "news"))[:4]
        stack.direct().ask("PUBLISH", "news", "again")
        outcome.append(got + [raw.reply()])
        raw.close()
    assert outcome[1] == outcome[0]


def test_a_transaction_redirects_invalidations_to_the_client_it_names(stack):
    target, tracker = stack.via(), stack.via()
    number = int(target.ask("CLIENT", "ID")[1:])
    assert talk(tracker, MULTI, ("CLIENT", "TRACKING", "ON", "REDIRECT", number),
                ("CLIENT", "GETREDIR"), EXEC) == [
        b"+OK\r\n", b"+QUEUED\r\n", b"+QUEUED\r\n", b"*2\r\n+OK\r\n:%d\r\n" % number]
    assert b"redir=%d " % number in tracker.ask("CLIENT", "INFO")
    target.ask("SUBSCRIBE", "__redis__:invalidate")
    tracker.ask("GET", "watched")
    stack.direct().ask("SET", "watched", 1)
    assert target.reply().endswith(b"*1\r\n$7\r\nwatched\r\n")


def test_who_is_to_get_invalidations_suffers_from_no_lack_of_connections(made):
    stack = made("limits.pinned_connections=1")
    holder, target, tracker = stack.via(), stack.via(), stack.via()
    assert holder.ask("WATCH", "k") == b"+OK\r\n"
    number = int(target.ask("CLIENT", "ID")[1:])
    assert tracker.ask("CLIENT", "TRACKING", "ON", "REDIRECT", number).startswith(b"-ERR ")
    assert target.ask("PING") == b"+PONG\r\n"


def test_connections_kept_for_later_are_not_kept_from_the_other_thread(made):
    stack = made("limits.pinned_connections=2")
    one, other, two = (stack.via() for _ in range(3))  # they go to the two threads in turn
    for words in [("WATCH", "k"), ("UNWATCH",)]:
        assert one.ask(*words) == two.ask(*words) == b"+OK\r\n"
    assert other.ask("WATCH", "k") == b"+OK\r\n"


def test_subscribing_and_selecting_in_one_transaction_is_refused_whole(stack):
    raw = stack.via()
    talk(raw, ("SET", "k", "in 0"), MULTI, ("SELECT", 3), ("SUBSCRIBE", "a"), ("SET", "k", "in 3"))
    assert raw.ask("EXEC").startswith(b"-EXECABORT ")
    assert talk(raw, ("GET", "k"), ("PUBSUB", "NUMSUB", "a")) == [
        b"$4\r\nin 0\r\n", b"*2\r\n$1\r\na\r\n:0\r\n"]


@pytest.mark.parametrize("words", [("SCRIPT", "DEBUG", "NO"), ("SCRIPT", "DEBUG", "X"), ("PSYNC",)])
def test_who_neither_debugs_nor_replicates_keeps_its_identity(stack, words):
    raw = stack.via()
    number = raw.ask("CLIENT", "ID")
    assert raw.ask(*words) == stack.direct().ask(*words)
    assert raw.ask("CLIENT", "ID") == number


@pytest.mark.parametrize("tied", [False, True])
def test_a_redis_that_loads_its_data_forgets_no_script(made, tied):
    """EVALSHA comes while Redis still loads, so the script cannot be loaded yet."""
    stack = made(io_threads=1, redis_options=("--rdbcompression", "no"))
    via, body = stack.via(), "return 'loaded again'"
    sha = hashlib.sha1(body.encode()).hexdigest()
    via.ask("SCRIPT", "LOAD", body)
    direct = stack.direct()
    direct.ask("MSET", *(word for n in range(300) for word in (f"key{n}", "x" * 100)))
    assert direct.ask("SAVE") == b"+OK\r\n"
    stack.kill_redis()
    stack.redis_options = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes",
                           "1024")
    stack.start_redis()
    client = stack.via()
    wait_for(lambda: client.ask("PING").startswith(b"-LOADING"), "Redis is reached while it loads")
    if tied:
        client.ask("WATCH", "k")
    assert client.ask("EVALSHA", sha, 0).startswith(b"-LOADING")
    assert client.ask("EVAL", body, 0).startswith(b"-LOADING")
    wait_for(lambda: client.ask("PING") == b"+PONG\r\n", "the data is loaded")
    assert client.ask("EVALSHA", sha, 0) == b"$12\r\nloaded again\r\n"
