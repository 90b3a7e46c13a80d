"""redis-cli in all its modes shows through Sluice what it shows before Redis.

Expected: the same output, byte for byte, wherever it depends on the data alone; sessions at a
terminal with transactions, databases, RESP3, subscriptions and MONITOR.
"""
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from passthrough_fixture import Stack, command, wait_for

WITHIN_S = 20


@pytest.fixture(scope="module")
def stack():
    made = Stack(redis_options=("--activerehashing", "no"))
    fill(made)
    yield made
    assert made.stop() == 0, "the proxy did not end as SIGTERM asks"


def fill(stack):
    connection = stack.via()
    for n in range(300):
        connection.send(command("SET", f"s:{n}", "x" * (n + 1)) + command("HSET", "h", n, "v")
                        + command("RPUSH", f"l:{n % 7}", n) + command("SADD", "t", n)
                        + command("ZADD", "z", n, n) + command("XADD", "x", f"{n + 1}-1", "a", "b"))
    for _ in range(300 * 6):
        connection.reply()
    connection.close()


def cli(port, *words, stdin=None):
    done = subprocess.run(["redis-cli", "-p", str(port), *words], input=stdin, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout


def through_both(stack, *words, stdin=None):
    direct = cli(stack.redis_port, *words, stdin=stdin)
    assert cli(stack.port, *words, stdin=stdin) == direct
    return direct


@pytest.mark.parametrize("words,shows", [
    (("--bigkeys",), "Biggest string found"),
    (("--memkeys",), "ummary"),
    (("--memkeys-samples", "10"), "ummary"),
    (("--scan", "--pattern", "l:*"), "l:3"),
    (("--scan", "--quoted-pattern", '"s:29\x39"'), "s:299"),
    (("-3", "--no-raw", "HGETALL", "h"), "1# "),
    (("--json", "ZRANGE", "z", "0", "3", "WITHSCORES"), "["),
    (("--csv", "LRANGE", "l:1", "0", "-1"), '"1","8"'),
    (("--no-raw", "XRANGE", "x", "-", "+", "COUNT", "2"), '"1-1"'),
    (("-n", "3", "DBSIZE"), "0"),
    (("-u", None, "GET", "s:3"), "xxxx"),
    (("-r", "3", "-i", "0.01", "PING"), "PONG\nPONG\nPONG"),
    (("-d", ";", "MGET", "s:0", "s:1"), "x;xx"),
    (("-e", "GET", "s:1"), "xx"),
    (("NOSUCH", "a b"), "unknown command"),
], ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "")
def test_output_is_that_of_redis(stack, words, shows):
    if None in words:
        outputs = [cli(port, *(f"redis://127.0.0.1:{port}/0" if word is None else word
                               for word in words)) for port in (stack.redis_port, stack.port)]
        assert outputs[0] == outputs[1] and shows in outputs[0]
    else:
        assert shows in through_both(stack, *words)


def test_hotkeys(stack):
    """Asks for access counts, which Redis ages: the same keys, not the same numbers."""
    direct = stack.direct()
    # Not before the proxy has looked: it sells nothing in a Redis that may evict what it sells.
    assert direct.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu") == b"+OK\r\n"
    assert "ummary" in cli(stack.port, "--hotkeys")
    assert direct.ask("CONFIG", "SET", "maxmemory-policy", "noeviction") == b"+OK\r\n"


def test_script_files_and_the_last_argument_from_stdin(stack, tmp_path):
    script = tmp_path / "sum.lua"
    script.write_text("return {KEYS[1], ARGV[1] + ARGV[2]}")
    assert "7" in through_both(stack, "--eval", str(script), "k", ",", "3", "4")
    assert through_both(stack, "-x", "ECHO", stdin="from stdin") == "from stdin\n"
    assert through_both(stack, "-X", "here", "SET", "tagged", "here", stdin="value") == "OK\n"


def test_pipe_takes_all_in(stack):
    """Mass insertion: 20,000 commands in the protocol, some of them refused by Redis."""
    data = b"".join(command("SET", f"pipe:{n}", "v" * 50) for n in range(20_000))
    data += command("LPUSH", "pipe:1", "x") * 3
    done = subprocess.run(["redis-cli", "-p", str(stack.port), "--pipe"], input=data, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert b"errors: 3, replies: 20003" in done.stdout, done.stdout
    assert stack.direct().ask("GET", "pipe:19999") == b"$50\r\n" + b"v" * 50 + b"\r\n"
    connection = stack.via()
    connection.ask("DEL", *(f"pipe:{n}" for n in range(20_000)))


def test_latency_is_measured(stack):
    """Not at a terminal it measures for a second and prints: min, max, mean, samples."""
    numbers = cli(stack.port, "--latency").split()
    assert len(numbers) == 4 and int(numbers[3]) > 3, numbers
    assert float(numbers[2]) < 1000


class Running:
    """redis-cli that goes on until it is ended, at a terminal of its own if wanted."""

    def __init__(self, *words, terminal=False):
        self.shown = ""
        self.keyboard, end = pty.openpty() if terminal else os.pipe()
        self.screen = self.keyboard  # one file for both at a terminal; else there is no keyboard
        self.child = subprocess.Popen(
            ["redis-cli", *words], stdin=end if terminal else subprocess.DEVNULL, stdout=end,
            stderr=end, start_new_session=True,
            env=dict(os.environ, TERM="dumb", HOME="/nonexistent"))
        os.close(end)

    def type(self, line):
        os.write(self.keyboard, line.encode() + b"\n")

    def until(self, pattern):
        """Waits for `pattern` in what was shown since the last match, and returns the match."""
        deadline = time.monotonic() + WITHIN_S
        while not (match := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.shown!r}"
            if select.select([self.screen], [], [], 0.1)[0]:
                try:
                    data = os.read(self.screen, 1 << 16)
                except OSError:  # what a terminal says when its program has ended
                    data = b""
                assert data, f"redis-cli ended; no {pattern!r} in {self.shown!r}"
                self.shown += data.decode(errors="replace")
        self.shown = self.shown[match.end():]
        return match

    def end(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        os.close(self.screen)


@pytest.fixture
def running(stack):
    begun = []

    def begin(*words, **kwargs):
        begun.append(Running("-p", str(stack.port), *words, **kwargs))
        return begun[-1]

    yield begin
    for one in begun:
        one.end()


@pytest.mark.parametrize("protocol", [(), ("-3",)], ids=["RESP2", "RESP3"])
def test_a_session_at_a_terminal(stack, running, protocol):
    cli_ = running(*protocol, terminal=True)
    prompt = rf"127\.0\.0\.1:{stack.port}"
    cli_.until(prompt + "> ")
    for line, shows in [("SET typed 1", "OK"), ("INCR typed", r"\(integer\) 2"),
                        ("GET", "wrong number of arguments"), ("EVAL 'return 5' 0", "5")]:
        cli_.type(line)
        cli_.until(shows)
        cli_.until(prompt + "> ")
    cli_.type("SELECT 3")
    cli_.until(prompt + r"\[3\]> ")
    cli_.type("MULTI")
    cli_.until(r"\[3\]\(TX\)> ")
    cli_.type("INCR tx")
    cli_.until(r"QUEUED[\s\S]*\(TX\)> ")
    cli_.type("EXEC")
    cli_.until(r"1\) \(integer\) \d+[\s\S]*\[3\]> ")
    cli_.type("QUIT")
    wait_for(lambda: cli_.child.poll() is not None, "redis-cli ends with QUIT")


@pytest.mark.parametrize("protocol", [(), ("-3",)], ids=["RESP2", "RESP3"])
def test_subscribe_shows_messages_as_they_come(stack, running, protocol):
    subscriber = running(*protocol, "PSUBSCRIBE", "news*")
    subscriber.until("psubscribe")
    connection = stack.via()
    for n in range(3):
        assert connection.ask("PUBLISH", "news1", f"number {n}") == b":1\r\n"
        subscriber.until(f"number {n}")


def test_monitor_shows_what_all_clients_do(stack, running):
    monitor = running("MONITOR")
    monitor.until("OK")
    stack.via().ask("SET", "monitored", "by cli")
    monitor.until(r'"SET" "monitored" "by cli"')


def test_stat_prints_a_line_an_interval(stack, running):
    stat = running("--stat", "-i", "0.05")
    stat.until("keys +mem")
    for _ in range(3):
        stat.until(r"\n\d+ +\d+\.?\d*[KMG] ")


def test_latency_history_and_distribution_at_a_terminal(stack, running):
    running("--latency-history", "-i", "1", terminal=True).until(r"min: [\s\S]*samples")
    running("--latency-dist", "-i", "1", terminal=True).until(r"\.\d")
