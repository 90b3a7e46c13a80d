"""A program: some dozen buyers, each a thread with connections of its own, who ask until they are
answered and write down what they were told (told.py).

    clients.py PLAN OUT NUMBER    PLAN: JSON with seed, threads, ports, items, answer_within_s

SIGTERM: nothing new is begun; what was begun is asked until it is answered, or `answer_within_s`
has passed. Ends with 0 either way: what it means is for the checker to say.
"""

import json
import pathlib
import random
import signal
import sys
import threading
import time

if __package__ in (None, ""):  # run as a program
    ROOT = pathlib.Path(__file__).resolve().parents[3]
    sys.path.insert(0, str(ROOT / "tests" / "system"))
from harness.resp import Client, RespError, encode  # noqa: E402

PATIENCE_S = 4.0            # how long an answer is waited for …
IMPATIENT_S = (0.02, 0.4)   # … and by a client in a hurry, whose request lives on without him
THINK_S = 0.04
BACK_OFF_S = (0.005, 0.1)
ACCOUNTS_KEPT = 400
# Errors that are answers: settings that differ, and an item that was closed for too long.
FINAL_ERRORS = {"CREATE": "EXISTS", "REOPEN": "ERR"}


class Request:
    """One command, asked once or until there is an answer."""

    def __init__(self, op, item, user=None, words=(), may_repeat=True, **known):
        self.words = words
        self.may_repeat = may_repeat
        self.in_flight = False
        self.reply = None
        self.asked = self.unknown = 0
        self.sent = self.done = self.error = None
        self.errors = {}
        self.known = {"op": op, "item": item, **({"user": user} if user else {}), **known}

    def going_out(self):
        self.asked += 1
        self.in_flight = True
        self.sent = self.sent or time.monotonic()

    def heard(self, reply):
        self.in_flight = False
        self.done = time.monotonic()
        if not isinstance(reply, RespError):
            self.reply, self.error = reply, None
        elif reply.prefix == FINAL_ERRORS.get(self.known["op"]):
            self.reply, self.error = [reply.prefix], reply.text
        else:
            self.failed(reply.prefix, reply.text, reply.prefix == "UNKNOWNSTATE")

    def failed(self, kind, text, outcome_unknown):
        self.in_flight = False
        self.error = text
        self.errors[kind] = self.errors.get(kind, 0) + 1
        self.unknown += outcome_unknown

    def wants_again(self):
        return self.reply is None and (self.may_repeat or self.unknown == 0)

    def line(self):
        return {**self.known, "reply": self.reply, "error": self.error, "asked": self.asked,
                "unknown": self.unknown, "sent": self.sent, "done": self.done,
                **({"errors": self.errors} if self.errors else {})}


class Book:
    """Where all threads of this process write what they were told."""

    def __init__(self, path):
        self._file = open(path, "w", buffering=1 << 16)
        self._lock = threading.Lock()

    def write(self, requests):
        text = "".join(json.dumps(request.line()) + "\n" for request in requests)
        with self._lock:
            self._file.write(text)

    def close(self):
        with self._lock:
            self._file.close()


class Account:
    """A user of an item, and the purchases he was told of: REQ → (order id, cancelled); and the
    orders that he has paid, or begun to."""

    def __init__(self, item, user):
        self.item = item
        self.user = user
        self.orders = {}
        self.paid = set()


