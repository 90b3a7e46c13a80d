"""A restart that no client is refused by: the listening socket outlives the process.

The test holds the socket and passes it to each proxy as systemd does (LISTEN_FDS). How often it
restarts: SLUICE_RESTARTS, 5 unless it is set.
"""

import os
import socket
import threading
import time

from harness import admin
from harness.process import Process
from harness.resp import Client, RespError
from harness.waiting import until

RESTARTS = int(os.environ.get("SLUICE_RESTARTS", "5"))
BUYERS = 8
PAUSE_MAX_S = 5  # of a machine that does other things too; what it takes is printed


def listening(port=0):
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    held.listen(1024)
    return held


class Held:
    """A proxy's listening socket, and one proxy after the other on it."""

    def __init__(self, lab, redis, **settings):
        self.lab = lab
        self.socket = listening()
        self.port = self.socket.getsockname()[1]
        self.proxy = lab.proxy(redis, start=False, **settings)
        self.proxy.process.passed = [("clients", self.socket)]
        self.number = 0

    def follow(self, overlapping):
        """Ends the proxy and starts the next one; `overlapping`: the next one is started before."""
        old = self.proxy.process
        self.number += 1
        new = Process(f"proxy-{self.number}", old.argv,
                      old.log_path.with_name(f"proxy-{self.number}.log"))
        new.passed = old.passed
        self.lab.processes.append(new)
        if overlapping:
            new.start()
            until(lambda: "waits for the proxy before this one" in new.log(), 10, "it waits")
        assert old.stop() == 0, old.log_tail()
        if not overlapping:
            new.start()
        self.proxy.process = new


class Buyer(threading.Thread):
    """Buys one after the other, each with a REQ that is asked until it is decided. `anew`: over a
    new connection each time."""

    def __init__(self, port, name, anew, stop):
        super().__init__(daemon=True)
        self.port, self.name, self.anew, self.stop = port, name, anew, stop
        self.told = {}    # REQ → order id
        self.times = []   # of each OK
        self.refused = self.broken = self.asked_again = 0
        self.wrong = []   # replies that say neither yes nor "ask again"
        self.client = None

    def run(self):
        number = 0
        while not self.stop.is_set():
            self.buy(f"r{number}")
            number += 1
            if self.anew:
                self.hang_up()
        self.hang_up()

    def hang_up(self):
        if self.client is not None:
            self.client.close()
            self.client = None

    def buy(self, req):
        while True:
            try:
                if self.client is None:
                    self.client = Client(self.port)
                reply = self.client("SECKILL.BUY", "phone", self.name, "REQ", req)
            except ConnectionRefusedError:
                self.refused += 1
                continue
            except (OSError, EOFError):
                self.broken += 1
                self.hang_up()
                continue
            if isinstance(reply, RespError) and reply.prefix in ("LOADING", "UNKNOWNSTATE"):
                self.asked_again += 1
                time.sleep(0.002)
                continue
            if isinstance(reply, RespError) or reply[0] != "OK":
                self.wrong.append(reply)
            else:
                self.told[req] = reply[1]
                self.times.append(time.monotonic())
            return


def longest_gap(times, begin, end):
    inside = sorted([begin, *(t for t in times if begin < t < end), end])
    return max(after - before for before, after in zip(inside, inside[1:]))


def restarts_under_load(held):
    """(buyers, pauses in seconds)."""
    stop = threading.Event()
    buyers = [Buyer(held.port, f"buyer{n}", n % 2 == 0, stop) for n in range(BUYERS)]
    for buyer in buyers:
        buyer.start()
    spans = []
    for number in range(RESTARTS):
        sold = sum(len(buyer.told) for buyer in buyers)
        until(lambda: sum(len(b.told) for b in buyers) > sold + 50, 20, "they buy")
        begin = time.monotonic()
        held.follow(overlapping=number % 2 == 1)
        sold = sum(len(buyer.told) for buyer in buyers)
        until(lambda: sum(len(b.told) for b in buyers) > sold + 50, 20, "they buy again")
        spans.append((begin, time.monotonic()))
    stop.set()
    for buyer in buyers:
        buyer.join(20)
    times = [t for buyer in buyers for t in buyer.times]
    return buyers, [longest_gap(times, begin, end) for begin, end in spans]


