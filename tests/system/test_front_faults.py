"""What one client, or a Redis in an unusual state, must not do to the others.

Expected: an answer that the client did not want still counts; a command that blocks is known
however its arguments are named; a script that runs for ever can be killed; a login that fails never
shows the password; no number of connections uses up what the proxy itself needs; those who wait for
the flusher hold up nobody, and not the end either.
"""
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from passthrough_fixture import Stack, accepts, command, free_port, wait_for

SECRET = "correct-horse-battery"


@pytest.fixture
def stack():
    made = Stack(io_threads=1)
    yield made
    made.stop()


@pytest.fixture
def locked_redis(tmp_path):
    """Makes a stack whose Redis wants a password; further words go to redis-server."""
    started = []

    def make(*words):
        port = free_port()
        process = subprocess.Popen(
            ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path),
             "--requirepass", SECRET, *words], stdout=subprocess.DEVNULL)
        started.append(process)
        wait_for(lambda: accepts(port), "redis-server accepts")
        (tmp_path / "password").write_text(SECRET + "\n")
        made = Stack(io_threads=1, redis_port=port,
                     sets=[f"redis.password_file={tmp_path}/password"])
        started.append(made)
        return made

    yield make
    for one in reversed(started):
        if isinstance(one, Stack):
            one.stop()
        else:
            one.kill()
            one.wait()


