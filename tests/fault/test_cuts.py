"""The network between Sluice and Redis, and between Sluice and MySQL, does what networks do.

Connections are cut before or after the answer to one request, in the middle of either, held without
a word, slowed down, split into single bytes. A REQ has one answer, an order is in MySQL once.
"""

import random
import threading

import pytest

from harness import invariants, sql_program
from harness.resp import RespError
from harness.tcp_fault import HALF_REPLY, HALF_REQUEST, LOSE_REPLY, LOSE_REQUEST, SENT
from harness.waiting import until
from killing import (buy, buy_once, buyers, check, journaled, load, order_of, redis_sold,
                     script_call)

CUTS = [LOSE_REQUEST, HALF_REQUEST, SENT, LOSE_REPLY, HALF_REPLY]
BATCH = 100


def sale_through(lab, fault, stock=5, **settings):
    """(redis, the fault proxy before it, database, proxy, flusher), the item "phone" on sale."""
    redis, database = lab.redis(), lab.database()
    between = fault(redis.port)
    proxy = lab.proxy(between, **settings)
    flusher = lab.flusher(database, start=False)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", stock, "LIMIT", 1) == "OK"
    return redis, between, database, proxy, flusher


@pytest.mark.parametrize("action", CUTS)
def test_a_cut_at_one_purchase_has_one_outcome(lab, fault, action):
    """The connection to Redis is cut at one call of the purchase script, before, in or
    after it. The buyer is answered, and asking again with the same REQ gets the same order;
    one unit is sold."""
    redis, between, database, proxy, flusher = sale_through(lab, fault)
    rule = between.on(script_call("purchase", "phone"), action)
    reply = buy_once(proxy, "phone", "ann", "r1")
    rule.wait()
    assert reply[0] == "OK", reply
    assert buy(proxy, "phone", "ann", "r1")[1] == reply[1]
    assert redis_sold(redis, "phone") == 1
    assert journaled(lab) == {("ann", "r1"): int(reply[1])}
    assert buy(proxy, "phone", "bob", "r1")[0] == "OK"
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=5)


@pytest.mark.parametrize("action", CUTS)
def test_a_cut_at_a_purchase_without_req_sells_once(lab, fault, action):
    """Without a REQ nothing but the batch's own sequence and receipt tell that it was applied: the
    buyer, whose own connection lives, gets one order, and there is one."""
    redis, between, database, proxy, flusher = sale_through(lab, fault)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "pen", "STOCK", 5) == "OK"
        rule = between.on(script_call("purchase", "pen"), action)
        reply = client("SECKILL.BUY", "pen", "ann")
        rule.wait()
    assert reply[0] == "OK" and reply[2] == 4, reply
    assert redis_sold(redis, "pen") == 1
    assert list(journaled(lab).values()) == [int(reply[1])]
    check(lab, flusher, database, proxy, "pen", load(proxy, []), given=5)


