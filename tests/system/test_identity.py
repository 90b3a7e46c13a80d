"""What speaks of the client's own connection speaks of the one to the proxy, in and out of MULTI.

Expected: the bytes that Redis would send; ids, names, pauses and unblockings of the proxy's
clients; a transaction takes every command that Redis takes in one; scripts outlive a restart of
Redis.
"""
import hashlib
import re
import time

import pytest

from passthrough_fixture import FakeRedis, Stack, command, wait_for


def talk(connection, *commands):
    """The replies to the commands, sent one by one."""
    return [connection.ask(*words) for words in commands]


def both(stack, *commands):
    """The same to Redis and through the proxy, at once and one by one: all must agree."""
    direct = talk(stack.direct(), *commands)
    assert talk(stack.via(), *commands) == direct
    pipelined = stack.via()
    pipelined.send(b"".join(command(*words) for words in commands))
    assert [pipelined.reply() for _ in commands] == direct
    return direct


M, E = ("MULTI",), ("EXEC",)
TRANSACTIONS = {
    "names": [M, ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "n"), ("GET", "none"),
              ("CLIENT", "GETNAME"), E, ("CLIENT", "GETNAME")],
    "bad name": [M, ("CLIENT", "SETNAME", "a b"), E, ("CLIENT", "GETNAME")],
    "unknown subcommand": [M, ("CLIENT", "FOO"), ("CLIENT", "SETNAME", "n"), E,
                           ("CLIENT", "GETNAME")],
    "arity": [M, ("CLIENT", "SETNAME"), E],
    "discarded": [M, ("CLIENT", "SETNAME", "n"), ("DISCARD",), ("CLIENT", "GETNAME")],
    "select": [("FLUSHALL",), M, ("SELECT", 3), ("SET", "in3", 1), ("SELECT", 99), E,
               ("GET", "in3"), ("SELECT", 0), ("GET", "in3")],
    "select nothing": [M, ("SELECT", "x"), ("SELECT",), E],
    "select no number": [M, ("SELECT", "x"), E],
    "auth": [M, ("AUTH", "x"), ("AUTH", "default", "x"), ("AUTH", "a", "b", "c"), E],
    "auth arity": [M, ("AUTH",), E],
    "nested": [M, M, ("WATCH", "k"), ("ECHO", "x"), E],
    "multi arity": [M, ("MULTI", "x"), E],
    "exec arity": [M, ("SET", "k", 1), ("EXEC", "x"), E],
    "no evict": [M, ("CLIENT", "NO-EVICT", "on"), ("CLIENT", "NO-EVICT", "x"), E],
    "tracking": [M, ("CLIENT", "TRACKINGINFO"), ("CLIENT", "GETREDIR"), E],
    "monitor": [M, ("MONITOR",), E, ("PING",)],
    "sync": [M, ("SYNC",), E],
    "replconf": [M, ("REPLCONF", "a", "b"), E],
    "debug": [M, ("DEBUG", "JMAP"), ("SCRIPT", "DEBUG", "YES"), E],
    "shutdown": [M, ("SHUTDOWN", "NOSAVE"), E],
    "blocking": [("DEL", "q"), M, ("BLPOP", "q", 0), ("XREAD", "BLOCK", 0, "STREAMS", "x", "$"), E],
    "config": [M, ("CONFIG", "GET", "maxmemory"), ("CONFIG",), E],
    "command": [M, ("COMMAND", "INFO", "get"), ("COMMAND", "GETKEYS", "get", "a"), E],
    "reset": [M, ("SET", "k", 1), ("RESET",), E],
    "exec alone": [E, ("DISCARD",)],
    "unblock nobody": [M, ("CLIENT", "UNBLOCK", 99999), ("CLIENT", "UNBLOCK", "x"),
                       ("CLIENT", "UNBLOCK", 1, "FOO"), E],
    "pause badly": [M, ("CLIENT", "PAUSE", "x"), ("CLIENT", "PAUSE", -1), ("CLIENT", "UNPAUSE"), E],
    "reply on": [M, ("CLIENT", "REPLY", "ON"), ("CLIENT", "REPLY", "X"), E],
    "watched": [("SET", "w", 1), ("WATCH", "w"), ("SET", "w", 2), M, ("CLIENT", "SETNAME", "n"), E,
                ("CLIENT", "GETNAME")],
    "kill nobody": [M, ("CLIENT", "KILL", "nobody:1"), ("CLIENT", "KILL", "ID", "x"), E],
}


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", TRANSACTIONS)
def test_a_transaction_takes_what_redis_takes(stack, name, protocol):
    def talked(connection, pipelined):
        connection.ask("HELLO", protocol)
        commands = TRANSACTIONS[name]
        if not pipelined:
            return talk(connection, *commands)
        connection.send(b"".join(command(*words) for words in commands))
        return [connection.reply() for _ in commands]

    expected = talked(stack.direct(), False)
    assert talked(stack.via(), False) == expected
    assert talked(stack.via(), True) == expected


