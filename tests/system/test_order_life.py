"""An order's whole life: paid, cancelled, refunded, expired; and what MySQL says of each."""

import time

import pytest

from harness import invariants
from harness.resp import RespError
from harness.waiting import until


def bought(client, item, user, *more):
    reply = client("SECKILL.BUY", item, user, *more)
    assert reply[0] == "OK", reply
    return reply[1]


def status_of(client, item, user, order):
    return client("SECKILL.ORDER", item, user, order)[4]


def row_of(database, order):
    return database.one("SELECT status FROM orders WHERE order_id = %s", int(order))


def two_proxies(lab, redis):
    """Both sell."""
    both = [lab.proxy(redis, journal=lab.folder / f"journal{n}", proxy__id=n) for n in (0, 1)]
    for proxy in both:
        once_it_sells(proxy)
    return both


def once_it_sells(proxy):
    with proxy.client() as client:
        until(lambda: client("SECKILL.STOCK", "none") == ["NOITEM"], 20, "the gate")


def agree(lab, *configs):
    """sluice-ctl reconcile finds nothing."""
    done = lab.ctl("reconcile", *(word for path in configs for word in ("--config", path)))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_payment_is_taken_once(lab):
    """OK, and again with its REQ; ALREADY with another one or none. A paid order is cancelled with
    REFUND only."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        order = bought(client, "phone", "ann", "REQ", "r", "QTY", 2)
        assert client("SECKILL.PAY", "phone", "ann", order, "REQ", "p") == ["OK"]
        assert client("SECKILL.PAY", "phone", "ann", order, "REQ", "p") == ["OK"]
        assert client("SECKILL.PAY", "phone", "ann", order, "REQ", "other") == ["ALREADY"]
        assert client("SECKILLPAY", "phone", "ann", order) == ["ALREADY"]
        assert client("SECKILL.ORDER", "phone", "ann", order)[3:5] == [2, "paid"]
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r", "QTY", 2)[:2] == ["OK", order]
        assert client("SECKILL.CANCEL", "phone", "ann", order) == ["PAID"]
        assert invariants.stock_of(client, "phone")["sold"] == 2
        assert client("SECKILL.CANCEL", "phone", "ann", order, "REFUND", "REQ", "c") == ["OK", 10]
        assert client("SECKILL.CANCEL", "phone", "ann", order, "REQ", "c") == ["OK", 10]
        assert client("SECKILL.CANCEL", "phone", "ann", order, "REFUND") == ["ALREADY"]
        assert client("SECKILL.PAY", "phone", "ann", order, "REQ", "p") == ["CANCELLED"]
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r") == ["CANCELLED", order]


def test_what_is_no_order_is_not_paid(lab):
    """Another buyer's order, one that never was, an item that never was; and wrong words."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        order = bought(client, "phone", "ann")
        assert client("SECKILL.PAY", "phone", "bob", order) == ["NOORDER"]
        assert client("SECKILL.PAY", "phone", "ann", int(order) + 1) == ["NOORDER"]
        assert client("SECKILL.PAY", "tv", "ann", order) == ["NOORDER"]
        for words in (("phone", "ann", "x"), ("phone", "ann", order, "REFUND"),
                      ("phone", "ann", order, "REQ", "a b")):
            reply = client("SECKILL.PAY", *words)
            assert isinstance(reply, RespError) and reply.prefix == "ERR", reply
        assert status_of(client, "phone", "ann", order) == "placed"


