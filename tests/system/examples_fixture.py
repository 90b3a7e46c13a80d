"""A shop of examples/ before the real stack, buyers that click in it, and what MySQL must say."""

import http.client
import itertools
import json
import os
import signal
import threading
import urllib.parse

from harness.daemons import ROOT
from harness.ports import free_port
from harness.process import Process
from harness.tcp_fault import LOSE_REPLY, LOSE_REQUEST, TcpFault
from harness.waiting import until

FOLDER = ROOT / "examples"
SHOPS = {"python": ["/usr/bin/python3", "shop.py"], "node": ["node", "shop.mjs"],
         "go": ["go", "run", "."], "java": ["mvn", "-q", "spring-boot:run"],
         "php": ["php", "-S", "127.0.0.1:8080", "shop.php"]}
QUICK = ("python", "node")  # the others need toolchains that `make test` does without
BUYERS_AT_ONCE = 8
STOCK = 1_000_000
PAUSE_S = 0.004  # between two clicks of a buyer


class Group(Process):
    """A process with those that it starts, as `go run` and PHP's server do."""

    def _begin(self):
        os.setsid()
        super()._begin()

    def kill(self):
        if self.alive():
            os.killpg(self.pid, signal.SIGKILL)
            self.child.wait()


class Shop:
    """A shop that runs, started as its README says."""

    def __init__(self, lab, name, sluice_port, patience_ms=20_000):
        self.port = free_port()
        argv = [word.replace("8080", str(self.port)) for word in SHOPS[name]]
        self.process = Group(f"shop in {name}", argv, lab.folder / f"shop-{self.port}.log",
                             cwd=FOLDER / name,
                             env={"SLUICE_ADDRESS": f"127.0.0.1:{sluice_port}",
                                  "SHOP_PORT": str(self.port),
                                  "SHOP_PATIENCE_MS": str(patience_ms),
                                  "PHP_CLI_SERVER_WORKERS": str(BUYERS_AT_ONCE)})
        lab.processes.append(self.process)
        self.process.start()
        # Go and Java are compiled first, and fetch their driver if it is the first time.
        until(self._answers, 150, "the shop's port", every_s=0.05)

    def _answers(self):
        assert self.process.alive(), self.process.log()
        return self.get("/nowhere")[0] == 404

    def post(self, page, **form):
        return self._ask("POST", page, urllib.parse.urlencode(form),
                         {"Content-Type": "application/x-www-form-urlencoded"})

    def get(self, page, **form):
        return self._ask("GET", f"{page}?{urllib.parse.urlencode(form)}", None, {})

    def _ask(self, method, path, body, headers):
        """(HTTP status, the answer)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")
        finally:
            connection.close()


class Clicks:
    """Buyers that click on "phone" until they are ended, each with a REQ a click. Every third order
    is paid, every other third cancelled."""

    def __init__(self, shop):
        self.shop = shop
        self.orders = {}  # (user, REQ) → (order id, status)
        self._ended = threading.Event()
        self._errors = []
        self._threads = [threading.Thread(target=self._run, args=(k,), daemon=True)
                         for k in range(BUYERS_AT_ONCE)]
        for thread in self._threads:
            thread.start()

    def _run(self, k):
        try:
            for n in itertools.count():
                self._click(f"u{k}-{n // 2}", f"click-{n % 2}", n % 3)
                if self._ended.wait(PAUSE_S):
                    return
        except Exception as error:  # told by finish(), in the main thread
            self._errors.append(repr(error))

    def _click(self, user, req, then):
        order_id = self.bought(user, req)
        order = {"item": "phone", "user": user, "order_id": order_id}
        if then == 1:
            answer = self.shop.post("/pay", **order)
            assert answer == (200, {"outcome": "OK"}), (order, answer)
        if then == 2:
            status, answer = self.shop.post("/cancel", **order)
            assert (status, answer["outcome"]) == (200, "OK"), (order, answer)
        self.orders[user, req] = int(order_id), ("placed", "paid", "cancelled")[then]

    def bought(self, user, req, outcome="OK"):
        status, answer = self.shop.post("/buy", item="phone", user=user, req=req)
        assert (status, answer.get("outcome")) == (200, outcome), (user, req, answer)
        return answer["order_id"]

    def go_on(self, more=20):
        """Waits for so many more clicks."""
        wanted = len(self.orders) + more
        until(lambda: self._errors or len(self.orders) >= wanted, 60, f"{more} more clicks")
        assert not self._errors, self._errors

    def finish(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not self._errors, self._errors


def refused(proxy, result):
    return proxy.metrics()[f'sluice_purchases_total{{result="{result}"}}']


def disturb(clicks, proxy, front, behind):
    """One by one: connections cut, a request and a reply lost, the intake paused, Redis out of
    reach, the proxy killed. front stands before the proxy, behind it is Redis's."""
    clicks.go_on()
    front.cut()
    for action in (LOSE_REQUEST, LOSE_REPLY):
        for verb in (b"BUY", b"PAY", b"CANCEL"):
            front.on(rb"SECKILL\." + verb, action).wait()
    clicks.go_on()
    with proxy.client() as operator:
        assert operator("SECKILL.PAUSE", "INTAKE") == "OK"
        until(lambda: refused(proxy, "busy") > 0, 20, "a purchase that is told BUSY")
        assert operator("SECKILL.RESUME", "INTAKE") == "OK"
    clicks.go_on()
    until(lambda: unknown(clicks, proxy, behind), 60, "a purchase whose outcome is not known")
    proxy.kill()
    proxy.start()
    clicks.go_on()