def test_a_failed_login_in_a_transaction_is_told(stack):
    """Not compared: Redis 8.0 and Valkey 8.1 leave it out of EXEC's answer, and never end that."""
    via = stack.via()
    assert talk(via, M, ("AUTH", "nobody", "x"), ("ECHO", "a"), E)[3] == (
        b"*2\r\n-WRONGPASS invalid username-password pair or user is disabled.\r\n$1\r\na\r\n")


def test_a_refused_select_leaves_the_client_where_it_was(stack):
    for connect in (stack.direct, stack.via):
        raw = connect()
        talk(raw, ("SELECT", 3), ("SELECT", 99))
        assert b" db=3 " in raw.ask("CLIENT", "INFO")
        talk(raw, M, ("SELECT", 99), E)
        assert b" db=3 " in raw.ask("CLIENT", "INFO")


def test_hello_in_a_transaction_changes_the_protocol_of_what_follows(stack):
    for connect in (stack.direct, stack.via):
        raw = connect()
        raw.ask("HSET", "h", "f", "v")
        assert talk(raw, M, ("HGETALL", "h"), ("HELLO", 3), ("HGETALL", "h")) == [
            b"+OK\r\n", b"+QUEUED\r\n", b"+QUEUED\r\n", b"+QUEUED\r\n"]
        got = raw.ask("EXEC")
        assert got.startswith(b"*3\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n%7\r\n")
        assert got.endswith(b"%1\r\n$1\r\nf\r\n$1\r\nv\r\n")
        assert raw.ask("HGETALL", "h") == b"%1\r\n$1\r\nf\r\n$1\r\nv\r\n"
        assert raw.ask("HELLO", 2).startswith(b"*14\r\n")
        assert raw.ask("HGETALL", "h") == b"*2\r\n$1\r\nf\r\n$1\r\nv\r\n"


def test_reply_skip_and_off_in_a_transaction(stack):
    """Servers that queue CLIENT REPLY leave replies out; others refuse it, and EXEC with it."""
    told = []
    for connect in (stack.direct, stack.via):
        raw = connect()
        said = talk(raw, M, ("CLIENT", "REPLY", "SKIP"), ("ECHO", "a"))
        raw.send(command("EXEC") + command("ECHO", "skipped") + command("ECHO", "b"))
        queued = said[1] == b"+QUEUED\r\n"
        if queued:
            assert raw.read(18) == b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"
        else:
            said += [raw.reply() for _ in range(3)]
        raw = connect()
        said += talk(raw, M, ("CLIENT", "REPLY", "OFF"), ("ECHO", "a"), ("CLIENT", "GETNAME"))
        raw.send(command("EXEC") + command("CLIENT", "REPLY", "ON"))
        if queued:
            assert raw.read(9) == b"*3\r\n+OK\r\n"
        else:
            said += [raw.reply() for _ in range(2)]
        told.append(said)
    assert told[0] == told[1]