def test_a_buyers_further_orders_are_paid_and_refunded_one_by_one(lab):
    """The first one stands with the buyer, the others have fields of their own."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10, "LIMIT", 3) == "OK"
        orders = [bought(client, "phone", "ann") for _ in range(3)]
        assert client("SECKILL.PAY", "phone", "ann", orders[1]) == ["OK"]
        assert client("SECKILL.CANCEL", "phone", "ann", orders[1]) == ["PAID"]
        assert client("SECKILL.CANCEL", "phone", "ann", orders[0]) == ["OK", 8]
        assert client("SECKILL.CANCEL", "phone", "ann", orders[1], "REFUND") == ["OK", 9]
        assert [status_of(client, "phone", "ann", order) for order in orders] == [
            "cancelled", "cancelled", "placed"]
        assert [bought(client, "phone", "ann") for _ in range(2)]
        assert client("SECKILL.BUY", "phone", "ann")[0] == "LIMIT"


def test_rows_say_what_became_of_their_orders(lab):
    """Placed, paid, cancelled, refunded, expired; in one batch with the order and in a later one.
    items.sold counts the first two; reconcile agrees."""
    _, database, proxy, flusher = lab.stack()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100, "HOLD", 600_000) == "OK"
        expected = {}
        for drains in (False, True):
            orders = [bought(client, "phone", f"u{n}{drains}") for n in range(5)]
            users = [f"u{n}{drains}" for n in range(5)]
            if drains:
                invariants.wait_rows(database, "phone", 10)
            assert client("SECKILL.PAY", "phone", users[1], orders[1]) == ["OK"]
            assert client("SECKILL.CANCEL", "phone", users[2], orders[2])[0] == "OK"
            assert client("SECKILL.PAY", "phone", users[3], orders[3]) == ["OK"]
            assert client("SECKILL.CANCEL", "phone", users[3], orders[3], "REFUND")[0] == "OK"
            expected.update(zip(orders, ["placed", "paid", "cancelled", "cancelled", "placed"]))
        assert client("SECKILL.CHANGE", "phone", "HOLD", 200) == "OK"
        for order, status in expected.items():
            expected[order] = {"placed": "expired"}.get(status, status)
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
        until(lambda: database.query("SELECT order_id FROM orders WHERE status = 'placed'") in
              ([], ()), 20, "what is not paid expires")
        assert {str(order): status for order, status in database.query(
            "SELECT order_id, status FROM orders")} == expected
        assert invariants.stock_of(client, "phone")["sold"] == 2
        assert database.one("SELECT stock, sold, hold_ms FROM items") == (100, 2, 200)
    agree(lab, proxy.config, flusher.config)


def test_an_unpaid_order_expires_once_and_its_limit_is_free(lab):
    """Not before HOLD, within a second after it; the stock comes back, LIMIT and REQ speak so."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 2, "LIMIT", 1, "HOLD", 700) == "OK"
        began = time.monotonic()
        order = bought(client, "phone", "ann", "REQ", "r")
        paid = bought(client, "phone", "bob")
        assert client("SECKILL.PAY", "phone", "bob", paid) == ["OK"]
        assert client("SECKILL.BUY", "phone", "eve")[0] == "SOLDOUT"
        until(lambda: status_of(client, "phone", "ann", order) == "expired", 10, "the expiry",
              every_s=0.01)
        took = time.monotonic() - began
        assert 0.7 <= took < 1.7, took
        assert invariants.stock_of(client, "phone")["remaining"] == 1
        assert client("SECKILL.PAY", "phone", "ann", order) == ["EXPIRED"]
        assert client("SECKILL.CANCEL", "phone", "ann", order) == ["ALREADY"]
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r") == ["CANCELLED", order]
        assert bought(client, "phone", "ann", "REQ", "r2") != order
        assert status_of(client, "phone", "bob", paid) == "paid"
        status = invariants.pairs(client("SECKILL.STATUS"))
        assert (status["orders_unpaid"], status["orders_expired"]) == ("1", "1")


