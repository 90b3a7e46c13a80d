"""Cancellation: the stock comes back once, however often it is asked for."""

import threading

from harness import invariants
from harness.load import Load, Request


def buy(client, item, user, *more):
    reply = client("SECKILL.BUY", item, user, *more)
    assert reply[0] == "OK", reply
    return reply[1]


def test_a_cancel_sent_many_times_returns_stock_once(lab):
    """With a REQ the same cancel gets the same OK, another one ALREADY; the stock moves once."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        order = buy(client, "phone", "ann", "QTY", 3)
        assert client("SECKILL.CANCEL", "phone", "ann", order, "REQ", "c1") == ["OK", 10]
        for _ in range(5):
            assert client("SECKILL.CANCEL", "phone", "ann", order, "REQ", "c1") == ["OK", 10]
            assert client("SECKILL.CANCEL", "phone", "ann", order, "REQ", "c2") == ["ALREADY"]
            assert client("SECKILL.CANCEL", "phone", "ann", order) == ["ALREADY"]
        assert invariants.stock_of(client, "phone")["remaining"] == 10
        assert client("SECKILL.ORDER", "phone", "ann", order)[4] == "cancelled"


def test_concurrent_cancels_of_one_order_return_stock_once(lab):
    """32 connections cancel the same order at the same moment without a REQ: one OK, 31 ALREADY."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        order = buy(client, "phone", "ann")
        replies, start = [], threading.Barrier(32)

        def cancel():
            with proxy.client() as own:
                start.wait(10)
                replies.append(own("SECKILL.CANCEL", "phone", "ann", order)[0])

        threads = [threading.Thread(target=cancel) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(replies) == ["ALREADY"] * 31 + ["OK"]
        assert invariants.stock_of(client, "phone")["remaining"] == 10


def test_what_a_cancel_returned_can_be_bought_again_and_mysql_agrees(lab):
    """100 units sold, 40 cancelled three times each, 40 bought by others: 140 rows, 40 of them
    cancelled, items.sold = 100."""
    _, database, proxy, flusher = lab.stack()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100, "LIMIT", 1) == "OK"
        first = Load(proxy.port, [Request("phone", f"a{n}", "r") for n in range(100)])
        first.start().finish(within_s=30)
        orders = [(user, ids.pop()) for (user, _), ids in first.order_ids().items()]
        assert len(orders) == 100
        cancels = [("SECKILL.CANCEL", "phone", user, order, "REQ", "c")
                   for user, order in orders[:40]] * 3
        assert {reply[0] for reply in client.pipeline(cancels)} == {"OK"}
        second = Load(proxy.port, [Request("phone", f"b{n}", "r") for n in range(100)])
        second.start().finish(within_s=30)
        assert second.outcomes() == {"OK": 40, "SOLDOUT": 60}
        invariants.drain(flusher)
        rows = invariants.check_consistent(database, client, "phone", second, given=100)
        assert len(rows) == 140
        assert sum(1 for row in rows if row[4] == "cancelled") == 40


def test_a_cancel_frees_the_buyers_limit(lab):
    """LIMIT 1: after a cancel the same buyer may buy again, with a new order_id and a new REQ."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10, "LIMIT", 1) == "OK"
        order = buy(client, "phone", "ann", "REQ", "r1")
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r2") == ["LIMIT", 1, order]
        assert client("SECKILL.CANCEL", "phone", "ann", order) == ["OK", 10]
        second = buy(client, "phone", "ann", "REQ", "r2")
        assert second != order
        # The accepted REQ of the cancelled order still speaks of that order, which nobody holds.
        for _ in range(2):
            assert client("SECKILL.BUY", "phone", "ann", "REQ", "r1") == ["CANCELLED", order]
            assert client("SECKILL.BUY", "phone", "ann", "REQ", "r2")[:2] == ["OK", second]
        assert client("SECKILL.CANCEL", "phone", "ann", second)[0] == "OK"
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r2") == ["CANCELLED", second]


def test_nobody_cancels_what_is_not_theirs(lab):
    """Another user, another item, an unknown order: NOORDER, and nothing comes back."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        for item in ("phone", "radio"):
            assert client("SECKILL.CREATE", item, "STOCK", 10) == "OK"
        order = buy(client, "phone", "ann")
        buy(client, "phone", "bob")
        buy(client, "radio", "ann")
        assert client("SECKILL.CANCEL", "phone", "bob", order) == ["NOORDER"]
        assert client("SECKILL.CANCEL", "radio", "ann", order) == ["NOORDER"]
        assert client("SECKILL.CANCEL", "phone", "eve", order) == ["NOORDER"]
        assert client("SECKILL.CANCEL", "phone", "ann", "12345") == ["NOORDER"]
        assert client("SECKILL.CANCEL", "nothing", "ann", order) == ["NOORDER"]
        assert invariants.stock_of(client, "phone")["remaining"] == 8
