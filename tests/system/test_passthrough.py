"""What is not a purchase goes to Redis and comes back byte for byte, in order, to its client only.

Expected of the proxy: the same bytes as a direct connection for every command that does not speak
of the connection itself; transactions, blocking commands and subscriptions work; bad input costs
its sender at most the connection; a Redis that goes away gives errors, and works again by itself.
"""
import random
import socket
import subprocess
import threading
import time
import tomllib

import pytest
import redis

from harness.shelves import shelf_key
from passthrough_fixture import PROXY, ROOT, Stack, command, wait_for


def test_nothing_is_written_to_redis_before_the_first_purchase_command(own_stack):
    direct, via = own_stack.direct(), own_stack.via()
    for words in [("DBSIZE",), ("KEYS", "*"), ("SECKILL.LIST",), ("SECKILL.STATUS",)]:
        via.ask(*words)
    assert direct.ask("DBSIZE") == via.ask("DBSIZE") == b":0\r\n"
    # The command that wakes the sale is answered as any other, and so are those right behind it.
    data = command("SECKILL.CREATE", "phone", "STOCK", 2) + command("SECKILL.BUY", "phone", "ann")
    via.send(data)
    assert via.reply() == b"+OK\r\n"
    assert via.reply().startswith(b"*4\r\n$2\r\nOK\r\n")
    assert direct.ask("EXISTS", shelf_key("phone")) == b":1\r\n"


def random_commands(rng, count):
    """Commands of every data type with replies that depend on nothing but the stream itself."""
    def key(kind):
        return f"{kind}{rng.randrange(5)}"

    def value():
        return bytes(rng.randrange(256) for _ in range(rng.choice([0, 1, 3, 20, 300])))

    makers = [
        lambda: ("SET", key("s"), value()), lambda: ("GET", key("s")),
        lambda: ("APPEND", key("s"), value()), lambda: ("INCR", key("n")),
        lambda: ("INCRBYFLOAT", key("f"), "0.5"), lambda: ("MGET", key("s"), key("n"), "none"),
        lambda: ("RPUSH", key("l"), value(), value()), lambda: ("LRANGE", key("l"), 0, -1),
        lambda: ("LPOP", key("l")), lambda: ("HSET", key("h"), value(), value()),
        lambda: ("HGETALL", key("h")), lambda: ("HINCRBY", key("h"), "n", 1),
        lambda: ("SADD", key("t"), rng.randrange(9)), lambda: ("SISMEMBER", key("t"), 3),
        lambda: ("SCARD", key("t")), lambda: ("ZADD", key("z"), rng.randrange(9), value()),
        lambda: ("ZRANGE", key("z"), 0, -1, "WITHSCORES"), lambda: ("ZSCORE", key("z"), "none"),
        lambda: ("XADD", key("x"), "*", "a", value())[:2] + ("1-" + str(rng.randrange(1, 9**6)),
                                                           "a", "b"),
        lambda: ("XRANGE", key("x"), "-", "+"), lambda: ("SETBIT", key("b"), rng.randrange(99), 1),
        lambda: ("PFADD", key("p"), rng.randrange(9)), lambda: ("PFCOUNT", key("p")),
        lambda: ("GEOADD", key("g"), 13.3, 38.1, rng.randrange(3)),
        lambda: ("GEOPOS", key("g"), 1, 2), lambda: ("TYPE", key("l")), lambda: ("DEL", key("l")),
        lambda: ("EVAL", "return {1,'a',{2,false},redis.status_reply('x')}", 0),
        lambda: ("EVAL", "return redis.error_reply('MY x')", 0), lambda: ("NOSUCH", value()),
        lambda: ("GET",), lambda: ("HGET", key("s"), "f"), lambda: ("PING",),
        lambda: ("ECHO", value()), lambda: ("MULTI",), lambda: ("EXEC",), lambda: ("DISCARD",),
        lambda: ("WATCH", key("s")), lambda: ("UNWATCH",), lambda: ("SELECT", rng.randrange(2)),
        lambda: ("SELECT", 99), lambda: ("OBJECT", "ENCODING", key("s")),
        lambda: ("LPUSH", "q", 1), lambda: ("BLPOP", "q", "nokey", "0.01"),
        lambda: ("CONFIG", "GET", "maxmemory"), lambda: ("COMMAND", "INFO", "get", "nosuch"),
        lambda: ("", value()), lambda: ("PUBLISH", "c", "m"), lambda: ("DBSIZE",),
        lambda: ("SET", "big", "x" * rng.choice([1, 70_000, 300_000])), lambda: ("GET", "big"),
        lambda: ("STRLEN", "big"), lambda: ("XREAD", "COUNT", 2, "STREAMS", key("x"), "0"),
        lambda: ("WAIT", 0, 1), lambda: ("DEBUG", "JMAP"),
    ]
    return [rng.choice(makers)() for _ in range(count)] + [("DISCARD",)]