@pytest.mark.parametrize("action", CUTS)
def test_a_cut_in_mid_sale_answers_every_req_once(lab, fault, action):
    """Twelve cuts at random calls of the purchase script while 16 connections buy."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    _, between, database, proxy, flusher = sale_through(lab, fault, stock=1500)
    sale = load(proxy, buyers("phone", 2000), window=2).start()
    for _ in range(12):
        rule = between.on(script_call("purchase", "phone"), action, nth=chance.randint(1, 12))
        rule.wait()
    sale.finish(within_s=60)
    assert sale.outcomes() == {"OK": 1500, "SOLDOUT": 500}
    check(lab, flusher, database, proxy, "phone", sale, given=1500)


@pytest.mark.parametrize("script", ["gate", "replay"])
@pytest.mark.parametrize("action", [LOSE_REQUEST, LOSE_REPLY])
def test_a_cut_while_the_gate_repairs(lab, fault, script, action):
    """Redis lost everything, and the connection is cut at the gate's or the replay's script as
    well: the next connection begins anew and the shelf opens as it was."""
    redis, between, database, proxy, flusher = sale_through(lab, fault, stock=400)
    sale = load(proxy, buyers("phone", 300)).start().finish(within_s=30)
    with redis.client() as direct:
        assert direct("FLUSHALL") == "OK"
    rule = between.on(script_call(script, "phone"), action)
    between.cut()
    rule.wait()
    more = load(proxy, buyers("phone", 500)).start().finish(within_s=60)
    assert more.outcomes() == {"OK": 400, "SOLDOUT": 100}
    told = sale.order_ids()
    assert {key: ids for key, ids in more.order_ids().items() if key in told} == told
    check(lab, flusher, database, proxy, "phone", more, given=400)


@pytest.mark.parametrize("held", ["requests", "replies"])
def test_a_black_hole_is_unknown_and_then_settled(lab, fault, held):
    """Redis does not get the purchase, or its answer does not come, and nobody closes anything: the
    buyer gets -UNKNOWNSTATE after limits.redis_timeout. When the network is back the outcome is
    settled, and the REQ has one order."""
    redis, between, database, proxy, flusher = sale_through(lab, fault,
                                                            limits__redis_timeout="500ms")
    between.hold(held)
    reply = buy_once(proxy, "phone", "ann", "r1")
    assert isinstance(reply, RespError) and reply.prefix == "UNKNOWNSTATE", reply
    assert redis_sold(redis, "phone") == (held == "replies")
    between.release()
    with proxy.client() as client:
        until(lambda: isinstance(client("SECKILL.ORDER", "phone", "ann", "REQ", "r1"), list), 20,
              "the item is open again", every_s=0.05)
        found = order_of(client, "phone", "ann", "r1")
    # Held requests may still arrive before the gate is shut, and are then as good as any other.
    assert found is not None or held == "requests"
    order = int(buy(proxy, "phone", "ann", "r1")[1])
    assert found in (None, order)
    assert redis_sold(redis, "phone") == 1
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=5)


def test_a_request_that_comes_late_is_not_applied(lab, fault):
    """A purchase sits in the network while its connection is given up and the item is sold on over
    a new one: when it arrives after all, the raised epoch keeps it out."""
    redis, between, database, proxy, flusher = sale_through(lab, fault,
                                                            limits__redis_timeout="500ms")
    late = []
    rule = between.on(script_call("purchase", "phone"), LOSE_REQUEST,
                      then=lambda: late.append(rule.request))
    reply = buy_once(proxy, "phone", "ann", "r1")
    assert reply[0] == "OK"
    with redis.client() as direct:
        direct.send_raw(late[0])
        answer = direct.read()
    assert "GATE" in str(answer), answer
    assert redis_sold(redis, "phone") == 1
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=5)


@pytest.mark.parametrize("how", ["single bytes", "slow"])
def test_a_bad_network_to_redis_only_slows_things_down(lab, fault, how):
    """Every byte in a segment of its own, or 10 ms on the way: the same answers."""
    _, between, database, proxy, flusher = sale_through(lab, fault, stock=150)
    between.one_byte = how == "single bytes"
    between.delay_s = 0.01 if how == "slow" else 0.0
    sale = load(proxy, buyers("phone", 200)).start().finish(within_s=60)
    assert sale.outcomes() == {"OK": 150, "SOLDOUT": 50}
    check(lab, flusher, database, proxy, "phone", sale, given=150)


# --- between the flusher and MySQL ---------------------------------------------------------------

# The commands behind a packet's header, as in https://mariadb.com/kb/en/0-packet/
QUERY = b"\x03"
PREPARE = b"\x16"
BULK_EXECUTE = b"\xfa"
# How a transaction's orders go to a MariaDB, and to a MySQL.
ORDERS = BULK_EXECUTE if sql_program.IS_MARIADB else QUERY + b"INSERT INTO `orders`"


def drain_through(lab, fault, orders, **settings):
    """(fault proxy before MySQL, database, proxy, flusher not started, sale), all sold."""
    database = lab.database()
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", orders) == "OK"
    sale = load(proxy, buyers("phone", orders), window=50).start().finish(within_s=60)
    between = fault(database.server.port, protocol="mysql")
    flusher = lab.flusher(database, start=False, batch__rows=BATCH, mysql__port=between.port,
                          **settings)
    return between, database, proxy, flusher, sale


def lost_connections(flusher):
    return flusher.metrics().get('sluice_flush_retries_total{class="connection"}', 0)


@pytest.mark.parametrize("statement, action", [
    ("COMMIT", LOSE_REQUEST), ("COMMIT", HALF_REQUEST), ("COMMIT", SENT), ("COMMIT", LOSE_REPLY),
    ("COMMIT", HALF_REPLY), ("orders", LOSE_REQUEST), ("orders", HALF_REQUEST), ("orders", SENT),
    ("orders", LOSE_REPLY), ("UPDATE sluice_checkpoint", LOSE_REPLY),
    ("INSERT INTO items", LOSE_REPLY)])
def test_a_cut_in_a_transaction_neither_loses_nor_doubles(lab, fault, statement, action):
    """The connection is cut at one statement of a transaction, before, in or after it. The answer
    to a COMMIT that was lost is read back from the checkpoint."""
    between, database, proxy, flusher, sale = drain_through(lab, fault, 450, batch__writers=1)
    packet = ORDERS if statement == "orders" else QUERY + statement.encode()
    rule = between.on(b"^...." + packet, action, nth=4)
    flusher.start()
    rule.wait()
    invariants.wait_rows(database, "phone", 450)
    assert lost_connections(flusher) == 1
    assert flusher.process.alive()
    check(lab, flusher, database, proxy, "phone", sale, given=450)


def test_cuts_at_random_statements_of_many_writers(lab, fault):
    """Twenty cuts at random statements of four writers."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    between, database, proxy, flusher, sale = drain_through(
        lab, fault, 4000, batch__writers=4, mysql__connect_timeout="1s")
    flusher.settings["batch.rows"] = 20
    flusher.write_config()
    flusher.start(wait=False)
    for _ in range(20):
        rule = between.on(b"^....(%b(COMMIT|INSERT|UPDATE)|%b|%b)" % (QUERY, PREPARE, BULK_EXECUTE),
                          chance.choice([*CUTS, LOSE_REPLY, LOSE_REPLY]),
                          nth=chance.randint(1, 15))
        rule.wait()
    invariants.wait_rows(database, "phone", 4000, within_s=60)
    check(lab, flusher, database, proxy, "phone", sale, given=4000)