@pytest.mark.parametrize("protocol", [2, 3])
def test_subscribing_in_a_transaction(stack, protocol):
    outcome = []
    for connect in (stack.direct, stack.via):
        raw = connect()
        raw.ask("HELLO", protocol)
        raw.send(command("MULTI") + command("SUBSCRIBE", "a", "b") + command("PING") +
                 command("EXEC") + command("PING", "x"))
        got = [raw.reply() for _ in range(6)]
        stack.direct().ask("PUBLISH", "a", "hello")
        got.append(raw.reply())
        raw.send(command("UNSUBSCRIBE", "a", "b"))
        got += [raw.reply(), raw.reply()]
        got.append(raw.ask("GET", "none"))
        got.append(raw.ask("CLIENT", "GETNAME"))
        outcome.append(got)
    assert outcome[1] == outcome[0]


def test_info_and_config_of_the_proxy_in_a_transaction(stack):
    raw = stack.via()
    talk(raw, M, ("INFO",), ("CONFIG", "GET", "sluice.proxy.id"), ("CLIENT", "ID"))
    got = raw.ask("EXEC")
    assert b"# Sluice\r\n" in got
    assert re.search(rb"sluice\.proxy\.id\r\n\$\d\r\n\d+\r\n:", got)
    assert got.endswith(raw.ask("CLIENT", "ID"))


# ---- CLIENT

CLIENT_ERRORS = [
    ("CLIENT",), ("CLIENT", "FOO"), ("CLIENT", "ID", "x"), ("CLIENT", "UNBLOCK", "x"),
    ("CLIENT", "UNBLOCK", 99999), ("CLIENT", "UNBLOCK", 1, "FOO"), ("CLIENT", "UNBLOCK"),
    ("CLIENT", "PAUSE", "x"), ("CLIENT", "PAUSE", -1), ("CLIENT", "PAUSE", 1, "FOO"),
    ("CLIENT", "PAUSE", 1, "WRITE", "x"), ("CLIENT", "NO-EVICT", "x"), ("CLIENT", "NO-TOUCH", "on"),
    ("CLIENT", "TRACKINGINFO"), ("CLIENT", "GETREDIR"), ("CLIENT", "CACHING", "YES"),
    ("CLIENT", "TRACKING", "x"), ("CLIENT", "TRACKING", "OFF"),
    ("CLIENT", "TRACKING", "ON", "REDIRECT", 99999), ("CLIENT", "TRACKING", "ON", "FOO"),
    ("CLIENT", "HELP"), ("CLIENT", "KILL", "x"), ("CLIENT", "KILL", "ID", 0),
    ("CLIENT", "REPLY", "x"),
    ("CLIENT", "LIST", "TYPE", "x"), ("CLIENT", "LIST", "ID", "x"), ("CLIENT", "LIST", "FOO"),
    ("CLIENT", "KILL", "USER", "nobody"), ("CLIENT", "KILL", "TYPE", "x"), ("RESET", "x"),
    ("CLIENT", "SETNAME", "a\nb"), ("CLIENT", "GETNAME", "x"), ("HELLO", 4), ("HELLO", "x"),
    ("HELLO", 2, "FOO"), ("AUTH",), ("AUTH", "a", "b", "c"), ("AUTH", "x"), ("SELECT", 99)]


@pytest.mark.parametrize("words", CLIENT_ERRORS, ids=lambda words: " ".join(map(str, words)))
def test_errors_are_worded_as_by_redis(stack, words):
    both(stack, words, ("PING",))


def blocked_client(stack):
    blocked = stack.via()
    number = int(blocked.ask("CLIENT", "ID")[1:])
    blocked.send(command("BLPOP", "nothing", 0))
    direct = stack.direct()
    wait_for(lambda: b"blocked_clients:1\r\n" in direct.ask("INFO", "clients"), "the client blocks")
    return blocked, number


