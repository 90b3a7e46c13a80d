"""The flusher or MySQL is killed at every step of a transaction; two flushers; MySQL away.

Rows, items.sold and checkpoint stand or fall together: each order is in MySQL once in the end, and
at no moment does items.sold differ from the orders.
"""

import pymysql
import pytest

from harness import invariants
from harness.sql_server import Database
from harness.tcp_fault import LOSE_REPLY, LOSE_REQUEST, SENT
from harness.waiting import until
from killing import buyers, check, load, start_armed, wait_killed

BATCH = 100

# Failpoint, and whether the transaction under way is in MySQL after it.
STEPS = [
    ("flush.after-read", False),
    ("flush.before-insert", False),
    ("flush.after-insert", False),
    ("flush.before-commit", False),
    ("flush.after-commit", True),
]


def sold_backlog(lab, orders, database):
    """A journal with CREATE and `orders` purchases that no flusher has seen."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", orders) == "OK"
    sale = load(proxy, buyers("phone", orders), window=50).start().finish(within_s=60)
    assert sale.outcomes() == {"OK": orders}
    return proxy, sale


def in_mysql(database):
    """(orders, items.sold, lowest checkpoint) as one snapshot sees them; they must agree."""
    try:
        orders, sold, position = database.one(
            "SELECT (SELECT COUNT(*) FROM orders), (SELECT SUM(sold) FROM items),"
            " (SELECT MIN(position) FROM sluice_checkpoint)")
    except pymysql.err.ProgrammingError:
        return 0, 0, 1  # no tables yet
    assert orders == (sold or 0), f"{orders} orders, items.sold {sold}"
    return orders, int(sold or 0), position


@pytest.mark.parametrize("point, committed", STEPS)
def test_the_flusher_killed_at_each_step_drains_each_order_once(lab, point, committed):
    """One writer, 100 records a transaction (CREATE is the first), killed in the second one: MySQL
    has the first whole, of the second nothing or all; the next start brings the rest."""
    database = lab.database()
    proxy, sale = sold_backlog(lab, 450, database)
    flusher = lab.flusher(database, start=False, batch__rows=BATCH, batch__writers=1)
    reads = point == "flush.after-read"
    start_armed(flusher, f"{point}:{1 if reads else 2}", wait=False)
    wait_killed(flusher)
    before = 0 if reads else BATCH - 1
    expected = before + (BATCH if committed else 0)
    # The server may still be rolling back what the broken connection left.
    until(lambda: in_mysql(database)[0] == expected, 10, f"{expected} orders")
    assert in_mysql(database)[2] == (expected + 2 if expected else 1)
    start_armed(flusher, f"{point}:{1 if reads else 2}", wait=False)
    wait_killed(flusher)
    flusher.start()
    invariants.wait_rows(database, "phone", 450)
    check(lab, flusher, database, proxy, "phone", sale, given=450)


def test_the_flusher_killed_over_and_over_with_many_writers(lab):
    """Four writers, killed at each step at another transaction each time."""
    database = lab.database()
    proxy, sale = sold_backlog(lab, 3000, database)
    flusher = lab.flusher(database, start=False, batch__rows=20, batch__writers=4)
    for life in range(3):
        for point, _ in STEPS[1:]:
            start_armed(flusher, f"{point}:{7 + life}", wait=False)
            wait_killed(flusher)
            in_mysql(database)
    flusher.start()
    invariants.wait_rows(database, "phone", 3000)
    check(lab, flusher, database, proxy, "phone", sale, given=3000)


@pytest.mark.parametrize("action", [LOSE_REQUEST, SENT, LOSE_REPLY])
def test_mysql_killed_in_a_commit_is_settled_by_the_checkpoint(lab, fault, action):
    """The server is SIGKILLed when a COMMIT is about to reach it, has reached it, or has been done
    but not answered: the flusher reads the checkpoint back, nothing is missing or doubled."""
    server = lab.sql_server()
    database = Database(server, "shop").create()
    proxy, sale = sold_backlog(lab, 450, database)
    between = fault(server.port, protocol="mysql")
    flusher = lab.flusher(database, start=False, batch__rows=BATCH, batch__writers=1,
                          mysql__port=between.port, mysql__connect_timeout="1s")

    def die():
        between.refuse()  # until this test has looked at what is there
        server.kill()

    # The start claims the journal with one COMMIT; then the second transaction's.
    rule = between.on(b"^....\\x03COMMIT", action, nth=3, then=die)
    flusher.start(wait=False)
    rule.wait()
    server.start()
    orders = in_mysql(database)[0]
    assert orders in {LOSE_REQUEST: (99,), SENT: (99, 199), LOSE_REPLY: (199,)}[action]
    between.refuse(False)
    until(lambda: in_mysql(database)[0] == 450, 40, "450 orders", every_s=0.05)
    assert flusher.process.alive()
    check(lab, flusher, database, proxy, "phone", sale, given=450)


def test_two_flushers_one_wins_and_the_other_exits_3(lab):
    """The first holds the folder; the second says so and exits 3, having touched nothing. No row is
    doubled."""
    database = lab.database()
    proxy, sale = sold_backlog(lab, 1000, database)
    first = lab.flusher(database, batch__rows=20, batch__writers=2,
                        pace__rows_per_second=500)
    until(lambda: in_mysql(database)[0] > 0, 20, "the first rows")
    second = lab.flusher(database, start=False, batch__rows=20, batch__writers=2)
    second.start(wait=False)
    assert second.process.wait(20) == 3
    assert "another flusher drains" in second.process.log()
    invariants.wait_rows(database, "phone", 1000)
    check(lab, first, database, proxy, "phone", sale, given=1000)


def test_a_lock_wait_timeout_rolls_the_whole_transaction_back(lab):
    """Another session holds the item's row, the last thing that a transaction touches: the server
    takes back that one statement only. Rows and checkpoint of the attempt must go with it, or the
    next attempt would meet them."""
    database = lab.database()
    proxy, sale = sold_backlog(lab, 150, database)
    flusher = lab.flusher(database, start=False, batch__rows=BATCH, batch__writers=1)
    start_armed(flusher, "flush.after-commit:1", wait=False)
    wait_killed(flusher)
    other = database.server.connect(database.name)
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT * FROM items FOR UPDATE")
        flusher.start()
        retries = 'sluice_flush_retries_total{class="lock_wait"}'
        until(lambda: flusher.metrics().get(retries, 0) >= 1, 20, "a lock wait", every_s=0.05)
        assert in_mysql(database)[:2] == (BATCH - 1, BATCH - 1)
    finally:
        other.close()
    invariants.wait_rows(database, "phone", 150)
    check(lab, flusher, database, proxy, "phone", sale, given=150)


def test_killed_around_the_deletion_of_a_segment(lab):
    """Two journals, drained and closed: one flusher dies before it deletes a segment, one after.
    Both go on at the next start; the proxy starts on what is left and answers as before."""
    pairs = []
    for point in ("janitor.before-delete", "janitor.after-delete"):
        journal, database, redis = lab.folder / point, lab.database(), lab.redis()
        proxy = lab.proxy(redis, journal=journal, journal__segment_bytes="1MiB")
        with proxy.client() as client:
            assert client("SECKILL.CREATE", "phone", "STOCK", 3000) == "OK"
        requests = buyers("phone", 2500, more=("FIELDS", "note", "x" * 1000))
        sale = load(proxy, requests).start().finish(within_s=60)
        with proxy.client() as client:
            assert client("SECKILL.CLOSE", "phone") == "OK"
        flusher = lab.flusher(database, start=False, journal=journal, journal__retain="0s")
        segments = len(list(journal.glob("journal-*.segment")))
        assert segments > 2
        start_armed(flusher, f"{point}:1", wait=False)
        pairs.append((point, journal, database, proxy, flusher, sale, segments))
    for point, journal, database, proxy, flusher, sale, segments in pairs:
        wait_killed(flusher, within_s=30)
        left = len(list(journal.glob("journal-*.segment")))
        assert left == segments - (point == "janitor.after-delete")
        flusher.start()
        proxy.kill()
        proxy.start()
        with proxy.client() as client:
            assert client("SECKILL.BUY", "phone", "new", "REQ", "r")[0] == "CLOSED"
        check(lab, flusher, database, proxy, "phone", sale, given=3000)