def replies(connection, data, count, cuts):
    got = []
    reader = threading.Thread(target=lambda: got.extend(connection.reply() for _ in range(count)))
    reader.start()
    at = 0
    for cut in cuts + [len(data)]:
        connection.send(data[at:cut])
        at = cut
    reader.join(60)
    assert len(got) == count, f"{len(got)} replies of {count}"
    return got


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("round_number", range(3))
def test_random_streams_get_the_bytes_that_redis_would_send(stack, protocol, round_number):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    commands = random_commands(rng, 1500)
    data = b"".join(command(*words) for words in commands)
    cuts = sorted(rng.randrange(len(data)) for _ in range(60))
    outcome = []
    for connect in (stack.direct, stack.via):
        connection = connect()
        connection.ask("FLUSHALL")
        connection.ask("SCRIPT", "FLUSH")
        connection.ask("HELLO", protocol)
        outcome.append(replies(connection, data, len(commands), cuts))
        connection.close()
    for words, direct, via in zip(commands, *outcome):
        assert direct == via, f"seed {seed}: {words}"


def test_inline_commands(stack):
    data = b"SET k \"a \\x41\"\r\n\r\nGET k\nPING\r\n"
    for connect in (stack.direct, stack.via):
        connection = connect()
        connection.send(data)
        replies = [connection.reply() for _ in range(3)]
        assert replies == [b"+OK\r\n", b"$3\r\na A\r\n", b"+PONG\r\n"]


def test_redis_py_with_default_options(stack):
    client = redis.Redis(port=stack.port)
    assert client.ping() and client.set("a", 1) and client.get("a") == b"1"
    pipe = client.pipeline()
    for i in range(1000):
        pipe.set(f"pipe{i}", i)
    assert pipe.execute() == [True] * 1000
    pipe = client.pipeline(transaction=False)
    for i in range(1000):
        pipe.get(f"pipe{i}")
    assert pipe.execute() == [b"%d" % i for i in range(1000)]
    assert client.eval("return ARGV[1]", 0, "x") == b"x"
    assert client.info()["redis_version"] and "sluice_intake" in client.info("sluice")
    assert client.client_id() > 0
    assert client.client_setname("me") and client.client_getname() == "me"


def test_watch_sees_another_client(stack):
    client = redis.Redis(port=stack.port)
    other = redis.Redis(port=stack.port)
    client.set("watched", 0)
    with client.pipeline() as pipe:
        pipe.watch("watched")
        other.set("watched", 1)
        pipe.multi()
        pipe.set("watched", 2)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.get("watched") == b"1"
    client.transaction(lambda pipe: pipe.multi() or pipe.incr("watched"), "watched")
    assert client.get("watched") == b"2"


def test_a_sale_command_in_a_transaction_aborts_it(stack):
    connection = stack.via()
    assert connection.ask("MULTI") == b"+OK\r\n"
    assert connection.ask("SET", "never", "1") == b"+QUEUED\r\n"
    assert connection.ask("SECKILL.BUY", "i", "u").startswith(b"-ERR Sluice: 'seckill.buy'")
    assert connection.ask("EXEC").startswith(b"-EXECABORT ")
    assert connection.ask("GET", "never") == b"$-1\r\n"


def test_a_blocked_client_blocks_nobody_else(stack):
    blocked = [stack.via() for _ in range(20)]
    for i, one in enumerate(blocked):
        one.send(command("BLPOP", f"block{i}", 0) + command("ECHO", i))
    other = stack.via()
    assert other.ask("PING") == b"+PONG\r\n"
    for i, one in enumerate(blocked):
        wait_for(lambda: other.ask("RPUSH", f"block{i}", i) != b"" and True, "push")
        assert one.reply() == b"*2\r\n" + command(f"block{i}", i)[4:]
        assert one.reply() == command("ECHO", i)[14:]