def test_a_black_hole_at_a_commit_is_given_up_and_read_back(lab, fault):
    """The answer to a COMMIT does not come, nobody closes anything: after mysql.timeout the flusher
    makes a new connection and finds in the checkpoint that it was done."""
    between, database, proxy, flusher, sale = drain_through(
        lab, fault, 150, batch__writers=1, mysql__timeout="1s", mysql__connect_timeout="1s")
    given_up = threading.Event()
    # The first one was that of the registration.
    rule = between.on(b"^....\x03COMMIT", LOSE_REPLY, nth=2, then=lambda: given_up.wait(30))
    flusher.start()
    until(lambda: invariants.count_rows(database, "phone") == 99, 20, "the first transaction")
    until(lambda: lost_connections(flusher) == 1, 20, "the connection is given up")
    given_up.set()
    rule.wait()
    invariants.wait_rows(database, "phone", 150)
    check(lab, flusher, database, proxy, "phone", sale, given=150)


@pytest.mark.parametrize("how", ["single bytes", "slow"])
def test_a_bad_network_to_mysql_only_slows_things_down(lab, fault, how):
    """Every byte in a segment of its own, or 10 ms on the way: the same rows."""
    between, database, proxy, flusher, sale = drain_through(lab, fault, 450)
    between.one_byte = how == "single bytes"
    between.delay_s = 0.01 if how == "slow" else 0.0
    flusher.start()
    invariants.wait_rows(database, "phone", 450, within_s=60)
    check(lab, flusher, database, proxy, "phone", sale, given=450)
