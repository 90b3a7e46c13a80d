"""Clocks that jump: ids never repeat, nothing waits for a time that does not come, and what cannot
be told right is not sold."""

import pytest
from killing import start_armed, wait_killed
from harness.clock import DAY_MS, HOUR_MS, Clock
from harness.resp import RespError
from harness.shelves import shelf_key
from harness.waiting import until

YEAR_MS = 365 * DAY_MS


@pytest.fixture(name="clock")
def fixture_clock(lab):
    return Clock(lab.folder / "clock")


def started(lab, clock, redis, **settings):
    return clock.of(lab.proxy(redis, start=False, **settings)).start()


def buy(client, user, item="phone"):
    return client("SECKILL.BUY", item, user, "REQ", "r")


@pytest.mark.parametrize("ms, said", [(-27 * YEAR_MS, "from 2024-01-01"),
                                      (68 * YEAR_MS, "to 2093-09-0")])
def test_a_clock_outside_of_what_ids_hold_refuses_to_start(lab, clock, ms, said):
    clock.turn(ms)
    proxy = clock.of(lab.proxy(lab.redis(), start=False))
    proxy.start(wait=False)
    assert proxy.process.wait(20) == 3
    log = proxy.process.log_tail()
    assert "this machine's clock says" in log and said in log


@pytest.mark.parametrize("ms", [-27 * YEAR_MS, 68 * YEAR_MS, -2 * DAY_MS])
def test_a_clock_that_jumps_while_it_sells_stops_it_until_it_is_right(lab, clock, ms):
    proxy = started(lab, clock, lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        first = int(buy(client, "ann")[1])
        clock.turn(ms)
        reply = buy(client, "bob")
        assert isinstance(reply, RespError) and reply.prefix == "LOADING", reply
        assert "this machine's clock says" in reply.text
        ready = proxy.get("/readyz")
        assert ready.status == 503 and "clock" in ready.text
        clock.turn(0)
        assert int(buy(client, "bob")[1]) > first
        assert proxy.get("/readyz").status == 200


def test_no_shelf_sells_before_the_receipts_of_all_of_them_are_read(lab, clock):
    """An order is in Redis, its proxy dies before the journal has it; ids were ahead of a clock
    that went back. The shelf of that order takes longer to come up than another one: an order
    there must not get the id again."""
    redis = lab.redis()
    clock.turn(2 * HOUR_MS)
    proxy = started(lab, clock, redis)
    with proxy.client() as client:
        for item in ("phone", "tv"):
            assert client("SECKILL.CREATE", item, "STOCK", 1000) == "OK"
        assert buy(client, "ann")[0] == "OK"
    assert shelf_key("phone") != shelf_key("tv")
    clock.turn(0)
    assert proxy.stop() == 0
    start_armed(proxy, "sale.after-script:1")
    with proxy.client() as client, pytest.raises((EOFError, OSError)):
        buy(client, "bob", "phone")
    wait_killed(proxy)
    proxy.start(wait=False)
    with redis.client() as direct:
        def beat_again():
            """As if the one that was killed lived, there alone and for four seconds more."""
            journal, incarnation, host, _, number = direct(
                "HGET", shelf_key("phone"), "@member:0").split()
            seconds, _ = direct("TIME")
            direct("HSET", shelf_key("phone"), "@member:0",
                   f"{journal} {incarnation} {host} {int(seconds) * 1000 + 2000} {number}")
        beat_again()
        beside = []
        with until(lambda: connected(proxy), 10, "the proxy") as client:
            def sold():
                replies = [buy(client, f"user-{len(beside)}-{n}", "tv") for n in range(20)]
                beside.extend(int(reply[1]) for reply in replies
                              if not isinstance(reply, RespError))
                return buy(client, "bob", "phone")
            late = until(lambda: not isinstance(reply := sold(), RespError) and reply, 20, "phone")
    assert late[0] == "OK" and int(late[1]) not in beside


def test_an_orders_id_is_above_that_of_its_item_whatever_two_clocks_say(lab, clock):
    """Made through a proxy that is hours ahead, sold through one that is not; its ids go up too,
    and the buyer notices nothing."""
    redis = lab.redis()
    clock.turn(3 * HOUR_MS)
    ahead = clock.of(lab.proxy(redis, start=False, journal=lab.folder / "ahead", proxy__id=1))
    ahead.start()
    right = lab.proxy(redis, journal=lab.folder / "right", proxy__id=2)
    for proxy in (ahead, right):
        until(proxy.ready, 20, "the gate")
    with ahead.client() as client, right.client() as other:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100, "LIMIT", 1) == "OK"
        first = int(buy(client, "ann")[1])
        until(lambda: not isinstance(buy(other, "bob"), RespError), 10, "the two to meet")
        ids = [int(buy(other, f"user-{n}")[1]) for n in range(5)]
    assert [id >> 22 for id in ids] == sorted(id >> 22 for id in ids)
    assert min(ids) >> 22 >= (first >> 22) - 1000
    flusher = lab.flusher(lab.database(), start=False, journal=lab.folder / "right")
    assert flusher.once().returncode == 0