def test_a_blocked_client_that_goes_away_takes_nothing_with_it(stack):
    blocked = stack.via()
    blocked.send(command("BLPOP", "gone", 0))
    inspect = stack.direct()
    wait_for(lambda: b" flags=b " in inspect.ask("CLIENT", "LIST"), "BLPOP reached Redis")
    blocked.close()
    wait_for(lambda: b" flags=b " not in inspect.ask("CLIENT", "LIST"), "BLPOP is given up")
    assert inspect.ask("RPUSH", "gone", 1) == b":1\r\n"
    assert inspect.ask("LLEN", "gone") == b":1\r\n"


def test_subscribers_get_messages_and_can_go_back(stack):
    client = redis.Redis(port=stack.port)
    pubsub = client.pubsub()
    pubsub.subscribe("news")
    pubsub.psubscribe("n*")
    wait_for(lambda: pubsub.get_message(timeout=1) is None, "confirmations")
    assert client.publish("news", "x" * 100_000) == 2
    got = [pubsub.get_message(timeout=5) for _ in range(2)]
    assert sorted(m["type"] for m in got) == ["message", "pmessage"]
    assert all(len(m["data"]) == 100_000 for m in got)
    raw = stack.via()
    raw.send(command("SUBSCRIBE", "a", "b") + command("UNSUBSCRIBE", "a") + command("UNSUBSCRIBE")
             + command("SECKILL.STATUS") + command("CLIENT", "ID") + command("SET", "after", 1))
    for _ in range(4):
        raw.reply()
    assert raw.reply().startswith((b"-LOADING", b"*"))  # the proxy's again, not Redis's
    assert raw.reply().startswith(b":") and raw.reply() == b"+OK\r\n"


def test_subscriber_leaves_with_reset(stack):
    raw = stack.via()
    raw.ask("SUBSCRIBE", "a")
    assert raw.ask("RESET") == b"+RESET\r\n"
    assert raw.ask("ECHO", "x") == b"$1\r\nx\r\n"


def test_after_a_reset_nobody_publishes_to_the_old_subscription(stack):
    """The answer to RESET says that Redis has forgotten it, however often and however sent."""
    raw, other, direct = stack.via(), stack.via(), stack.direct()
    for n in range(300):
        publisher, data = (other, direct)[n % 2], command("SUBSCRIBE", "c")
        raw.ask("HELLO", 3)
        raw.send(data + command("RESET") if n % 3 == 0 else data)
        assert raw.reply() == b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
        if n % 3 != 0:
            assert publisher.ask("PUBLISH", "c", "") == b":1\r\n"
            assert raw.reply().startswith(b">3\r\n$7\r\nmessage\r\n")
            raw.send(command("RESET"))
        assert raw.reply() == b"+RESET\r\n"
        assert publisher.ask("PUBLISH", "c", "") == b":0\r\n", f"round {n}"


