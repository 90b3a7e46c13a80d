"""docs/protection.md, row by row, on both sides of each limit. (Over 500 lines: one table.)

Expected: below its limit a client notices nothing; beyond it gets the named error or is cut, with
its reason counted; who shares the proxy with it is served all the while. What a client has only
announced costs nothing, and a client that writes everything before it reads anything comes through.
"""
import ctypes
import fcntl
import hashlib
import os
import pathlib
import re
import resource
import signal
import socket
import struct
import sys
import threading
import time

import pytest

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from harness.admin import metrics  # noqa: E402
from passthrough_fixture import (ROOT, FakeRedis, Stack, command, free_port,  # noqa: E402
                                 wait_for)

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def made():
    """Makes stacks that end with the test; every one must still be serving at its end."""
    started = []

    def make(*sets, io_threads=2, **kwargs):
        started.append(Stack(io_threads=io_threads, sets=sets, **kwargs))
        return started[-1]

    yield make
    for one in started:
        assert one.proxy.poll() is None, one.log_text()
        one.stop()


def pushed(client, data):
    """Sends as much of `data` as the other side takes; how much that was."""
    client.socket.settimeout(0.3)
    sent = 0
    try:
        while sent < len(data):
            sent += client.socket.send(data[sent:sent + 256 * KIB])
    except (TimeoutError, ConnectionError):
        pass
    client.socket.settimeout(10)
    return sent


def read_some(client, size_max):
    """How many bytes came; the connection must not have ended."""
    data = client.socket.recv(size_max)
    assert data, "it is cut"
    return len(data)


def is_open(client):
    """Whether the other side has not closed; reads nothing."""
    try:
        client.socket.settimeout(0.001)
        return client.socket.recv(1, socket.MSG_PEEK) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False
    finally:
        client.socket.settimeout(10)