@pytest.mark.parametrize("kill", [False, True])
def test_orders_expire_after_a_restart_too(lab, kill):
    """By the time in their ids: neither at once nor later than their hold from then."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 200, "LIMIT", 2, "HOLD", 3_000) == "OK"
        orders = [bought(client, "phone", f"u{n % 60}") for n in range(120)]
        began = time.monotonic()
        assert client("SECKILL.PAY", "phone", "u7", orders[67]) == ["OK"]
    proxy.kill() if kill else proxy.stop()
    proxy.start()
    with proxy.client() as client:
        # Nobody names the item meanwhile: the proxy has to look for what it sold by itself.
        def expired():
            return dict(zip(*[iter(client("SECKILL.STATUS"))] * 2))["orders_expired"]
        assert expired() == "0"
        until(lambda: expired() == "119", 10, "119 orders expire", every_s=0.02)
        took = time.monotonic() - began
        assert invariants.stock_of(client, "phone")["sold"] == 1
        assert 2.5 < took < 4.5, took
        assert status_of(client, "phone", "u7", orders[67]) == "paid"
        assert status_of(client, "phone", "u7", orders[7]) == "expired"


def test_a_hold_that_is_changed_counts_for_orders_that_wait(lab):
    """Longer, none, and anew: what had no hold when it was bought expires, too."""
    redis = lab.redis()
    proxy, other = two_proxies(lab, redis)
    with proxy.client() as client, other.client() as by_other:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10, "HOLD", 1_000) == "OK"
        first = bought(client, "phone", "ann")
        assert by_other("SECKILL.CHANGE", "phone", "HOLD", 3_600_000) == "OK"
        time.sleep(1.5)  # past the hold that it had
        assert status_of(client, "phone", "ann", first) == "placed"
        assert client("SECKILL.CHANGE", "phone", "HOLD", 0) == "OK"
        second = bought(client, "phone", "bob")
        assert client("SECKILL.CHANGE", "phone", "HOLD", 100) == "OK"
        for user, order in (("ann", first), ("bob", second)):
            until(lambda: status_of(client, "phone", user, order) == "expired", 10, user)


def test_changed_settings_hold_everywhere(lab):
    """LIMIT, START and END at once, for other proxies, after a restart, in MySQL; what is not given
    stays. END before START is refused, and so is nothing to change."""
    redis, database, proxy, flusher = lab.stack()
    with proxy.client() as client:
        assert client("SECKILL.CHANGE", "phone", "LIMIT", 2) == ["NOITEM"]
        assert client("SECKILL.CREATE", "phone", "STOCK", 10, "LIMIT", 1) == "OK"
        bought(client, "phone", "ann")
        assert client("SECKILL.BUY", "phone", "ann")[0] == "LIMIT"
        assert client("SECKILL.CHANGE", "phone", "LIMIT", 2) == "OK"
        assert client("SECKILLCHANGE", "phone", "LIMIT", 2) == "OK"
        bought(client, "phone", "ann")
        end = int(time.time() * 1000) - 1000
        assert client("SECKILL.CHANGE", "phone", "END", end) == "OK"
        assert client("SECKILL.BUY", "phone", "bob") == ["ENDED", end]
        reply = client("SECKILL.CHANGE", "phone", "START", end + 1)
        assert isinstance(reply, RespError) and "END must be later" in str(reply), reply
        for words in (("phone",), ("phone", "STOCK", 3), ("phone", "LIMIT")):
            assert isinstance(client("SECKILL.CHANGE", *words), RespError)
        assert client("SECKILL.CHANGE", "phone", "END", 0, "START", end) == "OK"
        bought(client, "phone", "bob")
        assert client("SECKILL.FLUSH", "WAIT", 10_000) == "OK"
    assert database.one("SELECT limit_per_user, end_at IS NULL, start_at IS NULL FROM items") == (
        2, 1, 0)
    with redis.client() as direct:
        direct("FLUSHALL")
    with proxy.client() as client:
        stock = invariants.stock_of(client, "phone")
        assert (stock["limit"], stock["start"], stock["end"]) == (2, end, 0)
    agree(lab, proxy.config, flusher.config)


def test_paid_through_one_proxy_and_bought_through_another(lab):
    """Whichever journal is drained first: the row is paid, the refunded one cancelled."""
    redis, database = lab.redis(), lab.database()
    proxies = two_proxies(lab, redis)
    flushers = [lab.flusher(database, start=False, journal=proxy.journal) for proxy in proxies]
    with proxies[0].client() as seller, proxies[1].client() as payer:
        assert seller("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        paid, refunded = bought(seller, "phone", "ann"), bought(seller, "phone", "bob")
        assert payer("SECKILL.PAY", "phone", "ann", paid) == ["OK"]
        assert payer("SECKILL.PAY", "phone", "bob", refunded) == ["OK"]
        assert payer("SECKILL.CANCEL", "phone", "bob", refunded, "REFUND")[0] == "OK"
    for flusher in reversed(flushers):
        done = flusher.once()
        assert done.returncode == 0, done.stderr
    assert (row_of(database, paid), row_of(database, refunded)) == (("paid",), ("cancelled",))
    assert database.one("SELECT sold FROM items") == (1,)
    assert database.one("SELECT COUNT(*) FROM sluice_early_change") == (0,)
    agree(lab, *(each.config for each in proxies + flushers))


def test_waitdb_tells_when_the_row_is_there(lab):
    """OK once it is a row, at once if it is one already; TIMEOUT; NOORDER; DEADLETTER with MySQL's
    words. The same of an order that another proxy has sold."""
    redis, database = lab.redis(), lab.database()
    proxies = []
    for number in (0, 1):
        journal = lab.folder / f"journal{number}"
        flusher = lab.flusher(database, start=False, journal=journal, trigger__load_below="0/s",
                              trigger__max_age="0s")
        assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
        proxies.append(lab.proxy(redis, journal=journal, proxy__id=number,
                                 flusher__admin=f"http://127.0.0.1:{flusher.admin_port}"))
        flusher.start()
    database.query("ALTER TABLE orders ADD CHECK (user_id <> 'eve')")
    proxy, other = proxies
    once_it_sells(proxy)
    once_it_sells(other)
    with proxy.client() as client, other.client() as by_other:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        order = bought(client, "phone", "ann")
        assert client("SECKILL.WAITDB", "phone", "ann", order, 50) == ["TIMEOUT"]
        assert client("SECKILL.WAITDB", "phone", "bob", order, 50) == ["NOORDER"]
        bad = bought(client, "phone", "eve")
        client.send("SECKILL.WAITDB", "phone", "ann", order, 20_000)
        with proxy.client() as operator:
            assert operator("SECKILL.FLUSH") == "OK"
        assert client.read() == ["OK"]
        assert client("SECKILL.WAITDB", "phone", "ann", order, 0) == ["OK"]
        reply = client("SECKILL.WAITDB", "phone", "eve", bad, 20_000)
        assert reply[0] == "DEADLETTER" and reply[1] > 0 and "constraint" in reply[2].lower(), reply
        assert by_other("SECKILL.WAITDB", "phone", "ann", order, 5_000) == ["OK"]
        assert by_other("SECKILL.WAITDB", "phone", "eve", bad, 20_000)[0] == "DEADLETTER"
