"""Flash sales: many buyers, little stock, and everything is killed while it runs."""

import random
import time

from harness import invariants
from harness.load import Gate, Load, Request, buyers_asking_twice

BUYERS, UNITS = 20_000, 1_000


def create(proxy, item, stock, *more):
    with proxy.client() as client:
        assert client("SECKILL.CREATE", item, "STOCK", stock, *more) == "OK"


def test_a_sale_sells_its_stock_once_to_each_of_the_first_buyers(lab):
    """64 connections, 20,000 buyers, 1,000 units, LIMIT 1; every buyer asks twice with one REQ.

    Exactly 1,000 orders in MySQL, one per REQ, no buyer with two, items.sold = 1,000, stock 0, and
    every acknowledged order_id is a row.
    """
    _, database, proxy, flusher = lab.stack()
    create(proxy, "phone", UNITS, "LIMIT", 1)
    load = Load(proxy.port, buyers_asking_twice("phone", BUYERS, seed=1), window=16).start()
    load.finish(within_s=120)
    # Who bought was told so both times; everybody else found it sold out at least once.
    assert load.errors == {}
    assert load.outcomes() == {"OK": 2 * UNITS, "SOLDOUT": 2 * (BUYERS - UNITS)}
    invariants.drain(flusher)
    with proxy.client() as client:
        invariants.check_sold_out_once(database, client, "phone", load, UNITS)


def test_a_sale_survives_three_kills_of_the_proxy_and_three_of_the_flusher(lab):
    """The same sale; proxy and flusher are SIGKILLed three times each with purchases in flight.

    Clients ask again with their REQ. The result is the same as without any kill.
    """
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    _, database, proxy, flusher = lab.stack()
    create(proxy, "phone", UNITS, "LIMIT", 1)
    gate = Gate(is_open=False)
    load = Load(proxy.port, buyers_asking_twice("phone", BUYERS, seed), window=4, gate=gate,
                seed=seed).start()
    for victim in [proxy, flusher, flusher, proxy, flusher, proxy]:
        # A burst of requests, and the kill while they are on their way; about 900 units in all, so
        # that there is still something to sell after the last one.
        gate.grant(160)
        load_reaches_the_daemons(chance)
        victim.kill()
        assert victim.process.exit_code() == -9
        gate.grant(20)
        victim.start()
    load.finish(within_s=150)
    assert load.broken > 0, "no kill met an open connection"
    assert load.errors == {}
    # A buyer may have been told "sold out" for one of two requests only if both were refused.
    assert load.outcomes()["OK"] == 2 * UNITS
    invariants.drain(flusher)
    with proxy.client() as client:
        invariants.check_sold_out_once(database, client, "phone", load, UNITS)


def load_reaches_the_daemons(chance):
    """Lets between 0 and 20 ms pass: where in its work the kill meets a daemon is to vary."""
    time.sleep(chance.uniform(0, 0.02))


def test_a_restock_in_mid_sale_sells_exactly_that_many_more(lab):
    """500 units are given, the sale is sold out, 250 more come, sent twice with one REQ.

    750 orders in all; items.stock is 750.
    """
    _, database, proxy, flusher = lab.stack()
    create(proxy, "phone", 500, "LIMIT", 1)
    before = Load(proxy.port, [Request("phone", f"a{n}", "r") for n in range(1000)], window=8)
    before.start().finish(within_s=60)
    assert before.outcomes() == {"OK": 500, "SOLDOUT": 500}
    after = Load(proxy.port, [Request("phone", f"b{n}", "r") for n in range(4000)], window=8)
    with proxy.client() as client:
        after.start()
        assert client("SECKILL.RESTOCK", "phone", 250, "REQ", "truck-1")[0] == "OK"
        assert client("SECKILL.RESTOCK", "phone", 250, "REQ", "truck-1")[0] == "OK"
        after.finish(within_s=60)
        # The restock may come so late that nobody asked after it; somebody asks now.
        late = Load(proxy.port, [Request("phone", f"c{n}", "r") for n in range(500)])
        late.start().finish(within_s=60)
        loads = [before, after, late]
        assert sum(load.outcomes().get("OK", 0) for load in loads) == 750
        invariants.drain(flusher)
        for load in loads:
            rows = invariants.check_consistent(database, client, "phone", load, given=750)
        assert len(rows) == 750


def test_quantities_never_add_up_to_more_than_the_stock(lab):
    """Buyers of 1 to 7 units at once, no LIMIT: Σ quantity ≤ stock, and what is left is less than
    the smallest refused quantity."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    _, database, proxy, flusher = lab.stack()
    create(proxy, "phone", 1000)
    wanted = [chance.randint(1, 7) for _ in range(600)]
    requests = [Request("phone", f"u{n}", "r", "QTY", units) for n, units in enumerate(wanted)]
    load = Load(proxy.port, requests, connections=16).start().finish(within_s=60)
    refused = [units for units, request in zip(wanted, requests) if request.reply[0] == "SOLDOUT"]
    assert load.errors == {} and refused
    invariants.drain(flusher)
    with proxy.client() as client:
        invariants.check_consistent(database, client, "phone", load, given=1000)
        assert invariants.stock_of(client, "phone")["remaining"] < min(refused)


def test_many_items_at_once_do_not_mix(lab):
    """20 items with 50 units each, sold over the same connections: 50 orders each."""
    _, database, proxy, flusher = lab.stack()
    for n in range(20):
        create(proxy, f"item-{n}", 50, "LIMIT", 1)
    requests = [Request(f"item-{n % 20}", f"u{n}", "r") for n in range(4000)]
    load = Load(proxy.port, requests).start().finish(within_s=60)
    assert load.outcomes() == {"OK": 1000, "SOLDOUT": 3000}
    invariants.drain(flusher)
    counts = dict(database.query("SELECT item_id, COUNT(*) FROM orders GROUP BY item_id"))
    assert counts == {f"item-{n}": 50 for n in range(20)}
