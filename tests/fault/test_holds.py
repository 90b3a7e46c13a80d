"""Unpaid orders expire while others are paid and the proxy is killed over and over.

SLUICE_HOLD_ORDERS and SLUICE_HOLD_KILLS make it larger: 100000 and 10 are the figures of
docs/guarantees.md.
"""

import heapq
import os
import random
import threading
import time

from harness import invariants
from harness.resp import RespError
from harness.waiting import until

ORDERS = int(os.environ.get("SLUICE_HOLD_ORDERS", 6_000))
KILLS = int(os.environ.get("SLUICE_HOLD_KILLS", 3))
HOLD_S = 4
PAID_PART = 0.3
ORDERS_PER_S = max(1_000, ORDERS // 25)
PORTION_S = 0.02


class Shoppers:
    """Buy at a steady rate; pay a part of the orders, some of them when they are about to expire.
    What gets no answer, or an error, is asked again with its REQ until it has an outcome."""

    def __init__(self, proxy, seed):
        self.proxy, self.random = proxy, random.Random(seed)
        self.bought, self.paid = {}, {}  # user: order; order: outcome of its payment
        self.due = []  # (when, user, order): payments that are to be tried
        self.lock = threading.Lock()
        self.all_bought = threading.Event()
        self.threads = [threading.Thread(target=self.buy), threading.Thread(target=self.pay)]
        for thread in self.threads:
            thread.start()

    def ask(self, commands):
        """(command, reply) of each, None for what is to be asked again."""
        try:
            with self.proxy.client(timeout_s=5) as client:
                replies = client.pipeline(commands)
        except (OSError, EOFError, AssertionError):
            time.sleep(0.02)
            return [(command, None) for command in commands]
        return [(command, None if isinstance(reply, RespError) else reply)
                for command, reply in zip(commands, replies)]

    def buy(self):
        todo = [("SECKILL.BUY", "phone", f"u{number}", "REQ", "r") for number in range(ORDERS)]
        todo.reverse()
        portion, began, sent = int(ORDERS_PER_S * PORTION_S), time.monotonic(), 0
        while todo:
            some = [todo.pop() for _ in range(min(portion, len(todo)))]
            for command, reply in self.ask(some):
                if reply is None:
                    todo.append(command)
                    continue
                assert reply[0] == "OK", reply
                self.remember(command[2], reply[1])
            sent += len(some)
            time.sleep(max(0, began + sent / ORDERS_PER_S - time.monotonic()))
        self.all_bought.set()

    def remember(self, user, order):
        self.bought[user] = order
        if self.random.random() < PAID_PART:
            when = time.monotonic() + self.random.uniform(0, HOLD_S + 0.3)
            with self.lock:
                heapq.heappush(self.due, (when, user, order))

    def pay(self):
        while not (self.all_bought.is_set() and not self.due):
            now, some = time.monotonic(), []
            with self.lock:
                while self.due and self.due[0][0] <= now and len(some) < 500:
                    some.append(heapq.heappop(self.due))
            pays = [("SECKILL.PAY", "phone", user, order, "REQ", "p") for _, user, order in some]
            for one, (command, reply) in zip(some, self.ask(pays) if pays else []):
                if reply is None:
                    with self.lock:
                        heapq.heappush(self.due, one)
                else:
                    self.paid[command[3]] = reply[0]
            time.sleep(PORTION_S)

    def finish(self):
        for thread in self.threads:
            thread.join(300)
            assert not thread.is_alive()


def lateness(rows, down):
    """Of each expiry, seconds that the proxy was there after its hold was over."""
    late = []
    for order, _, created, updated in rows:
        due, updated = float(created) + HOLD_S, float(updated)
        assert updated >= due - 0.001, f"{order} has expired early"
        away = sum(max(0, min(ended, updated) - max(began, due)) for began, ended in down)
        late.append(updated - due - away)
    return late


def test_orders_expire_while_others_are_paid_and_the_proxy_is_killed(lab):
    """Each order is paid or has expired, not both; who was told OK has paid. None expires later
    than a second after its hold, but for the time when the proxy was down; stock and rows agree."""
    seed = int(os.environ.get("SLUICE_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}")
    _, database, proxy, flusher = lab.stack()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", ORDERS, "HOLD", HOLD_S * 1000) == "OK"
    shoppers, draw, down = Shoppers(proxy, seed), random.Random(seed), []
    for _ in range(KILLS):
        time.sleep(draw.uniform(0.5, 2))
        began = time.time()
        proxy.kill()
        proxy.start()
        with proxy.client() as client:
            invariants.stock_of(client, "phone")
        down.append((began, time.time()))
    shoppers.finish()
    paid = {order for order, outcome in shoppers.paid.items() if outcome == "OK"}
    assert set(shoppers.paid.values()) == {"OK", "EXPIRED"}
    with proxy.client() as client:
        until(lambda: invariants.stock_of(client, "phone")["sold"] == len(paid), 30,
              "the expiries")
        assert client("SECKILL.FLUSH", "WAIT", 60_000) == "OK"
    rows = database.query("SELECT order_id, status, UNIX_TIMESTAMP(created_at),"
                          " UNIX_TIMESTAMP(updated_at) FROM orders")
    assert {str(row[0]) for row in rows} == set(shoppers.bought.values())
    assert {str(row[0]) for row in rows if row[1] == "paid"} == paid
    expired = [row for row in rows if row[1] == "expired"]
    assert len(expired) + len(paid) == ORDERS
    late = lateness(expired, down)
    print(f"{len(paid)} paid, {len(late)} expired, the latest {max(late):.3f} s after its hold")
    assert max(late) <= 1.0
    assert database.one("SELECT stock, sold FROM items") == (ORDERS, len(paid))