class Silent:
    """A flusher that takes requests and answers none of them."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.requests = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        held = []
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=self.read, args=(connection,), daemon=True).start()

    def read(self, connection):
        try:
            self.requests.append(connection.recv(4096).split(b" HTTP")[0])
        except OSError:
            pass


def test_a_select_whose_reply_is_muted_changes_the_database(stack):
    client, direct = stack.via(), stack.direct()
    client.send(command("CLIENT", "REPLY", "OFF") + command("SELECT", 3) +
                command("CLIENT", "REPLY", "ON") + command("SET", "muted", 1) +
                command("CLIENT", "REPLY", "SKIP") + command("SELECT", 4) +
                command("SET", "skipped", 1))
    assert [client.reply() for _ in range(3)] == [b"+OK\r\n"] * 3
    assert direct.ask("EXISTS", "muted", "skipped") == b":0\r\n"
    direct.ask("SELECT", 3)
    assert direct.ask("EXISTS", "muted") == b":1\r\n"
    direct.ask("SELECT", 4)
    assert direct.ask("EXISTS", "skipped") == b":1\r\n"


@pytest.mark.parametrize("group, consumer", [("streams", "c"), ("count", "streams")])
def test_a_group_with_the_name_of_an_option_blocks_nobody_else(stack, group, consumer):
    direct, reader = stack.direct(), stack.via()
    direct.ask("XGROUP", "CREATE", "s", group, "$", "MKSTREAM")
    reader.send(command("XREADGROUP", "GROUP", group, consumer, "BLOCK", 0, "STREAMS", "s", ">"))
    wait_for(lambda: b"blocked_clients:1\r\n" in direct.ask("INFO", "clients"), "the reader blocks")
    assert stack.via().ask("PING") == b"+PONG\r\n"
    direct.ask("XADD", "s", "*", "field", "value")
    assert reader.reply().startswith(b"*1\r\n")


def run_for_ever(stack, client):
    """Begins a script without end and waits until Redis says so."""
    stack.direct().ask("CONFIG", "SET", "busy-reply-threshold", 50)
    client.send(command("EVAL", "while true do end", 0))
    wait_for(lambda: stack.direct().ask("PING").startswith(b"-BUSY"), "Redis is busy")


def test_a_script_without_end_can_be_killed_through_the_proxy(stack):
    guilty = stack.via()
    run_for_ever(stack, guilty)
    assert stack.via().ask("SCRIPT", "KILL") == b"+OK\r\n"
    assert guilty.reply().startswith(b"-ERR Script killed by user")
    assert stack.via().ask("PING") == b"+PONG\r\n"
    assert stack.via().ask("FUNCTION", "KILL").startswith(b"-NOTBUSY")


def test_a_busy_redis_is_not_taken_for_one_that_refuses_the_login(stack):
    stack.via().ask("PING")
    run_for_ever(stack, stack.direct())
    assert stack.via().ask("MULTI") == b"+OK\r\n"
    stack.direct().ask("SCRIPT", "KILL")


def test_script_may_be_part_of_a_transaction(stack):
    client = stack.via()
    assert client.ask("MULTI") == b"+OK\r\n"
    assert client.ask("SCRIPT", "EXISTS", "0" * 40) == b"+QUEUED\r\n"
    assert client.ask("EXEC") == b"*1\r\n*1\r\n:0\r\n"
    assert client.ask("MULTI") == b"+OK\r\n"
    assert client.ask("SCRIPT", "DEBUG", "YES") == b"+QUEUED\r\n"
    assert client.ask("EXEC") == b"*1\r\n-ERR SCRIPT DEBUG must be called outside a pipeline\r\n"


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_default_user_may_have_a_password(locked_redis, protocol):
    stack = locked_redis()
    client = stack.via()
    client.ask("HELLO", protocol)
    assert client.ask("PING") == b"+PONG\r\n"
    assert client.ask("MULTI") == b"+OK\r\n"
    assert client.ask("EXEC") == b"*0\r\n"


def test_a_refused_login_does_not_show_the_password(locked_redis):
    stack = locked_redis("--rename-command", "AUTH", "")

    def ask(*words):
        return stack.via().ask(*words)  # a transaction that cannot begin costs the connection

    wait_for(lambda: b"it refused the proxy's login" in ask("PING"), "the reason is told")
    told = ask("PING") + ask("MULTI") + ask("SECKILL.STOCK", "item") + ask("HELLO", 3)
    assert SECRET.encode() not in told
    assert SECRET not in stack.log_text()


def test_a_redis_without_hello_refuses_it_itself(locked_redis):
    """Drivers fall back to the old protocol then, and are served."""
    stack = locked_redis("--rename-command", "HELLO", "")
    direct, via = stack.direct(), stack.via()
    assert direct.ask("AUTH", SECRET) == b"+OK\r\n"
    for words in (("HELLO", 3), ("HELLO", 2), ("HELLO", 3, "SETNAME", "me"), ("HELLO", 4),
                  ("PING",), ("CLIENT", "GETNAME")):
        said = via.ask(*words)
        assert said.split(b",")[0] == direct.ask(*words).split(b",")[0]
    assert SECRET not in stack.log_text()


def dial(stack, family):
    """A connection, or None if nobody takes it."""
    client = socket.socket(family)
    client.settimeout(5)
    try:
        client.connect(("127.0.0.1", stack.port) if family == socket.AF_INET
                       else f"{stack.dir}/proxy.sock")
    except OSError:
        client.close()
        return None
    return client


def answers(stack, family):
    client = dial(stack, family)
    if client is None:
        return False
    try:
        client.sendall(command("PING"))
        return client.recv(64) == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        client.close()


def test_running_out_of_descriptors_ends_neither_the_proxy_nor_a_listener(stack):
    # Below what the proxy has fitted itself to at its start, so that accept() itself fails.
    subprocess.run(["prlimit", "--pid", str(stack.proxy.pid), "--nofile=60:60"], check=True)
    clients = [dial(stack, family) for _ in range(60)
               for family in (socket.AF_INET, socket.AF_UNIX)]
    wait_for(lambda: "cannot accept" in stack.log_text(), "accept() fails")
    time.sleep(1.5)  # a poll of the flusher falls into this time
    for client in filter(None, clients):
        client.close()
    for family in (socket.AF_INET, socket.AF_UNIX):
        wait_for(lambda: answers(stack, family), f"{family} answers again")
    assert stack.proxy.poll() is None


def test_more_clients_than_descriptors_leave_the_proxy_its_own(tmp_path):
    made = subprocess.run(
        [sys.executable, "-c",
         "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)); "
         f"sys.path.insert(0, {os.path.dirname(__file__)!r}); "
         "import test_front_faults as t; t.fill_and_sell()"], stderr=subprocess.PIPE, text=True)
    assert made.returncode == 0, made.stderr


def fill_and_sell():
    """In a process of its own, whose limit of open files the proxy inherits."""
    stack = Stack(io_threads=1)
    clients = []
    try:
        seller = stack.via()
        wait_for(lambda: seller.ask("SECKILL.CREATE", "item", "STOCK", 100) == b"+OK\r\n", "open")
        turned_away = False
        while not turned_away:
            clients.append(stack.via())
            try:
                turned_away = clients[-1].ask("PING").startswith(b"-ERR max number of clients")
            except ConnectionError:
                turned_away = True
        assert len(clients) > 20
        assert seller.ask("SECKILL.BUY", "item", "user").startswith(b"*4\r\n$2\r\nOK\r\n")
        assert clients[0].ask("MULTI") == b"+OK\r\n"
        assert "at most" in stack.log_text()
        assert "Too many open files" not in stack.log_text()
    finally:
        assert stack.stop() == 0


def test_who_waits_for_the_flusher_does_not_hold_up_the_end(made):
    flusher = Silent()
    admin = free_port()
    stack = made(f"flusher.admin={flusher.url}", f"admin.address=127.0.0.1:{admin}", io_threads=1)
    client = stack.via()
    client.send(command("SECKILL.FLUSH", "WAIT", 60_000) * 1000)
    request = http.client.HTTPConnection("127.0.0.1", admin)
    request.request("POST", "/flush?wait_ms=60000")
    refused = client.reply()  # in order: those accepted time out one by one
    assert refused.startswith(b"-ERR the flusher at")
    begun = time.monotonic()
    stack.proxy.send_signal(signal.SIGTERM)
    assert stack.proxy.wait(20) == 0
    assert time.monotonic() - begun < 8


class Foreign(Silent):
    """Another program at the flusher's address: it answers each request with the same JSON."""

    body = b"{}"

    def read(self, connection):
        super().read(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                           b"Connection: close\r\nContent-Length: %d\r\n\r\n%b"
                           % (len(self.body), self.body))
        connection.close()


