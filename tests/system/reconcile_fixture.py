"""Sales with their drains, and what sluice-ctl reconcile finds in them."""

import json

from harness.shelves import pack_item, shelf_key, unpack_item
from harness.waiting import until


class Sale:
    """A stack with the item `phone` (stock 100): a0 … a9 bought one each, a0 and a1 cancelled."""

    def __init__(self, lab, **flusher):
        self.lab = lab
        self.redis, self.database, self.proxy, self.flusher = lab.stack(flusher=flusher)
        self.orders = {}
        with self.proxy.client() as client:
            assert client("SECKILL.CREATE", "phone", "STOCK", 100, "LIMIT", 5) == "OK"
            for n in range(10):
                self.buy(client, f"a{n}")
            for user in ("a0", "a1"):
                assert client("SECKILL.CANCEL", "phone", user, self.orders[user])[0] == "OK"

    def buy(self, client, user, *more):
        reply = client("SECKILL.BUY", "phone", user, "REQ", "r", *more)
        assert reply[0] == "OK", reply
        self.orders[user] = reply[1]

    def drained(self):
        """Waits until all is in MySQL."""
        def none_waits():
            return self.reconcile().item("phone")["waiting"]["records"] == 0
        until(none_waits, 20, "the drain", every_s=0.1)
        return self

    def reconcile(self, *more):
        return reconcile(self.lab, [self.proxy.config, self.flusher.config], *more)

    def table(self, *more):
        return self.lab.ctl("reconcile", "--config", self.proxy.config, "--config",
                            self.flusher.config, *more)

    def differs(self, *kinds):
        """Exactly these differences, as "side kind"; the result."""
        found = self.reconcile()
        assert found.code == 1, found.text
        assert found.kinds() == sorted(kinds), found.text
        return found

    def agrees(self, *more):
        found = self.reconcile(*more)
        assert found.code == 0 and found.kinds() == [], found.text
        return found

    def check_fixed(self, *more):
        """--fix exits 0 and leaves everything in agreement."""
        fixed = self.agrees("--fix", *more)
        self.agrees()
        return fixed


class Found:
    def __init__(self, done):
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        self.json = json.loads(done.stdout) if done.stdout else None

    def item(self, name):
        return next(item for item in self.json["items"] if item["item"] == name)

    def differences(self):
        return [one for item in self.json["items"] for one in item["differences"]]

    def kinds(self):
        return sorted(f"{one['side']} {one['kind']}" for one in self.differences())


def reconcile(lab, configs, *more):
    words = [word for config in configs for word in ("--config", config)]
    return Found(lab.ctl("reconcile", *words, "--json", *more))


class TwoProxies:
    """Two proxies sell `phone` through one Redis into one database, each with its flusher."""

    def __init__(self, lab, proxy=None, **flusher):
        self.lab = lab
        self.redis, self.database = lab.redis(), lab.database()
        self.proxies, self.flushers = [], []
        for number in (1, 2):
            journal = lab.folder / f"journal{number}"
            self.proxies.append(
                lab.proxy(self.redis, journal=journal, proxy__id=number, **(proxy or {})))
            self.flushers.append(lab.flusher(self.database, journal=journal, **flusher))

    def configs(self):
        return [daemon.config for daemon in self.proxies + self.flushers]

    def reconcile(self, *more):
        return reconcile(self.lab, self.configs(), *more)

    def sell(self, buyers):
        """Each proxy sells to half of the buyers; the orders by user."""
        orders = {}
        for number, proxy in enumerate(self.proxies):
            with proxy.client() as client:
                def created():
                    return client("SECKILL.CREATE", "phone", "STOCK", 1000) == "OK"
                until(created, 20, "the item")
                for n in range(number, buyers, 2):
                    reply = open_again(client, "SECKILL.BUY", "phone", f"u{n}", "REQ", "r")
                    assert reply[0] == "OK", reply
                    orders[f"u{n}"] = reply[1]
        return orders


def open_again(client, *words):
    """The reply, once the proxy has opened the item after its rebuild."""
    def answered():
        reply = client(*words)
        return reply if isinstance(reply, list) else None
    return until(answered, 20, str(words))


def buy_with_notes(client, item, count):
    """So many buyers with a kilobyte of FIELDS each: a thousand of them fill a segment of 1 MiB."""
    for n in range(0, count, 100):
        client.pipeline([("SECKILL.BUY", item, f"u{m}", "FIELDS", "note", "x" * 1000)
                         for m in range(n, n + 100)])


def edit(client, item="phone", **more):
    """Adds to numbers of the item in Redis, as a script would write it."""
    numbers = unpack_item(client("HGET", shelf_key(item), item))
    for name, number in more.items():
        numbers[name] += number
    client("HSET", shelf_key(item), item, pack_item(numbers))


def hurt_sold(client):
    edit(client, sold=5)