def test_resp3_pushes_of_tracking_and_subscriptions(stack):
    raw = stack.via()
    raw.ask("HELLO", 3)
    assert raw.ask("CLIENT", "TRACKING", "ON") == b"+OK\r\n"
    raw.ask("GET", "tracked")
    stack.direct().ask("SET", "tracked", 1)
    assert raw.reply() == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$7\r\ntracked\r\n"
    raw.send(command("SUBSCRIBE", "c") + command("GET", "tracked"))
    assert {raw.reply(), raw.reply()} == {
        b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", b"$1\r\n1\r\n"}


def test_select_keeps_clients_apart(stack):
    one, two = stack.via(), stack.via()
    assert one.ask("SELECT", 5) == b"+OK\r\n"
    one.ask("SET", "db", "five")
    assert two.ask("GET", "db") == b"$-1\r\n"
    assert one.ask("GET", "db") == b"$4\r\nfive\r\n"
    assert one.ask("SELECT", 0) == b"+OK\r\n" and one.ask("GET", "db") == b"$-1\r\n"


def test_client_reply_off_and_skip(stack):
    raw = stack.via()
    raw.send(command("CLIENT", "REPLY", "OFF") + command("ECHO", "a") + command("CLIENT", "ID")
             + command("CLIENT", "REPLY", "ON") + command("CLIENT", "REPLY", "SKIP")
             + command("ECHO", "b") + command("ECHO", "c"))
    assert raw.reply() == b"+OK\r\n" and raw.reply() == b"$1\r\nc\r\n"


def test_command_knows_the_sale(stack):
    raw = stack.via()
    count = int(raw.ask("COMMAND", "COUNT")[1:])
    assert raw.ask("COMMAND").startswith(b"*%d\r\n" % count)
    assert raw.ask("COMMAND", "LIST").count(b"seckill") == 38
    assert b"seckill.buy" in raw.ask("COMMAND", "DOCS")
    assert b"$10\r\nseckillbuy\r\n" in raw.ask("COMMAND", "INFO", "get", "SECKILLBUY")
    raw.ask("HELLO", 3)
    assert raw.ask("COMMAND").startswith(b"*%d\r\n" % count)
    assert b"seckill.buy" in raw.ask("COMMAND", "DOCS", "SECKILL.BUY", "get")
    out = subprocess.run(["redis-cli", "-p", str(stack.port), "PING"], capture_output=True)
    assert out.stdout == b"PONG\n"


BAD_INPUT = [
    (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*1\r\n$1073741824\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\nx\r\n", b"-ERR Protocol error: expected '$', got 'x'\r\n"),
    (b"SET a \"b\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    (b"a" * 70_000, b"-ERR Protocol error: too big inline request\r\n"),
    (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n", b""),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nFLUSHALL\r\n",
     b"-ERR wrong number of arguments for 'get' command\r\n"),
]


@pytest.mark.parametrize("data,expected", BAD_INPUT, ids=range(len(BAD_INPUT)))
def test_bad_input_costs_its_sender_the_connection(stack, data, expected):
    other, bad = stack.via(), stack.via()
    bad.send(data)
    got = bad.until_closed()
    assert got in (expected, b"")  # a reset may overtake the error
    assert other.ask("PING") == b"+PONG\r\n"


def test_negative_counts_are_passed_over_as_redis_does(stack):
    raw = stack.via()
    raw.send(b"*-2\r\n*0\r\n*-1\r\n\r\n" + command("PING"))
    assert raw.reply() == b"+PONG\r\n"


def test_half_commands_and_junk_take_no_memory_and_harm_nobody(own_stack):
    stack = own_stack
    before = stack.resident_bytes()
    rng = random.Random(4)
    half = [stack.via() for _ in range(100)]
    for i, one in enumerate(half):
        one.send((b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc", b"*1000000\r\n",
                  b"GE")[i % 3])
    for _ in range(50):
        junk = stack.via()
        try:
            junk.send(bytes(rng.randrange(256) for _ in range(5000)))
        except ConnectionError:
            pass
        junk.close()
    other = stack.via()
    for i in range(100):
        assert other.ask("ECHO", i) == command("ECHO", i)[14:]
    assert stack.resident_bytes() - before < 16 << 20


def test_a_client_that_never_reads_is_held_back(own_stack):
    stack = own_stack
    stack.direct().ask("SET", "big", "x" * 1_000_000)
    before = stack.resident_bytes()
    greedy = stack.via()
    greedy.socket.settimeout(0.5)
    sent = 0
    try:
        while sent < 200_000:
            sent += greedy.socket.send(command("GET", "big") * 20)
            if sent > 5000:
                time.sleep(0.05)
            if sent > 20_000:
                break
    except socket.timeout:
        pass
    other = stack.via()
    assert other.ask("PING") == b"+PONG\r\n"
    # What one read brought in may be under way; after that the client is not read from.
    assert stack.resident_bytes() - before < 2 << 30
    greedy.close()
    wait_for(lambda: other.ask("PING") == b"+PONG\r\n", "others are served")


def test_redis_away_gives_clear_errors_and_comes_back(own_stack):
    stack = own_stack
    raw = stack.via()
    assert raw.ask("SET", "a", 1) == b"+OK\r\n"
    stack.kill_redis()
    wait_for(lambda: b"is not reachable" in raw.ask("GET", "a"), "the error")
    got = raw.ask("GET", "a")
    assert got.startswith(
        b"-ERR Sluice: Redis at 127.0.0.1:%d is not reachable: " % stack.redis_port)
    assert got.endswith(b"; retry later\r\n")
    raw.send(command("MULTI") + command("SET", "a", 2) + command("EXEC"))
    assert all(raw.reply().startswith(b"-ERR Sluice: ") for _ in range(3))
    stack.start_redis()
    wait_for(lambda: raw.ask("SET", "b", 1) == b"+OK\r\n", "reconnected by itself")
    assert raw.ask("MULTI") == b"+OK\r\n" and raw.ask("EXEC") == b"*0\r\n"


def test_no_reply_reaches_another_client_while_the_upstream_is_cut(own_stack):
    stack = own_stack
    stop = threading.Event()
    wrong, right = [], [0]

    def client(number):
        raw, i = stack.via(), 0
        while not stop.is_set():
            batch = [f"{number}:{i + n}" for n in range(50)]
            i += 50
            raw.send(b"".join(command("ECHO", text) for text in batch))
            for text in batch:
                got = raw.reply()
                if got == command("ECHO", text)[14:]:
                    right[0] += 1
                elif not got.startswith(b"-ERR Sluice: "):
                    wrong.append((text, got))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        time.sleep(0.2)
        killer = stack.direct()
        killer.ask("CLIENT", "KILL", "TYPE", "normal")
        killer.close()
    wait_for(lambda: right[0] > 5000, "echoes")
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert wrong == []


def test_config_of_the_proxy(stack):
    raw = stack.via()
    assert raw.ask("CONFIG", "SET", "sluice.limits.clients", "500") == b"+OK\r\n"
    assert raw.ask("CONFIG", "GET", "sluice.limits.clients").endswith(b"$3\r\n500\r\n")
    assert raw.ask("CONFIG", "SET", "sluice.proxy.id", "5").startswith(b"-ERR CONFIG SET failed")
    assert raw.ask("CONFIG", "SET", "sluice.limits.clients", "10000") == b"+OK\r\n"


def test_client_limit_turns_the_next_one_away():
    stack = Stack(sets=["limits.clients=3"])
    try:
        wait_for(lambda: stack.via().ask("PING") == b"+PONG\r\n", "first")
        held = []
        wait_for(lambda: refused_after(stack, held), "the limit")
    finally:
        stack.stop()


def refused_after(stack, held):
    one = stack.via()
    try:
        answer = one.ask("PING")
    except (EOFError, ConnectionError) as error:
        answer = bytes(error.args[0]) if error.args and isinstance(error.args[0], bytes) else b"-"
    held.append(one)
    if answer.startswith(b"-"):
        assert len(held) == 4
        return True
    return False


def test_the_manual_names_every_key_with_its_default(tmp_path):
    keys = {}
    for config in (f"{ROOT}/conf/proxy.toml", f"{ROOT}/conf/minimal/proxy.toml"):
        stack = Stack()
        stack.proxy.terminate()
        stack.proxy.wait()
        stack.config, port = config, stack.port
        stack.sets = ["--set", f"listen.address=127.0.0.1:{port}", "--set", "admin.address=",
                      "--set", f"redis.servers=127.0.0.1:{stack.redis_port}",
                      "--set", f"journal.dir={stack.dir}/journal"]
        stack.start_proxy()
        client = redis.Redis(port=port, decode_responses=True)
        keys[config] = client.config_get("sluice.*")
        client.close()
        stack.stop()
    manual, minimal = keys.values()
    with open(f"{ROOT}/conf/proxy.toml", "rb") as file:
        sample = {f"sluice.{table}.{key}" for table, entries in tomllib.load(file).items()
                  for key in entries}
    # Without a default: taken at random by each new journal, and described in a comment.
    assert sample == set(manual) - {"sluice.proxy.id"}
    for key in ("sluice.listen.address", "sluice.redis.servers", "sluice.journal.dir",
                "sluice.proxy.id"):
        del manual[key], minimal[key]
    assert manual == minimal


@pytest.mark.parametrize("text,words", [
    ("[listen]\nadress = \"x\"\n", [":2:", "adress"]),
    ("[limits]\nclients = \"many\"\n", [":2:", "limits.clients"]),
    ("[journal]\nmax_bytes = 1000\n", [":2:", "journal.max_bytes"]),
    ("[auth]\nusers_file = \"u\"\n", ["auth.users_file", "u"]),
    ("[redis]\nmode = \"cluster\"\n", ["redis.mode", "not supported"]),
])
def test_a_bad_config_exits_2_and_names_the_place(tmp_path, text, words):
    config = tmp_path / "proxy.toml"
    config.write_text(text)
    done = subprocess.run([PROXY, "--config", str(config), "--check"], capture_output=True,
                          text=True)
    assert done.returncode == 2
    for word in words + [str(config)]:
        assert word in done.stderr, done.stderr


def test_a_busy_port_is_named_with_its_key(stack):
    done = subprocess.run([PROXY, "--config", stack.config, "--set", "listen.unix_socket=",
                           "--set", f"journal.dir={stack.config}.other", "--set", "admin.address="],
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert f"listen.address 127.0.0.1:{stack.port}" in done.stderr


def test_the_unix_socket_serves_too(stack):
    client = redis.Redis(unix_socket_path=f"{stack.dir}/proxy.sock")
    assert client.ping()