@pytest.mark.parametrize("numbers", [
    '"backlog_records": 1.5, "position": 2.5', '"backlog_records": 1e30, "position": -1e30',
    '"backlog_records": "7", "position": [1]', '"backlog_records": 18446744073709551615',
    '"backlog_records": null, "position": {}'])
def test_numbers_of_another_program_at_the_flushers_address_harm_nobody(made, numbers):
    flusher = Foreign()
    stack = made(f"flusher.admin={flusher.url}", io_threads=1)
    client = stack.via()
    journal = dict(line.split(":", 1) for line in client.ask("INFO", "sluice").decode().split()
                   if ":" in line)["sluice_journal_id"]
    flusher.body = ('{"journal_id": "%s", "state": "HOLDING", %s}' % (journal, numbers)).encode()
    wait_for(lambda: b"sluice_flusher:HOLDING" in client.ask("INFO", "sluice"), "it is believed")
    info = client.ask("INFO", "sluice")
    assert b"sluice_backlog_records:-1\r\n" in info and b"sluice_drained_records:0\r\n" in info
    assert client.ask("SECKILL.FLUSH", "WAIT", 10)[:1] in b"-*+"
    assert client.ask("PING") == b"+PONG\r\n"


def test_a_pause_overtakes_those_who_wait_for_a_drain(made):
    flusher = Silent()
    stack = made(f"flusher.admin={flusher.url}", io_threads=1)
    waiting = stack.via()
    waiting.send(command("SECKILL.FLUSH", "WAIT", 60_000) * 1000)
    wait_for(lambda: any(b"/flush" in one for one in flusher.requests), "the first one is asked")
    pausing = stack.via()
    pausing.send(command("SECKILL.PAUSE", "FLUSH"))
    wait_for(lambda: any(b"/pause" in one for one in flusher.requests), "the pause is asked", 8)
    assert sum(b"/flush" in one for one in flusher.requests) <= 3


def test_what_a_subscriber_is_owed_comes_before_the_proxy_s_own_replies(stack):
    """RESP3: confirmations are no replies, yet neither a local reply nor RESET overtakes them."""
    raw = stack.via()
    raw.ask("HELLO", 3)
    raw.send(command("SUBSCRIBE", "c") + command("CLIENT", "SETNAME", "me")
             + command("UNSUBSCRIBE", "c") + command("RESET") + command("ECHO", "x"))
    assert raw.reply() == b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
    assert raw.reply() == b"+OK\r\n"
    assert raw.reply() == b">3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n"
    assert raw.reply() == b"+RESET\r\n" and raw.reply() == b"$1\r\nx\r\n"


def test_an_endless_script_is_killed_from_any_database(stack):
    """While it runs no connection can be led to a database; SCRIPT KILL needs none."""
    stack.direct().ask("CONFIG", "SET", "busy-reply-threshold", "10")
    runs, begins, kills = stack.via(), stack.via(), stack.via()
    assert begins.ask("SELECT", 9) == kills.ask("SELECT", 9) == b"+OK\r\n"
    runs.send(command("EVAL", "while true do end", 0))
    direct = stack.direct()
    wait_for(lambda: direct.ask("PING").startswith(b"-BUSY "), "the script runs")
    # The server's words, not those of a login; some can be led to a database all the same.
    assert begins.ask("MULTI").startswith((b"-BUSY ", b"+OK\r\n"))
    assert kills.ask("SCRIPT", "KILL") == b"+OK\r\n"
    assert runs.reply().startswith(b"-ERR Script killed by user")


@pytest.mark.parametrize("state", [("MULTI",), ("WATCH", "left"), ("SUBSCRIBE", "left"),
                                   ("CLIENT", "TRACKING", "ON", "BCAST"), ("SELECT", 3)], ids=str)
def test_state_left_behind_reaches_nobody(stack, state):
    """A client goes in the midst of something; who comes blocks on the connection that it had."""
    for _ in range(3):
        leaver, client = stack.via(), stack.via()
        for one in (leaver, client):
            one.ask("HELLO", 3)
        leaver.ask(*state)
        leaver.close()
        wait_for(lambda: client.ask("CLIENT", "LIST").count(b"id=") == 1, "it has gone")
        assert client.ask("BLPOP", "none", "0.01") == b"_\r\n"
        assert client.ask("PUBLISH", "left", "") == b":0\r\n"
        assert client.ask("MULTI") == b"+OK\r\n"
        client.send(command("SET", "left", 1) + command("EXEC"))
        assert [client.reply(), client.reply()] == [b"+QUEUED\r\n", b"*1\r\n+OK\r\n"]
        assert stack.direct().ask("DEL", "left") == b":1\r\n"
        client.close()
