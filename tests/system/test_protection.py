"""docs/protection.md, row by row, on both sides of each limit: who is let in, and who is cut.

Expected here and in test_protection_*.py: below its limit a client notices nothing; beyond it gets
the named error or is cut, with its reason counted; who shares the proxy with it is served all the
while. What a client has only announced costs nothing, and a client that writes everything before it
reads anything comes through.
"""
import pathlib
import re
import resource
import socket
import time

import pytest

from harness.admin import metrics
from passthrough_fixture import ROOT, FakeRedis, command, free_port, wait_for
from protection_fixture import (KIB, MIB, answers, is_cut, is_open, pushed, socket_of,
                                stays_open)


def test_every_row_of_the_table_names_its_test_and_every_limit_has_a_row():
    page = pathlib.Path(ROOT, "docs/protection.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    unproven = [row for row in rows if "`test_" not in row.rsplit("|", 2)[1]]
    assert [row.rsplit("|", 2)[1].strip() for row in unproven] == ["shown by", "shown by"]
    tests = set(re.findall(r"`(test_\w+)`", page))
    sources = "".join(path.read_text() for path in pathlib.Path(ROOT, "tests").rglob("*.py"))
    missing = {name for name in tests if f"def {name}(" not in sources}
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


# ---- Clients that have gone, and what is said of those that are cut.

def test_the_kernel_is_asked_to_look_for_clients_that_have_gone(made):
    stack = made()
    with socket_of(stack, stack.via()) as ours:
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        after_s, every_s, times = (ours.getsockopt(socket.IPPROTO_TCP, option) for option in (
            socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT))
        assert (after_s, every_s, times) == (300, 100, 3)  # as Redis's tcp-keepalive 300 does


def test_a_client_whose_machine_has_gone_is_cut(made):
    """With the same probes, sent after a second: who is there stays."""
    stack = made()
    gone, idle = stack.via(), stack.via()
    number = b"id=%s " % gone.ask("CLIENT", "ID")[1:-2]
    for client in (gone, idle):
        with socket_of(stack, client) as ours:
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    tcp_repair = 19
    try:
        gone.socket.setsockopt(socket.IPPROTO_TCP, tcp_repair, 1)
    except OSError as error:
        pytest.skip(f"this user may not let a connection vanish (TCP_REPAIR): {error.strerror}")
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