def test_unblock_finds_the_client_by_the_id_of_the_proxy(stack):
    for words, expected in [((), b"*-1\r\n"), (("TIMEOUT",), b"*-1\r\n"),
                            (("ERROR",), b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")]:
        blocked, number = blocked_client(stack)
        other = stack.via()
        assert other.ask("CLIENT", "UNBLOCK", number, *words) == b":1\r\n"
        assert blocked.reply() == expected
        assert other.ask("CLIENT", "UNBLOCK", number) == b":0\r\n"
        assert blocked.ask("PING") == b"+PONG\r\n"


def test_unblock_says_whether_it_was_the_one_to_end_the_wait(stack):
    """A push and an UNBLOCK at the same time: one of the two ends it, and both know which."""
    blocked, other, direct = stack.via(), stack.via(), stack.direct()
    number = int(blocked.ask("CLIENT", "ID")[1:])
    for _ in range(300):
        blocked.send(command("BLPOP", "raced", 0))
        wait_for(lambda: b"blocked_clients:1\r\n" in direct.ask("INFO", "clients"), "it blocks")
        direct.send(command("RPUSH", "raced", "x"))
        other.send(command("CLIENT", "UNBLOCK", number))
        pushed, unblocked, got = direct.reply(), other.reply(), blocked.reply()
        assert (pushed, got == b"*-1\r\n") == (b":1\r\n", unblocked == b":1\r\n")
        direct.ask("DEL", "raced")


class SlowToUnblock(FakeRedis):
    """Blocks clients, and does not answer CLIENT UNBLOCK."""

    def __init__(self):
        self.blocked, self.asked = [], False
        super().__init__(None)

    def answer(self, connection):
        while data := connection.recv(1 << 16):
            if b"UNBLOCK" in data:
                self.asked = True
            elif b"BLPOP" in data:
                self.blocked.append(connection)
            else:
                connection.sendall(b":7\r\n" if data == command("CLIENT", "ID") else b"+OK\r\n")


def test_unblock_never_meets_the_next_client_on_the_connection():
    """Until Redis has answered it, the connection that it names goes to nobody else."""
    fake = SlowToUnblock()
    stack = Stack(io_threads=1, redis_port=fake.port)
    try:
        first, other, following = stack.via(), stack.via(), stack.via()
        number = int(first.ask("CLIENT", "ID")[1:])

        def blocks(client):
            count = len(fake.blocked)
            client.send(command("BLPOP", "list", 0))
            wait_for(lambda: len(fake.blocked) > count, "the client blocks")
            return fake.blocked[-1]

        named = blocks(first)
        other.send(command("CLIENT", "UNBLOCK", number))
        wait_for(lambda: fake.asked, "Redis is asked")
        named.sendall(b"*-1\r\n")
        assert first.reply() == b"*-1\r\n"
        another = blocks(following)
        assert another is not named
        another.sendall(b"*-1\r\n")
        assert following.reply() == b"*-1\r\n"
        assert blocks(first) is another, "a connection that nobody named is used again"
    finally:
        fake.stop()
        stack.stop()


def test_tracking_may_be_redirected_to_a_client_that_is_not_yet_subscribed(stack):
    target, tracker = stack.via(), stack.via()
    number = int(target.ask("CLIENT", "ID")[1:])
    assert tracker.ask("CLIENT", "TRACKING", "ON", "REDIRECT", number) == b"+OK\r\n"
    assert tracker.ask("CLIENT", "GETREDIR") == b":%d\r\n" % number
    assert b"redirect\r\n:%d\r\n" % number in tracker.ask("CLIENT", "TRACKINGINFO")
    assert b"redir=%d " % number in tracker.ask("CLIENT", "INFO")
    target.ask("SUBSCRIBE", "__redis__:invalidate")
    tracker.ask("GET", "watched")
    stack.direct().ask("SET", "watched", 1)
    assert target.reply().endswith(b"*1\r\n$7\r\nwatched\r\n")


def test_tracking_off_looks_whether_there_is_the_client_it_names(stack):
    via = stack.via()
    number = int(via.ask("CLIENT", "ID")[1:])
    for _ in range(2):  # before and while it tracks
        assert via.ask("CLIENT", "TRACKING", "OFF", "REDIRECT", number) == b"+OK\r\n"
        assert via.ask("CLIENT", "TRACKING", "OFF", "REDIRECT", 987654321) == (
            b"-ERR The client ID you want redirect to does not exist\r\n")
        assert via.ask("CLIENT", "TRACKING", "ON") == b"+OK\r\n"


def test_a_refused_tracking_ties_no_connection(own_stack):
    via, direct = own_stack.via(), own_stack.direct()
    via.ask("PING")

    def given_up():
        """No connection's last command was a CLIENT, but that of the one who asks."""
        lines = direct.ask("CLIENT", "LIST").split(b"\n")
        return not any(b" cmd=client" in line and b"client|list" not in line for line in lines)

    for line in (("CLIENT", "TRACKING", "ON", "OPTIN", "OPTOUT"), ("CLIENT", "FOO")):
        assert via.ask(*line).startswith(b"-ERR")
        wait_for(given_up, "the connection is given up")


def elapsed(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


def test_a_pause_of_writes_holds_writes_and_purchases_only(own_stack):
    stack = own_stack
    one, other, buyer = stack.via(), stack.via(), stack.via()
    wait_for(lambda: one.ask("SECKILL.CREATE", "phone", "STOCK", 5) == b"+OK\r\n", "the gate opens")
    assert one.ask("CLIENT", "PAUSE", 60_000, "WRITE") == b"+OK\r\n"
    other.send(command("GET", "a") + command("SET", "a", 1) + command("GET", "a"))
    buyer.send(command("SECKILL.STOCK", "phone") + command("SECKILL.BUY", "phone", "ann"))
    assert other.reply() == b"$-1\r\n"
    assert buyer.reply().startswith(b"*16\r\n")
    assert stack.direct().ask("SET", "direct", 1) == b"+OK\r\n", "Redis itself is not paused"
    third = stack.via()
    assert third.ask("GET", "a") == b"$-1\r\n", "the write waits"
    assert b"sold\r\n:0\r\n" in third.ask("SECKILL.STOCK", "phone"), "the purchase waits"
    assert third.ask("CLIENT", "UNPAUSE") == b"+OK\r\n"
    assert other.reply() == b"+OK\r\n" and other.reply() == b"$1\r\n1\r\n"
    assert buyer.reply().startswith(b"*4\r\n$2\r\nOK\r\n")


def test_a_pause_of_writes_holds_the_exec_of_writes_only(own_stack):
    reader, writer, admin = own_stack.via(), own_stack.via(), own_stack.via()
    for client, line in ((reader, ("GET", "a")), (writer, ("SET", "a", 1))):
        assert client.ask("MULTI") == b"+OK\r\n" and client.ask(*line) == b"+QUEUED\r\n"
    assert admin.ask("CLIENT", "PAUSE", 60_000, "WRITE") == b"+OK\r\n"
    writer.send(command("EXEC"))
    assert reader.ask("EXEC") == b"*1\r\n$-1\r\n"
    assert reader.ask("EXEC") == b"-ERR EXEC without MULTI\r\n"
    assert own_stack.direct().ask("GET", "a") == b"$-1\r\n", "the writing one waits"
    assert admin.ask("CLIENT", "UNPAUSE") == b"+OK\r\n"
    assert writer.reply() == b"*1\r\n+OK\r\n"


def test_a_pause_of_all_ends_by_itself(own_stack):
    one, other = own_stack.via(), own_stack.via()
    other.ask("PING")
    assert one.ask("CLIENT", "PAUSE", 300) == b"+OK\r\n"
    assert elapsed(lambda: other.ask("PING")) > 0.2
    assert elapsed(lambda: other.ask("PING")) < 0.2


# ---- Scripts

def sha(body):
    return hashlib.sha1(body.encode()).hexdigest()


def restart_redis(stack):
    stack.kill_redis()
    stack.start_redis()
    probe = stack.via()
    wait_for(lambda: probe.ask("PING") == b"+PONG\r\n", "Redis is reachable again")


@pytest.mark.parametrize("learn", ["EVAL", "LOAD"])
def test_a_restart_of_redis_forgets_no_script(own_stack, learn):
    stack = own_stack
    body = "return 'from " + learn + "'"
    via = stack.via()
    via.ask("EVAL", body, 0) if learn == "EVAL" else via.ask("SCRIPT", "LOAD", body)
    expected = stack.direct().ask("EVAL", body, 0)
    clients = [stack.via() for _ in range(4)]  # on both I/O threads
    for _ in range(2):
        restart_redis(stack)
        for client in clients:
            wait_for(lambda: client.ask("PING") == b"+PONG\r\n", "this thread is connected again")
            client.send(command("EVALSHA", sha(body).upper(), 0) + command("ECHO", "x"))
            assert client.reply() == expected and client.reply() == b"$1\r\nx\r\n"


def test_a_restart_forgets_no_script_for_transactions_and_watchers(own_stack):
    stack = own_stack
    via = stack.via()
    for body in ("return 1", "return 2"):
        via.ask("SCRIPT", "LOAD", body)
    restart_redis(stack)
    one = stack.via()
    wait_for(lambda: one.ask("PING") == b"+PONG\r\n", "connected again")
    one.send(command("MULTI") + command("EVALSHA", sha("return 1"), 0) + command("EXEC") +
             command("WATCH", "k") + command("EVALSHA", sha("return 2"), 0) + command("UNWATCH"))
    assert [one.reply() for _ in range(6)] == [
        b"+OK\r\n", b"+QUEUED\r\n", b"*1\r\n:1\r\n", b"+OK\r\n", b":2\r\n", b"+OK\r\n"]


def test_a_flushed_script_stays_forgotten(own_stack):
    stack = own_stack
    via = stack.via()
    via.ask("SCRIPT", "LOAD", "return 3")
    assert via.ask("EVALSHA", sha("return 3"), 0) == b":3\r\n"
    via.ask("SCRIPT", "FLUSH")
    assert via.ask("EVALSHA", sha("return 3"), 0).startswith(b"-NOSCRIPT ")
    restart_redis(stack)
    wait_for(lambda: via.ask("PING") == b"+PONG\r\n", "connected again")
    assert via.ask("EVALSHA", sha("return 3"), 0).startswith(b"-NOSCRIPT ")


# ---- Replication and the debugger of scripts

def test_a_replica_is_served(stack):
    replica = stack.via()
    assert replica.ask("REPLCONF", "listening-port", 1) == b"+OK\r\n"
    replica.send(command("SYNC"))
    head = replica.line()
    while not head.strip():
        head = replica.line()
    assert replica.read(int(head[1:-2]))[:5] in (b"REDIS", b"VALKE")
    # What REPLCONF said is known of the connection that SYNC came on.
    assert b",port=1," in stack.direct().ask("INFO", "replication")
    stack.direct().ask("SET", "replicated", 1)
    wait_for(lambda: b"replicated" in replica.line(), "the write arrives")
    replica.close()


def test_the_debugger_of_scripts(stack):
    outcome = []
    for connect in (stack.direct, stack.via):
        raw = connect()
        raw.send(command("SCRIPT", "DEBUG", "YES"))
        got = [raw.reply()]
        raw.send(command("EVAL", "local a = 1\nreturn a", 0))
        got.append(raw.reply())
        raw.send(command("continue"))
        got.append(raw.until_closed())
        outcome.append(got)
    assert outcome[0] == outcome[1]


# ---- SECKILL.SLOWLOG

def test_the_slow_log_of_purchases():
    stack = Stack(sets=["slowlog.log_slower_than=0s", "slowlog.max_len=2"])
    try:
        via = stack.via()
        wait_for(lambda: via.ask("SECKILL.CREATE", "i", "STOCK", 5) == b"+OK\r\n", "the gate opens")
        via.ask("SECKILL.BUY", "i", "ann")
        via.ask("SECKILL.STOCK", "i")
        assert via.ask("SECKILL.SLOWLOG", "LEN") == b":2\r\n"
        got = via.ask("SECKILL.SLOWLOG", "GET", 1)
        assert got.startswith(b"*1\r\n*4\r\n:") and got.endswith(command("SECKILL.STOCK", "i"))
        assert command("SECKILL.BUY", "i", "ann") in via.ask("SECKILL.SLOWLOG", "GET", -1)
        assert via.ask("SECKILL.SLOWLOG", "GET", -2).startswith(b"-ERR count should be")
        assert via.ask("SECKILL.SLOWLOG", "RESET") == b"+OK\r\n"
        assert via.ask("SECKILL.SLOWLOG", "GET") == b"*0\r\n"
        assert via.ask("SLOWLOG", "LEN") == stack.direct().ask("SLOWLOG", "LEN")
    finally:
        stack.stop()