class Buyer(threading.Thread):
    def __init__(self, number, plan, book, stopping):
        super().__init__(daemon=True)
        self.name = f"{number}"
        self.chance = random.Random(f"{plan['seed']}/{number}")
        self.ports = plan["ports"]
        self.items = list(plan["items"])
        self.items_max = len(self.items) + plan["creates"]
        self.weights = [item["weight"] for item in self.items]
        self.answer_within_s = plan["answer_within_s"]
        self.book = book
        self.stopping = stopping
        self.deadline = None
        self.connections = {}
        self.accounts = []
        self.count = 0

    # ---- asking ------------------------------------------------------------------------------

    def run(self):
        actions = [(40, self.buy), (8, self.buy_without_req), (6, self.buy_twice_at_once),
                   (8, self.buy_again), (14, self.cancel), (2, self.cancel_again), (10, self.pay),
                   (12, self.query), (3, self.restock), (1, self.close_and_reopen),
                   (1, self.create)]
        weights = [weight for weight, _ in actions]
        while not self.stopping.is_set():
            self.chance.choices(actions, weights)[0][1]()
            time.sleep(self.chance.uniform(0, THINK_S))
        for port in list(self.connections):
            self.drop(port)

    def ask(self, *requests):
        """Asks until each has its last answer, or the time after the end is up."""
        pending = list(requests)
        while pending:
            self.exchange(self.pick_port(), pending)
            pending = [request for request in pending if request.wants_again()]
            if pending and self.time_is_up():
                break
            if pending:
                time.sleep(self.chance.uniform(*BACK_OFF_S))
        self.book.write(requests)

    def time_is_up(self):
        if self.stopping.is_set() and self.deadline is None:
            self.deadline = time.monotonic() + self.answer_within_s
        return self.deadline is not None and time.monotonic() > self.deadline

    def pick_port(self):
        # Mostly the one that is connected already, as a client's pool does.
        if self.connections and self.chance.random() < 0.9:
            return next(iter(self.connections))
        return self.chance.choice(self.ports)

    def exchange(self, port, requests):
        if self.send(port, requests):
            self.receive(port, requests)

    def send(self, port, requests):
        try:
            client = self.connections.get(port) or Client(port, timeout_s=PATIENCE_S)
        except OSError:
            for request in requests:
                request.failed("not connected", "not connected", False)
            return False
        self.connections[port] = client
        for request in requests:
            request.going_out()
        return self.guarded(port, requests, lambda: client.send_raw(
            b"".join(encode(*request.words) for request in requests)))

    def receive(self, port, requests):
        client = self.connections[port]
        hurry = self.chance.random() < 0.04
        client.sock.settimeout(self.chance.uniform(*IMPATIENT_S) if hurry else PATIENCE_S)

        def read_all():
            for request in requests:
                request.heard(client.read())
        return self.guarded(port, requests, read_all)

    def guarded(self, port, requests, work):
        try:
            work()
            return True
        except (OSError, EOFError, ValueError) as error:
            self.drop(port)
            for request in requests:
                if request.in_flight:
                    request.failed("broken", f"broken: {error}", True)
            return False

    def drop(self, port):
        client = self.connections.pop(port, None)
        if client is not None:
            try:
                client.close()
            except OSError:
                pass

    # ---- what a buyer does -------------------------------------------------------------------

    def number(self):
        self.count += 1
        return self.count

    def pick_item(self):
        return self.chance.choices(self.items, self.weights)[0]

    def account(self):
        """A new user, or one who has been here before."""
        if self.accounts and self.chance.random() < 0.3:
            return self.chance.choice(self.accounts)
        account = Account(self.pick_item(), f"u{self.name}-{self.number()}")
        if len(self.accounts) < ACCOUNTS_KEPT:
            self.accounts.append(account)
        else:
            self.accounts[self.chance.randrange(ACCOUNTS_KEPT)] = account
        return account

    def bought(self, cancelled=False):
        """An account with an order in the wanted state, and its REQ; None if none is found."""
        for account in self.chance.sample(self.accounts, min(20, len(self.accounts))):
            for req, (_, is_cancelled) in account.orders.items():
                if is_cancelled == cancelled:
                    return account, req
        return None

    def purchase(self, account, req, qty, twin=False):
        item = account.item["name"]
        words = ["SECKILL.BUY", item, account.user]
        known = {"qty": qty}
        if req:
            words += ["REQ", req]
            known["req"] = req
        if qty != 1 or self.chance.random() < 0.5:
            words += ["QTY", qty]
        if twin:
            known["twin"] = True
        elif self.chance.random() < 0.2:
            known["fields"] = {"note": "x" * self.chance.randrange(600), "n": str(self.number())}
            words += ["FIELDS", *(word for pair in known["fields"].items() for word in pair)]
        return Request("BUY", item, account.user, words, may_repeat=bool(req), **known)

    def remember(self, account, request):
        if request.reply and request.reply[0] == "OK":
            account.orders[request.known["req"]] = (request.reply[1], False)

    def buy(self):
        accounts = [self.account() for _ in range(self.chance.choice((1, 1, 1, 2, 4, 8)))]
        requests = [self.purchase(account, f"r{self.number()}", self.quantity())
                    for account in accounts]
        self.ask(*requests)
        for account, request in zip(accounts, requests):
            self.remember(account, request)

    def quantity(self):
        return self.chance.choice((1, 1, 1, 1, 2, 3))

    def buy_without_req(self):
        user = f"p{self.name}-{self.number() // 40}"  # the same for some purchases
        self.ask(self.purchase(Account(self.pick_item(), user), None, self.quantity()))

    def buy_twice_at_once(self):
        """One REQ on two connections, as when a client gives up waiting and asks elsewhere."""
        account, req, qty = self.account(), f"r{self.number()}", self.quantity()
        twins = [self.purchase(account, req, qty, twin=True) for _ in range(2)]
        ports = [self.pick_port(), self.chance.choice(self.ports)]
        if ports[0] == ports[1]:
            try:
                second = Client(ports[1], timeout_s=PATIENCE_S)
            except OSError:
                return
            self.connections["twin"] = second
            ports[1] = "twin"
        sent = [self.send(port, [twin]) for port, twin in zip(ports, twins)]
        for port, twin, is_sent in zip(ports, twins, sent):
            if is_sent:
                self.receive(port, [twin])
        self.drop("twin")
        open_ones = [twin for twin in twins if twin.wants_again()]
        self.book.write([twin for twin in twins if not twin.wants_again()])
        if open_ones:
            self.ask(*open_ones)
        for twin in twins:
            self.remember(account, twin)

    def buy_again(self):
        """The same REQ as a purchase that was told long ago."""
        found = self.bought(cancelled=self.chance.random() < 0.2)
        if found:
            account, req = found
            item = account.item["name"]
            self.ask(Request("BUY", item, account.user,
                             ["SECKILL.BUY", item, account.user, "REQ", req], req=req, again=True))

    def cancel(self):
        found = self.bought()
        if found and found[0].item["cancels"]:
            account, req = found
            order = account.orders[req][0]
            account.orders[req] = (order, True)
            self.ask(self.cancellation(account, order))

    def cancel_again(self):
        found = self.bought(cancelled=True)
        if found:
            account, req = found
            self.ask(self.cancellation(account, account.orders[req][0]))

    def cancellation(self, account, order):
        req, item = f"c{self.number()}", account.item["name"]
        refund = ["REFUND"] if order in account.paid else []
        return Request("CANCEL", item, account.user,
                       ["SECKILL.CANCEL", item, account.user, order, "REQ", req, *refund],
                       req=req, order=order)

    def pay(self):
        found = self.bought()
        if found:
            account, req = found
            order, item, pay = account.orders[req][0], account.item["name"], f"p{self.number()}"
            account.paid.add(order)
            self.ask(Request("PAY", item, account.user,
                             ["SECKILL.PAY", item, account.user, order, "REQ", pay],
                             req=pay, order=order))

    def query(self):
        found = self.bought(cancelled=self.chance.random() < 0.3)
        if not found:
            return
        account, req = found
        item, order = account.item["name"], account.orders[req][0]
        kind = self.chance.random()
        if kind < 0.1:  # nobody learns of another user's order
            stranger = account.user + "x"
            self.ask(Request("ORDER", item, stranger, ["SECKILL.ORDER", item, stranger, order],
                             order=order, stranger=True))
        elif kind < 0.5:
            self.ask(Request("ORDER", item, account.user,
                             ["SECKILL.ORDER", item, account.user, order], order=order))
        else:
            self.ask(Request("ORDER", item, account.user,
                             ["SECKILL.ORDER", item, account.user, "REQ", req], req=req))

    def restock(self):
        item = self.pick_item()
        if item["restocks"]:
            req, delta = f"s{self.name}-{self.number()}", self.chance.randint(1, 12)
            self.ask(Request("RESTOCK", item["name"],
                             words=["SECKILL.RESTOCK", item["name"], delta, "REQ", req],
                             req=req, qty=delta))

    def close_and_reopen(self):
        closing = [item for item in self.items if item["closes"]]
        if closing:
            name = self.chance.choice(closing)["name"]
            self.ask(Request("CLOSE", name, words=["SECKILL.CLOSE", name]))
            self.ask(Request("REOPEN", name, words=["SECKILL.REOPEN", name]))

    def create(self):
        """An item of this buyer's own; sometimes its creation is told twice."""
        if self.items_max == 1:
            return
        item = {"name": f"own-{self.name}-{self.number()}", "stock": self.chance.randint(5, 60),
                "limit": self.chance.choice((0, 0, 3)), "weight": 2, "cancels": True,
                "restocks": True, "closes": False}
        words = ["SECKILL.CREATE", item["name"], "STOCK", item["stock"], "LIMIT", item["limit"]]
        for _ in range(self.chance.choice((1, 1, 2))):
            request = Request("CREATE", item["name"], words=words, qty=item["stock"],
                              limit=item["limit"])
            self.ask(request)
        if request.reply == "OK" and len(self.items) < self.items_max:
            self.items.append(item)
            self.weights.append(item["weight"])


def main():
    plan = json.loads(pathlib.Path(sys.argv[1]).read_text())
    number = int(sys.argv[3])
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the orchestrator's
    book = Book(sys.argv[2])
    buyers = [Buyer(f"{number}.{thread}", plan, book, stopping)
              for thread in range(plan["threads"])]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        while buyer.is_alive():  # join() without a bound would not see the signal
            buyer.join(0.2)
    book.close()


if __name__ == "__main__":
    main()