def unknown(clicks, proxy, behind):
    """Redis goes silent for a while. True: a purchase was under way, not only payments."""
    before = refused(proxy, "error")
    behind.hold("replies")
    until(lambda: refused(proxy, "unknown") > 0 or refused(proxy, "error") > before, 20,
          "purchases that are refused")
    behind.release()
    clicks.go_on()
    return refused(proxy, "unknown") > 0


def check_every_click_is_one_order(clicks, database):
    """In MySQL as it was told; who clicks again gets the same order."""
    placed = next(key for key, (_, status) in clicks.orders.items() if status == "placed")
    order_id, _ = clicks.orders[placed]
    for key in sorted(clicks.orders)[:60]:
        order, status = clicks.orders[key]
        again = clicks.bought(*key, outcome="CANCELLED" if status == "cancelled" else "OK")
        assert int(again) == order, key
    rows = until(lambda: rows_once_drained(clicks, database), 30, "all clicks in MySQL")
    assert rows == clicks.orders
    live = sum(status != "cancelled" for _, status in rows.values())
    assert database.query("SELECT stock, sold FROM items WHERE item_id = 'phone'") == (
        (STOCK, live),)
    status, answer = clicks.shop.get("/order", item="phone", user=placed[0], order_id=order_id,
                                     wait=1000)
    assert (status, answer["status"], answer["durability"]) == (200, "placed", "database"), answer
    assert clicks.shop.get("/order", item="phone", user=placed[0], req=placed[1]) == (200, answer)


def rows_once_drained(clicks, database):
    """(user, REQ) → (order id, status), once changes have followed the orders."""
    found = database.query("SELECT user_id, request_id, order_id, status FROM orders "
                           "WHERE item_id = 'phone'")
    rows = {(user, req): (order, status) for user, req, order, status in found}
    assert len(rows) == len(found), "a click has two orders"
    wanted = {order: status for order, status in clicks.orders.values()}
    drained = len(rows) >= len(wanted) and all(
        wanted.get(order, status) == status for order, status in rows.values())
    return rows if drained else None


def sell_through(lab, name):
    """The whole story of a shop."""
    redis, database = lab.redis(), lab.database()
    behind = TcpFault(redis.port)
    drain = lab.flusher(database, start=False)
    proxy = lab.proxy(behind, limits__redis_timeout="300ms",
                      flusher__admin=f"http://127.0.0.1:{drain.admin_port}")
    drain.start()
    front = TcpFault(proxy.port)
    try:
        with proxy.client() as client:
            assert client("SECKILL.CREATE", "phone", "STOCK", STOCK) == "OK"
            assert client("SECKILL.CREATE", "rare", "STOCK", 1, "LIMIT", 1) == "OK"
        shop = Shop(lab, name, front.port)
        check_outcomes(shop)
        clicks = Clicks(shop)
        disturb(clicks, proxy, front, behind)
        clicks.finish()
        check_every_click_is_one_order(clicks, database)
    finally:
        front.close()
        behind.close()


def check_outcomes(shop):
    """Outcomes are ordinary answers; mistakes are 400, and are not tried again."""
    status, answer = shop.post("/buy", item="rare", user="ann", req="r1")
    assert (status, answer["outcome"], int(answer["remaining"])) == (200, "OK", 0), answer
    order_id = answer["order_id"]
    assert shop.post("/buy", item="rare", user="bob", req="r1") == (
        200, {"outcome": "SOLDOUT", "remaining": 0})
    assert shop.post("/buy", item="rare", user="ann", req="r2") == (
        200, {"outcome": "LIMIT", "bought": 1, "order_id": order_id})
    assert shop.post("/buy", item="none", user="ann", req="r1") == (200, {"outcome": "NOITEM"})
    assert shop.get("/order", item="rare", user="bob", order_id=order_id) == (
        200, {"outcome": "NOORDER"})
    assert shop.post("/buy", item="rare", user="ann")[0] == 400
    status, answer = shop.post("/buy", item="rare", user="a b", req="r1")
    assert status == 400 and "user" in answer["error"], answer


def gives_up(lab, name):
    """Nobody listens where Sluice should be: 503 within the shop's patience, never an outcome."""
    shop = Shop(lab, name, free_port(), patience_ms=300)
    status, answer = shop.post("/buy", item="phone", user="ann", req="r1")
    assert status == 503 and "same req" in answer["error"], answer