def connected(proxy):
    try:
        return proxy.client()
    except OSError:
        return None


def test_ids_rise_however_the_clock_is_turned_and_the_proxy_restarted(lab, clock):
    """Hours ahead and back, with restarts in each: no id comes twice, none is out of its bits."""
    proxy = started(lab, clock, lab.redis())
    ids = []
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1000) == "OK"
    for n, ahead in enumerate((0, 2 * HOUR_MS, 0, -3 * HOUR_MS, 5 * HOUR_MS, HOUR_MS)):
        clock.turn(ahead)
        with proxy.client() as client:
            ids += [int(buy(client, f"u{n}-{i}")[1]) for i in range(20)]
        assert proxy.stop() == 0
        proxy.start()
    assert ids == sorted(set(ids)) and ids[-1] < 2 ** 63


def test_two_proxies_one_of_them_hours_ahead(lab, clock):
    """Each cancels what was bought through the other; no id is given twice after restarts."""
    redis, database = lab.redis(), lab.database()
    right = lab.proxy(redis, proxy__id=1, journal=lab.folder / "journal-1")
    ahead = clock.of(lab.proxy(redis, start=False, proxy__id=2, journal=lab.folder / "journal-2"))
    ahead.start()
    bought = {}

    def order(proxy, user):
        with proxy.client() as client:
            reply = until(lambda: None if isinstance(r := buy(client, user), RespError) else r,
                          10, "the gate")
            bought[user] = int(reply[1])

    with right.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100) == "OK"
    order(right, "r0")
    clock.turn(2 * HOUR_MS)
    order(ahead, "a0")
    clock.turn(0)
    for proxy, user in ((right, "a0"), (ahead, "r0")):
        with proxy.client() as client:
            reply = client("SECKILL.CANCEL", "phone", user, bought[user])
            assert reply[0] == "OK", reply
    for restart in range(2):
        for n, proxy in enumerate((right, ahead)):
            assert proxy.stop() == 0
            proxy.start()
            for i in range(5):
                order(proxy, f"{restart}-{n}-{i}")
    assert len(set(bought.values())) == len(bought)
    for number in (1, 2):
        done = lab.flusher(database, start=False, journal=lab.folder / f"journal-{number}").once()
        assert done.returncode == 0, done.stderr
    assert dict(database.query("SELECT user_id, order_id FROM orders")) == bought
    assert database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (0,)
    assert database.one("SELECT GROUP_CONCAT(user_id ORDER BY user_id) FROM orders "
                        "WHERE status = 'cancelled'") == ("a0,r0",)


def test_what_was_sold_by_a_clock_that_was_ahead_is_drained_by_its_age(lab, clock):
    """Records from the future do not keep trigger.max_age silent for as long."""
    redis, database = lab.redis(), lab.database()
    proxy = started(lab, clock, redis)
    clock.turn(20 * HOUR_MS)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        assert buy(client, "ann")[0] == "OK"
    clock.turn(0)
    flusher = clock.of(lab.flusher(database, start=False, trigger__max_age="30s",
                                   trigger__load_below="0/s"))
    flusher.start()
    until(lambda: database.one("SELECT COUNT(*) FROM orders") == (1,), 10, "the drain")