def test_restarts_under_load_refuse_no_connect_and_lose_no_purchase(lab):
    """Old and new one after the other, and with both running for a while: nobody is refused, every
    purchase that was acknowledged is there once, and the pause is short."""
    redis, database = lab.redis(), lab.database()
    flusher = lab.flusher(database, start=False)
    held = Held(lab, redis, flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    held.proxy.start()
    flusher.start()
    with Client(held.port) as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1_000_000) == "OK"
    buyers, pauses = restarts_under_load(held)
    told = {(b.name, req): order for b in buyers for req, order in b.told.items()}
    print(f"{len(pauses)} restarts: {len(told)} purchases, "
          f"{sum(b.refused for b in buyers)} connects refused, "
          f"{sum(b.broken for b in buyers)} connections ended, "
          f"{sum(b.asked_again for b in buyers)} asked again; pauses "
          + ", ".join(f"{pause * 1000:.0f}" for pause in pauses) + " ms")
    assert [b.wrong for b in buyers if b.wrong] == []
    assert sum(b.refused for b in buyers) == 0
    assert max(pauses) < PAUSE_MAX_S
    with Client(held.port) as client:
        stock = client("SECKILL.STOCK", "phone")
        assert dict(zip(stock[::2], stock[1::2]))["sold"] == len(told)
        assert client("SECKILL.FLUSH", "WAIT", 30_000) == "OK"
    rows = database.query("SELECT user_id, request_id, order_id FROM orders")
    assert {(user, req): str(order) for user, req, order in rows} == told
    assert held.proxy.process.stop() == 0


def test_what_was_asked_is_answered_before_the_end(lab):
    """Replies under way when SIGTERM comes arrive whole, then the connection ends; an idle client's
    ends at once."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as busy, proxy.client() as idle:
        assert busy("SET", "k", "x" * 300_000) == "OK"
        for _ in range(8):
            busy.send("GET", "k")
        assert busy.read() == "x" * 300_000  # the others are written, or wait to be
        proxy.process.send(15)
        assert idle.closed_by_peer()
        until(lambda: "stopping" in proxy.process.log(), 5, "it ends")
        whole = 0
        try:
            while busy.read() == "x" * 300_000:
                whole += 1
        except EOFError:
            pass
        assert busy.reader.read() == b""  # nothing of a reply that is not whole
        assert whole == 7
    assert proxy.process.wait(10) == 0


def test_who_never_reads_does_not_keep_the_proxy_from_ending(lab):
    """limits.stop_timeout bounds how long its replies are waited for."""
    proxy = lab.proxy(lab.redis(), limits__stop_timeout="300ms")
    with proxy.client() as deaf:
        assert deaf("SET", "k", "x" * 1_000_000) == "OK"
        for _ in range(40):
            deaf.send("GET", "k")
        until(lambda: proxy.metrics()["sluice_client_memory_bytes"] > 100_000, 10, "replies wait")
        begin = time.monotonic()
        assert proxy.stop() == 0
        assert 0.3 <= time.monotonic() - begin < 5


def test_a_second_proxy_that_was_passed_no_socket_is_refused_at_once(lab):
    """Started by mistake on the same folder it says who has it, with exit code 3."""
    redis = lab.redis()
    lab.proxy(redis)
    second = lab.proxy(redis, start=False)
    second.process.start()
    assert second.process.wait(10) == 3
    assert "is in use" in second.process.log()


def test_a_folder_that_cannot_be_locked_is_not_said_to_be_in_use(lab):
    proxy = lab.proxy(lab.redis(), start=False)
    (proxy.journal / "LOCK").mkdir(parents=True)
    proxy.process.start()
    assert proxy.process.wait(10) == 1
    log = proxy.process.log()
    assert "cannot be locked; this user must be able to write there" in log
    assert "is in use" not in log


def test_it_waits_for_the_folder_no_longer_than_it_is_told(lab):
    """journal.lock_wait; then it says who has the folder. SIGTERM ends the wait at once with 0."""
    redis = lab.redis()
    lab.proxy(redis)
    waiting = Held(lab, redis, journal__lock_wait="300ms").proxy
    begin = time.monotonic()
    waiting.process.start()
    assert waiting.process.wait(10) == 3
    assert time.monotonic() - begin >= 0.3 and "is in use" in waiting.process.log()
    patient = Held(lab, redis).proxy
    patient.process.start()
    until(lambda: "waits for the proxy before this one" in patient.process.log(), 10, "it waits")
    assert patient.process.stop(5) == 0


def test_sockets_are_known_by_their_names(lab):
    """"admin" is the HTTP listener's, every other one is for clients; a socket of a public address
    is judged like a public listen.address; two of a kind are refused."""
    redis = lab.redis()
    held = Held(lab, redis)
    http = listening()
    held.proxy.process.passed = [("admin", http), ("sluice-proxy.socket", held.socket)]
    held.proxy.process.start()
    port = http.getsockname()[1]
    until(lambda: admin.request("GET", port, "/readyz").status == 200, 20, "ready")
    with Client(held.port) as client:
        assert client("PING") == "PONG"
    assert held.proxy.stop() == 0

    held.proxy.process.passed = [("a", held.socket), ("b", listening())]
    held.proxy.process.start()
    assert held.proxy.process.wait(10) == 2
    assert "two sockets for clients" in held.proxy.process.log()

    public = socket.socket()
    public.bind(("0.0.0.0", 0))
    public.listen()
    held.proxy.process.passed = [("clients", public)]
    held.proxy.process.start()
    assert held.proxy.process.wait(10) == 2
    assert "auth.users_file" in held.proxy.process.log()
