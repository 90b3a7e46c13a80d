"""What one client sends on purpose must not reach another: neither its replies, nor its connection,
nor its waiting."""
import pytest

from passthrough_fixture import Stack, command, wait_for


@pytest.fixture
def stack():
    things = Stack(io_threads=1)
    yield things
    things.stop()


@pytest.mark.parametrize("name", ["MULTI", "MONITOR", "SUBSCRIBE x", "CLIENT REPLY OFF",
                                  "SELECT 1", "XREAD BLOCK 0 STREAMS s $"])
def test_a_zero_byte_in_the_name_of_a_command_reaches_nobody(stack, name):
    """Redis compares names as C strings, but finds them by a hash of all bytes: one of 256 names
    with something behind a zero byte is MULTI to it, and was an ordinary command here."""
    other, hostile = stack.via(), stack.via()
    first, *rest = name.split()
    for number in range(3000):
        hostile.send(command(first.encode() + b"\0%d" % number, *rest))
        text = "".join(f"'{word}' " for word in rest)
        wanted = f"-ERR unknown command '{first}', with args beginning with: {text}\r\n".encode()
        assert hostile.line() == wanted, number
    assert other.ask("SET", "key", name) == b"+OK\r\n"
    assert other.ask("GET", "key") == b"$%d\r\n%s\r\n" % (len(name), name.encode())


def test_a_zero_byte_in_a_command_breaks_its_transaction(stack):
    for number in range(600):
        client = stack.via()
        for words, wanted in [(("MULTI",), b"+OK"), (("SET", "never", "1"), b"+QUEUED"),
                              ((b"EXEC\0%d" % number,), b"-ERR unknown command 'EXEC'"),
                              (("EXEC",), b"-EXECABORT")]:
            assert client.ask(*words).startswith(wanted), number
        client.close()
    assert stack.via().ask("EXISTS", "never") == b":0\r\n"


def test_a_zero_byte_behind_an_option_hides_nothing(stack):
    """Options, and subcommands, end there for Redis: BLOCK with a tail blocks."""
    blocked, other = stack.via(), stack.via()
    blocked.send(command("XREAD", b"BLOCK\0tail", "0", "STREAMS", "s", "0"))
    wait_for(lambda: b" flags=b " in other.ask("CLIENT", "LIST"), "it blocks on its own")
    assert other.ask("PING") == b"+PONG\r\n"
    other.ask("XADD", "s", "1-1", "a", "b")
    assert blocked.reply().startswith(b"*1\r\n*2\r\n")
    hostile = stack.via()
    for number in range(100):
        hostile.send(command("SCRIPT", b"DEBUG\0%d" % number, "NO"))
        hostile.reply()
        hostile.close()
        hostile = stack.via()
        assert other.ask("EVAL", "return 7", "0") == b":7\r\n"


def test_tracking_for_another_costs_that_one_nothing():
    """Who is to get invalidations needs a connection to Redis of its own; without one left, it is
    the client who asked that is refused."""
    stack = Stack(io_threads=1, sets=["limits.pinned_connections=1"])
    try:
        holder, target, hostile = stack.via(), stack.via(), stack.via()
        assert holder.ask("MULTI") == b"+OK\r\n"
        number = target.ask("CLIENT", "ID")[1:-2]
        reply = hostile.ask("CLIENT", "TRACKING", "ON", "REDIRECT", number)
        assert reply.startswith(b"-ERR Sluice: ")
        assert target.ask("ECHO", "mine") == b"$4\r\nmine\r\n"
    finally:
        stack.stop()


def test_what_clients_call_themselves_counts_as_memory():
    """A name may be as long as an argument; those of 10,000 clients would take all memory."""
    stack = Stack(io_threads=1, sets=["limits.client_memory=64MiB"])
    try:
        client, long = stack.via(), "a" * (22 << 20)
        for size in (22 << 20, 1) * 5:  # a short name gives back what a long one took
            assert client.ask("CLIENT", "SETNAME", "a" * size) == b"+OK\r\n"
        client.send(command("CLIENT", "SETNAME", long))
        assert client.reply() == b"+OK\r\n"
        with pytest.raises((EOFError, ConnectionError)):
            for option in ("LIB-NAME", "LIB-VER"):
                client.ask("CLIENT", "SETINFO", option, long)
            client.ask("PING")
        assert "is cut" in stack.log_text()
        assert stack.via().ask("PING") == b"+PONG\r\n"
    finally:
        stack.stop()


def bytes_read_by_redis(stack):
    text = stack.direct().ask("INFO", "stats").decode()
    return int(text.split("total_net_input_bytes:")[1].split("\r\n")[0])


@pytest.mark.parametrize("option", ["CURSOR", "COUNT"])
def test_what_is_no_number_does_not_travel_where_purchases_do(stack, option):
    client = stack.via()
    wait_for(lambda: client.ask("SECKILL.LIST").startswith(b"*2\r\n"), "the sale is open")
    assert client.ask("SECKILL.LIST", option, "9" * 20).startswith((b"*2\r\n", b"-ERR"))
    before = bytes_read_by_redis(stack)
    assert client.ask("SECKILL.LIST", option, "9" * (20 << 20)).startswith(b"-ERR")
    assert bytes_read_by_redis(stack) - before < 1 << 20


def test_a_subscriber_cannot_answer_in_the_place_of_redis(stack):
    """Whether a subscription has ended is asked by a PING. Who could have it answered beforehand
    would be relayed on, and its AUTH, CLIENT KILL and the like would be carried out by Redis."""
    client = stack.via()
    number = client.ask("CLIENT", "ID")
    for question in ("sluice: still subscribed?", ""):
        client.send(command("SUBSCRIBE", "x") + command("PING", question) +
                    command("UNSUBSCRIBE", "x") + command("CLIENT", "ID"))
        assert client.reply().startswith(b"*3\r\n$9\r\nsubscribe")
        assert client.reply() == b"*2\r\n$4\r\npong\r\n" + command(question)[4:]
        assert client.reply().startswith(b"*3\r\n$11\r\nunsubscribe")
        assert client.reply() == number


@pytest.mark.parametrize("words", [("AUTH", "x"), ("HELLO", "3", "AUTH", "default", "x")])
def test_a_monitor_cannot_log_in_to_redis(stack, words):
    client = stack.via()
    assert client.ask("MONITOR") == b"+OK\r\n"
    client.send(command(*words))
    assert b"-" not in client.until_closed()
    assert b"cmdstat_auth" not in stack.direct().ask("INFO", "commandstats")