def stays_open(client, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_open(client):
            return False
        time.sleep(0.01)
    return True


def is_cut(client, seconds):
    """Whether the connection ends within that time; what comes before is thrown away."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client.socket.settimeout(max(0.001, end - time.monotonic()))
        try:
            if not client.socket.recv(1 << 20):
                return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True
    return False


def socket_of(stack, client):
    """The proxy's own end of the client's connection."""
    number = re.search(rb" fd=(\d+) ", client.ask("CLIENT", "INFO"))[1]
    process = os.pidfd_open(stack.proxy.pid)
    pidfd_getfd = 438
    copy = ctypes.CDLL(None, use_errno=True).syscall(pidfd_getfd, process, int(number), 0)
    os.close(process)
    assert copy >= 0, os.strerror(ctypes.get_errno())
    return socket.socket(fileno=copy)


def test_every_row_of_the_table_names_its_test_and_every_limit_has_a_row():
    page = pathlib.Path(ROOT, "docs/protection.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    unproven = [row for row in rows if "`test_" not in row.rsplit("|", 2)[1]]
    assert [row.rsplit("|", 2)[1].strip() for row in unproven] == ["shown by", "shown by"]
    tests = set(re.findall(r"`(test_\w+)`", page))
    here = pathlib.Path(__file__).read_text()
    others = "".join(path.read_text() for path in pathlib.Path(ROOT, "tests").rglob("*.py"))
    missing = {name for name in tests if f"def {name}(" not in here + others}
    assert tests and not missing
    conf = pathlib.Path(ROOT, "conf/proxy.toml").read_text()
    limits = conf[conf.index("[limits]"):conf.index("[slowlog]")]
    keys = re.findall(r"^(\w+) =", limits, re.MULTILINE)
    assert len(keys) > 15
    assert [key for key in keys if f"`limits.{key}`" not in page] == []


# ---- How many clients.

def test_one_client_too_many_is_told_so_in_the_words_of_redis(made):
    stack = made("limits.clients=3")
    clients = []
    for _ in range(3):
        clients.append(stack.via())
        assert clients[-1].ask("PING") == b"+PONG\r\n"
    assert stack.via().until_closed() == b"-ERR max number of clients reached\r\n"
    clients.pop().close()
    wait_for(lambda: answers(stack), "the place is free again")


def answers(stack):
    client = stack.via()
    try:
        return client.ask("PING") == b"+PONG\r\n"
    except (EOFError, ConnectionError):
        return False
    finally:
        client.close()


# ---- Before the login.

@pytest.fixture
def guarded(made, tmp_path):
    """Makes stacks on which everybody has to log in: AUTH ann secret."""
    users = tmp_path / "users.acl"
    users.write_text("user default off\nuser ann on >secret ~* &* +@all\n")

    def make(*sets):
        return made(f"auth.users_file={users}", *sets)

    return make


LOGIN = command("AUTH", "ann", "secret")


def test_who_does_not_log_in_is_cut(guarded):
    stack = guarded("limits.login_timeout=1s")
    silent, busy, quick = stack.via(), stack.via(), stack.via()
    begun = time.monotonic()
    quick.send(LOGIN)
    assert quick.reply() == b"+OK\r\n"
    while time.monotonic() - begun < 0.8:
        assert busy.ask("PING").startswith(b"-NOAUTH") and is_open(silent)
        time.sleep(0.05)
    assert is_cut(silent, 2) and is_cut(busy, 2)
    assert 1 <= time.monotonic() - begun < 2.5
    assert quick.ask("PING") == b"+PONG\r\n"
    # After a RESET a login is due again, from then on.
    begun = time.monotonic()
    assert quick.ask("RESET") == b"+RESET\r\n"
    assert stays_open(quick, 0.7)
    assert is_cut(quick, 2) and time.monotonic() - begun >= 1


def test_before_the_login_commands_are_short(guarded):
    stack = guarded()
    for words, error in (
            ((["DEL"] + ["k"] * 9), None), ((["DEL"] + ["k"] * 10), b"multibulk"),
            (("ECHO", b"x" * 16384), None), (("ECHO", b"x" * 16385), b"bulk")):
        client = stack.via()
        client.send(command(*words))
        if error is None:
            assert client.reply().startswith(b"-NOAUTH")
        else:
            text = b"-ERR Protocol error: unauthenticated " + error + b" length\r\n"
            assert client.until_closed() == text
        client = stack.via()
        client.send(LOGIN + command(*words))  # in one piece: the login counts for what follows
        assert client.reply() == b"+OK\r\n"
        assert client.reply()[:1] in b":$"


def test_before_the_login_buffers_are_small(guarded):
    stack = guarded("limits.login_timeout=60s")  # not that who is cut was merely late
    head = b"*10\r\n" + b"$16384\r\n" + bytes(16384) + b"\r\n"
    bulk = b"$16384\r\n" + bytes(16384) + b"\r\n"
    whole = head + bulk * 4
    fits, exceeds, logged_in = stack.via(), stack.via(), stack.via()
    fits.send(whole[:64 * KIB])
    pushed(exceeds, whole[:64 * KIB + 1])
    logged_in.send(LOGIN + whole)
    assert logged_in.reply() == b"+OK\r\n"
    assert is_cut(exceeds, 5)
    assert stays_open(fits, 0.3) and is_open(logged_in)
    deaf = stack.via()
    pushed(deaf, command("PING") * 1_000_000)
    assert is_cut(deaf, 5)
    assert "limits.login_buffer" in stack.log_text()


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


# ---- Clients that do not read.

def test_who_does_not_read_gets_no_further_command_carried_out(made):
    stack = made("limits.client_output_pause=64KiB")
    client, direct = stack.via(), stack.direct()
    direct.ask("SET", "big", b"x" * 100 * KIB)
    for count in (1, 200):
        client.send(command("GET", "big") * count + command("INCR", "count"))
        if count == 1:  # that much the kernel takes
            wait_for(lambda: direct.ask("GET", "count") == b"$1\r\n1\r\n", "it is carried out")
    time.sleep(0.5)
    assert direct.ask("GET", "count") == b"$1\r\n1\r\n"
    for count in (1, 200):
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


class Withholding(FakeRedis):
    """Answers commands, or (once it `holds`) only counts them."""

    def __init__(self):
        self.holds, self.received = False, b""
        super().__init__(self.judge)

    def judge(self, data):
        if not self.holds:
            return b"+OK\r\n" * max(1, data.count(b"ECHO"))
        self.received += data
        return b""

    def commands(self):
        return self.received.count(b"ECHO")


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


# ---- Memory.

def half_a_command(size):
    head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (100 * MIB)
    return head + bytes(size - len(head))


def test_one_client_may_take_its_share_of_memory(made):
    stack = made("limits.client_memory=4MiB")
    fits, exceeds = stack.via(), stack.via()
    fits.send(half_a_command(3 * MIB))
    pushed(exceeds, half_a_command(5 * MIB))
    assert is_cut(exceeds, 5)
    assert stays_open(fits, 0.3)
    assert "limits.client_memory" in stack.log_text()


def test_many_arguments_count_as_memory(made):
    """A million empty ones take 6 MB of input, and 16 MB to know where they are."""
    stack = made("limits.client_memory=16MiB")
    fits, exceeds = stack.via(), stack.via()
    fits.send(b"*2000000\r\n" + b"$0\r\n\r\n" * 300_000)
    pushed(exceeds, b"*2000000\r\n" + b"$0\r\n\r\n" * 1_000_000)
    assert is_cut(exceeds, 5)
    assert stays_open(fits, 0.3)


def test_all_clients_together_stay_within_the_memory_they_have(made):
    """Who holds most has to go, and nobody else."""
    stack = made("limits.memory=16MiB")
    before = stack.resident_bytes()
    largest, small = stack.via(), []
    largest.send(half_a_command(5 * MIB))  # more than what is above three quarters
    while is_open(largest):
        assert len(small) < 60
        small.append(stack.via())
        small[-1].send(half_a_command(300 * KIB))
        assert small[-1].socket.send(b"x") and answers(stack)
        assert stack.resident_bytes() - before < 24 * MIB
    assert len(small) > 10, "within the limit nobody is cut"
    assert stays_open(small[0], 0.3) and all(map(is_open, small))
    assert "limits.memory" in stack.log_text()


def test_who_holds_most_makes_room_for_those_that_wait(made):
    """Above three quarters heavy clients are not read from, for a second at most."""
    stack = made("limits.memory=64MiB")
    before = stack.resident_bytes()
    largest, large, waiting = stack.via(), stack.via(), stack.via()
    largest.send(half_a_command(25 * MIB))
    large.send(half_a_command(15 * MIB))
    assert stays_open(largest, 0.5), "within the limit nobody is cut"
    waiting.send(command("SET", "v", bytes(15 * MIB)))
    assert waiting.reply() == b"+OK\r\n"
    assert is_cut(largest, 1) and is_open(large)
    assert stack.resident_bytes() - before < 80 * MIB
    large.close()
    wait_for(lambda: stack.resident_bytes() - before < 32 * MIB, "the memory is given back")


def test_who_waits_for_memory_goes_on_when_another_leaves(made):
    stack = made("limits.memory=64MiB")
    holder, waiting, light = stack.via(), stack.via(), stack.via()
    holder.send(half_a_command(44 * MIB))
    value = bytes(12 * MIB)
    done = threading.Event()

    def upload():
        waiting.send(command("SET", "v", value))
        done.set()

    threading.Thread(target=upload, daemon=True).start()
    assert not done.wait(0.4)
    assert light.ask("PING") == b"+PONG\r\n"
    holder.close()
    assert waiting.reply() == b"+OK\r\n"
    assert done.is_set()


def test_clients_that_never_read_stay_within_the_memory_there_is(made):
    stack = made("limits.memory=64MiB")
    stack.direct().ask("SET", "big", bytes(MIB))
    before = stack.resident_bytes()
    neighbour = stack.via()
    deaf = [stack.via() for _ in range(40)]
    highest = 0
    for client in deaf:
        pushed(client, command("GET", "big") * 30)
        assert neighbour.ask("PING") == b"+PONG\r\n"
        highest = max(highest, stack.resident_bytes() - before)
    print(f"{highest / MIB:.0f} MiB")
    assert highest < 96 * MIB
    assert "limits.memory" in stack.log_text()


# ---- What purchases and connections of their own may use up.

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


def created(client, item, stock=1000):
    wait_for(lambda: client.ask("SECKILL.CREATE", item, "STOCK", stock) == b"+OK\r\n", "it is open")


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
    stack = made(f"limits.batch_purchases={batch}")
    client = stack.via()
    created(client, "phone")
    client.send(b"".join(command("SECKILL.BUY", "phone", f"u{n}") for n in range(1100)))
    replies = [client.reply() for _ in range(1100)]
    assert all(b"$2\r\nOK\r\n" in reply for reply in replies[:1000])
    assert all(b"SOLDOUT" in reply for reply in replies[1000:])
    stats = stack.direct().ask("INFO", "commandstats")
    calls = int(re.search(rb"cmdstat_evalsha:calls=(\d+)", stats)[1])
    assert calls >= 1100 / batch and (batch < 4096 or calls < 1100 / 2)


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


# ---- Clients that have gone, and what is said of those that are cut.

def test_the_kernel_is_asked_to_look_for_clients_that_have_gone(made):
    stack = made()
    with socket_of(stack, stack.via()) as ours:
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        after_s, every_s, times = (ours.getsockopt(socket.IPPROTO_TCP, option) for option in (
            socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT))
        assert (after_s, every_s, times) == (300, 100, 3)  # as Redis's tcp-keepalive 300 does


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a connection vanish")
def test_a_client_whose_machine_has_gone_is_cut(made):
    """With the same probes, sent after a second: who is there stays."""
    stack = made()
    gone, idle = stack.via(), stack.via()
    number = b"id=%s " % gone.ask("CLIENT", "ID")[1:-2]
    for client in (gone, idle):
        with socket_of(stack, client) as ours:
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    tcp_repair = 19
    gone.socket.setsockopt(socket.IPPROTO_TCP, tcp_repair, 1)
    gone.close()  # without a word to the other side
    watching = stack.via()
    assert number in watching.ask("CLIENT", "LIST")
    wait_for(lambda: number not in watching.ask("CLIENT", "LIST"), "it is noticed")
    assert stays_open(idle, 1.5) and idle.ask("PING") == b"+PONG\r\n"


def test_cut_clients_are_all_counted_and_ten_a_second_logged(made):
    admin = free_port()
    stack = made(f"admin.address=127.0.0.1:{admin}")

    def lines():
        return stack.log_text().count(" is cut: it speaks HTTP")

    def cut_one():
        client = stack.via()
        client.send(b"POST / HTTP/1.1\r\n")
        assert client.until_closed() == b""

    for n in range(3):
        cut_one()
        wait_for(lambda: lines() == n + 1, "it is logged")
        time.sleep(0.11)
    begun = time.monotonic()
    for _ in range(200):
        cut_one()
    at_most = (time.monotonic() - begun) * 10 + 1
    assert metrics(admin)['sluice_clients_cut_total{reason="http"}'] == 203
    assert 1 <= lines() - 3 <= at_most < 200


# ---- What is no Redis client, or no Redis.

@pytest.mark.parametrize("data, cut", [
    (b"POST / HTTP/1.1\r\n", True), (b"post /\r\n", True), (b"Host: redis\r\n", True),
    (b"GET / HTTP/1.1\r\nHost: redis\r\n", True), (b"GET host:\r\n", False),
    (b"POSTER\r\n", False)])
def test_http_is_cut_off(made, data, cut):
    """As Redis does: a web page must not make a browser send it commands."""
    stack = made()
    client = stack.via()
    client.send(data + b"SET stolen 1\r\n")
    if cut:
        assert b"+OK" not in client.until_closed()
        assert stack.direct().ask("GET", "stolen") == b"$-1\r\n"
    else:
        client.reply()
        assert client.reply() == b"+OK\r\n"


@pytest.mark.parametrize("depth, passes", [(1, True), (128, True), (129, False), (100_000, False)])
def test_replies_are_nested_up_to_128_deep(made, depth, passes):
    reply = b"*1\r\n" * depth + b":1\r\n"
    fake = FakeRedis(lambda data: reply if b"deep" in data else b"+OK\r\n")
    stack = made(redis_port=fake.port, io_threads=1)
    client, neighbour = stack.via(), stack.via()
    client.send(command("GET", "deep"))
    if passes:
        assert client.read(len(reply)) == reply
    else:
        assert is_cut(client, 5)  # its reply has begun and cannot be completed
        assert neighbour.ask("GET", "x") == b"+OK\r\n"
    wait_for(lambda: neighbour.ask("GET", "x") == b"+OK\r\n", "the neighbour is served")
    fake.stop()


@pytest.mark.parametrize("reply, passes", [
    (b"*0\r\n", True), (b"*-1\r\n", True), (b"$-1\r\n", True),
    (b"*9223372036854775808\r\n", False), (b"$99999999999999999999\r\n", False),
    (b"%9223372036854775807\r\n", False)])
def test_counts_in_replies_fit_into_64_bits_or_end_the_connection(made, reply, passes):
    fake = FakeRedis(lambda data: reply if b"odd" in data else b"+OK\r\n")
    stack = made(redis_port=fake.port, io_threads=1)
    client, neighbour = stack.via(), stack.via()
    before = stack.resident_bytes()
    client.send(command("GET", "odd"))
    if passes:
        assert client.read(len(reply)) == reply
    else:
        assert is_cut(client, 5)
    wait_for(lambda: neighbour.ask("GET", "x") == b"+OK\r\n", "the neighbour is served")
    assert stack.resident_bytes() - before < 8 * MIB
    fake.stop()


# ---- Many that do nothing.

def test_ten_thousand_idle_clients_cost_under_100_mb(made):
    stack = made("limits.clients=10100")
    before = stack.resident_bytes()
    clients = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 12_000), hard))
    try:
        for n in range(10_000):
            client = socket.socket(socket.AF_UNIX)
            client.connect(f"{stack.dir}/proxy.sock")
            client.sendall(command("PING"))
            clients.append(client)
        for client in clients:
            assert client.recv(64) == b"+PONG\r\n"
        cost = stack.resident_bytes() - before
        print(f"{cost / 10_000:.0f} bytes a client, {cost / MIB:.1f} MiB in all")
        assert stack.resident_bytes() < 100_000_000
        assert stack.via().ask("ECHO", "served") == b"$6\r\nserved\r\n"
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
