"""What must hold after every sale, whatever happened during it."""

from . import shelves
from .resp import RespError
from .waiting import until


def stock_of(client, item, within_s=20):
    """SECKILL.STOCK as a dict, once the gate is passed."""
    def answered():
        reply = client("SECKILL.STOCK", item)
        return None if isinstance(reply, RespError) and reply.prefix == "LOADING" else reply
    return pairs(until(answered, within_s, f"the gate of {item}"))


def pairs(flat):
    """A flat name/value array as a dict."""
    assert isinstance(flat, list) and len(flat) % 2 == 0, flat
    return dict(zip(flat[::2], flat[1::2]))


def item_in_redis(direct, item):
    """The item as Redis itself has it, behind the proxies' backs; None: it is not there."""
    packed = direct("HGET", shelves.shelf_key(item), item)
    if packed is None:
        return None
    return shelves.unpack_item(packed if isinstance(packed, bytes) else packed.encode())


def drain(flusher):
    """Stops the running flusher and drains all that is left with --once."""
    assert flusher.stop() == 0, flusher.process.log_tail()
    done = flusher.once()
    assert done.returncode == 0, done.stdout + done.stderr


def wait_rows(database, item, rows, within_s=30):
    """Waits until a running flusher has brought `rows` orders of the item."""
    until(lambda: count_rows(database, item) == rows, within_s, f"{rows} orders of {item}",
          every_s=0.05)


def count_rows(database, item):
    return database.one("SELECT COUNT(*) FROM orders WHERE item_id = %s", item)[0]


def check_consistent(database, client, item, load, given):
    """The invariants of the design, for an item that was given `given` units in all.

    acknowledged ⊆ MySQL; one row per REQ; Σ quantity ≤ stock; stock left + Σ quantity = stock
    given; items.sold = Σ of the live orders.
    """
    rows = database.query("SELECT order_id, user_id, request_id, quantity, status FROM orders "
                          "WHERE item_id = %s", item)
    of_request, live = {}, 0
    for order_id, user, req, quantity, status in rows:
        assert (user, req) not in of_request, f"two orders for {user} {req}"
        of_request[user, req] = order_id
        live += 0 if status == "cancelled" else quantity
    for (user, req), ids in load.order_ids().items():
        assert len(ids) == 1, f"{user} {req} was told the orders {ids}"
        row = of_request.get((user, req))
        assert row in ids, f"{user} {req} was told {ids}, MySQL has {row}"
    stock = stock_of(client, item)
    assert (stock["stock"], stock["sold"], stock["remaining"]) == (given, live, given - live)
    assert live <= given
    assert database.one("SELECT stock, sold FROM items WHERE item_id = %s", item) == (given, live)
    return rows


def check_sold_out_once(database, client, item, load, units):
    """check_consistent, and: all is sold, one unit a buyer, and each of them was told so."""
    rows = check_consistent(database, client, item, load, given=units)
    assert len(rows) == units
    assert len({user for _, user, _, _, _ in rows}) == units, "a buyer has two orders"
    assert {quantity for _, _, _, quantity, _ in rows} == {1}
    assert load.order_ids().keys() == {(user, req) for _, user, req, _, _ in rows}


def check_sale(load, stock, database, proxy, flusher):
    """Ends a sale of load.start_sale() and its drain: all answered, and check_sold_out_once."""
    load.finish(within_s=60)
    assert load.outcomes() == {"OK": stock, "SOLDOUT": len(load.requests) - stock}
    drain(flusher)
    with proxy.client() as client:
        check_sold_out_once(database, client, "phone", load, stock)
