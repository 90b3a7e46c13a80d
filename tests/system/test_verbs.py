"""Every SECKILL verb: the reply shapes of the contract, and both sides of each rule."""

import json
import time

import pytest

from harness import invariants
from harness.lab import HOLD
from harness.resp import RespError
from harness.waiting import until


@pytest.fixture
def proxy(lab):
    return lab.proxy(lab.redis())


@pytest.fixture
def client(proxy):
    with proxy.client() as connection:
        yield connection


def now_ms():
    return int(time.time() * 1000)


def is_error(reply, prefix, *words):
    assert isinstance(reply, RespError), reply
    assert reply.prefix == prefix, reply
    for word in words:
        assert word in reply.text, reply
    return True


def test_create_is_idempotent_with_the_same_settings_only(client):
    """OK; OK again with the same settings; -EXISTS with any other, and nothing changes."""
    start, end = now_ms() - 1000, now_ms() + 60_000
    same = ("SECKILL.CREATE", "phone", "STOCK", 10, "LIMIT", 2, "START", start, "END", end)
    assert client(*same) == "OK"
    assert client(*same) == "OK"
    is_error(client("SECKILL.CREATE", "phone", "STOCK", 11, "LIMIT", 2, "START", start, "END", end),
             "EXISTS")
    is_error(client("SECKILL.CREATE", "phone", "STOCK", 10), "EXISTS")
    assert invariants.stock_of(client, "phone") == {
        "item": "phone", "stock": 10, "sold": 0, "remaining": 10, "limit": 2, "start": start,
        "end": end, "state": "open"}
    # Also after it has been sold from and restocked: what counts is what was given.
    assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
    assert client("SECKILL.RESTOCK", "phone", 5) == ["OK", 14]
    assert client(*same) == "OK"


def test_buy_replies(client):
    """OK with order_id as a string of digits, remaining and durability; then SOLDOUT with 0."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 3) == "OK"
    outcome, order, remaining, durability = client("SECKILL.BUY", "phone", "ann", "QTY", 2)
    assert (outcome, remaining, durability) == ("OK", 1, "disk")
    assert isinstance(order, str) and 0 < int(order) < 1 << 63
    assert client("SECKILL.BUY", "phone", "bob", "QTY", 2) == ["SOLDOUT", 1]
    assert client("SECKILL.BUY", "phone", "bob")[2] == 0
    assert client("SECKILL.BUY", "phone", "cid") == ["SOLDOUT", 0]
    assert client("SECKILL.BUY", "nothing", "ann") == ["NOITEM"]


def test_the_limit_counts_units_a_buyer(client):
    """LIMIT 3: 2 + 2 is refused naming the 2 and the last order, 2 + 1 is not, 3 + 1 is."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 100, "LIMIT", 3) == "OK"
    assert client("SECKILL.BUY", "phone", "eve", "QTY", 4)[:2] == ["LIMIT", 0]
    first = client("SECKILL.BUY", "phone", "ann", "QTY", 2)[1]
    assert client("SECKILL.BUY", "phone", "ann", "QTY", 2) == ["LIMIT", 2, first]
    last = client("SECKILL.BUY", "phone", "ann")[1]
    assert last != first
    assert client("SECKILL.BUY", "phone", "ann") == ["LIMIT", 3, last]
    assert client("SECKILL.BUY", "phone", "bob", "QTY", 3)[0] == "OK"


def test_the_sale_has_a_start_and_an_end(client):
    """NOTSTARTED with the start, then OK, then ENDED with the end."""
    later = now_ms() + 3_600_000
    assert client("SECKILL.CREATE", "soon", "STOCK", 5, "START", later) == "OK"
    assert client("SECKILL.BUY", "soon", "ann") == ["NOTSTARTED", later]
    past = now_ms() - 1000
    assert client("SECKILL.CREATE", "over", "STOCK", 5, "END", past) == "OK"
    assert client("SECKILL.BUY", "over", "ann") == ["ENDED", past]
    start, end = now_ms() + 300, now_ms() + 1200
    assert client("SECKILL.CREATE", "flash", "STOCK", 5, "START", start, "END", end) == "OK"
    assert client("SECKILL.BUY", "flash", "ann", "REQ", "r") == ["NOTSTARTED", start]
    # The refused REQ is decided anew once the sale is on.
    bought = until(lambda: (reply := client("SECKILL.BUY", "flash", "ann", "REQ", "r"))[0] == "OK"
                   and reply, 5, "the start")
    assert now_ms() >= start
    until(lambda: client("SECKILL.BUY", "flash", "bob") == ["ENDED", end], 5, "the end")
    assert now_ms() >= end
    # An accepted REQ gets its order also after the end.
    assert client("SECKILL.BUY", "flash", "ann", "REQ", "r")[1] == bought[1]


def test_close_and_reopen(client):
    """OK, and OK again; purchases get CLOSED meanwhile; STOCK shows the state; NOITEM otherwise."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    order = client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[1]
    assert client("SECKILL.CLOSE", "phone") == "OK"
    assert client("SECKILL.CLOSE", "phone") == "OK"
    assert client("SECKILL.BUY", "phone", "bob", "REQ", "r2") == ["CLOSED"]
    assert invariants.stock_of(client, "phone")["state"] == "closed"
    assert client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[:2] == ["OK", order]
    assert client("SECKILL.REOPEN", "phone") == "OK"
    assert client("SECKILL.REOPEN", "phone") == "OK"
    assert client("SECKILL.BUY", "phone", "bob", "REQ", "r2")[0] == "OK"
    assert invariants.stock_of(client, "phone")["state"] == "open"
    for verb in ("SECKILL.CLOSE", "SECKILL.REOPEN", "SECKILL.STOCK"):
        assert client(verb, "nothing") == ["NOITEM"]
    assert client("SECKILL.RESTOCK", "nothing", 1) == ["NOITEM"]


def test_an_item_closed_for_longer_than_journal_retain_stays_closed(lab):
    """The flushers may have let go its history."""
    proxy = lab.proxy(lab.redis(), journal__retain="100ms")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert client("SECKILL.CLOSE", "phone") == "OK"
        closed_ms = now_ms()
        until(lambda: now_ms() > closed_ms + 100, 10, "journal.retain is over")
        is_error(client("SECKILL.REOPEN", "phone"), "ERR", "journal.retain")
        assert client("SECKILL.BUY", "phone", "ann") == ["CLOSED"]


def test_an_accepted_req_gets_its_order_again_for_ever(lab, client, proxy):
    """After a retry, a reconnect, CLOSE and a restart: the same order_id, and no second order."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 5, "LIMIT", 1) == "OK"
    order = client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[1]
    assert client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[1] == order
    assert client("SECKILL.CLOSE", "phone") == "OK"
    assert proxy.stop() == 0
    proxy.start()
    with proxy.client() as again:
        assert again("SECKILL.BUY", "phone", "ann", "REQ", "r1")[:2] == ["OK", order]
        assert again("SECKILL.ORDER", "phone", "ann", "REQ", "r1")[1] == order
        assert invariants.stock_of(again, "phone")["sold"] == 1


def test_a_refused_req_is_decided_anew(client):
    """SOLDOUT is no outcome for ever: after a restock the same REQ buys."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 1) == "OK"
    assert client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[0] == "OK"
    assert client("SECKILL.BUY", "phone", "bob", "REQ", "r1") == ["SOLDOUT", 0]
    assert client("SECKILL.RESTOCK", "phone", 1) == ["OK", 1]
    assert client("SECKILL.BUY", "phone", "bob", "REQ", "r1")[0] == "OK"


def test_a_req_belongs_to_one_buyer_and_one_item(client):
    """The same REQ of another buyer or of another item is another purchase."""
    for item in ("phone", "radio"):
        assert client("SECKILL.CREATE", item, "STOCK", 5) == "OK"
    orders = [client("SECKILL.BUY", item, user, "REQ", "same")[1]
              for item in ("phone", "radio") for user in ("ann", "bob")]
    assert len(set(orders)) == 4


def test_several_orders_of_one_buyer_keep_their_reqs(client):
    """No LIMIT: three purchases, three REQs, each of them finds its own order again."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 50) == "OK"
    orders = {req: client("SECKILL.BUY", "phone", "ann", "QTY", n, "REQ", req)[1]
              for n, req in enumerate(("r1", "r2", "r3"), start=1)}
    assert len(set(orders.values())) == 3
    for n, (req, order) in enumerate(orders.items(), start=1):
        assert client("SECKILL.BUY", "phone", "ann", "QTY", n, "REQ", req)[1] == order
        assert client("SECKILL.ORDER", "phone", "ann", "REQ", req)[1:4] == [order, "ann", n]
        assert client("SECKILL.ORDER", "phone", "ann", order)[1:4] == [order, "ann", n]
    assert invariants.stock_of(client, "phone")["sold"] == 6


def test_order_replies_and_secrecy(client):
    """FOUND with six elements by id and by REQ; whoever guesses another's order gets NOORDER."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    order = client("SECKILL.BUY", "phone", "ann", "QTY", 2, "REQ", "r1")[1]
    found = ["FOUND", order, "ann", 2, "placed", "disk"]
    assert client("SECKILL.ORDER", "phone", "ann", order) == found
    assert client("SECKILL.ORDER", "phone", "ann", "REQ", "r1") == found
    client("SECKILL.BUY", "phone", "bob", "REQ", "r2")
    for guess in (("bob", order), ("bob", "REQ", "r1"), ("eve", order), ("eve", "REQ", "r1"),
                  ("ann", "REQ", "r2"), ("ann", str(int(order) + 1))):
        assert client("SECKILL.ORDER", "phone", *guess) == ["NOORDER"]
    assert client("SECKILL.ORDER", "nothing", "ann", order) == ["NOORDER"]


def test_an_order_becomes_database_once_mysql_has_it(lab):
    """durability: disk before the drain, database after SECKILL.FLUSH WAIT."""
    _, database, proxy, _ = lab.stack(flusher=HOLD)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        order = client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[1]
        assert client("SECKILL.ORDER", "phone", "ann", order)[5] == "disk"
        reply = client("SECKILL.FLUSH", "WAIT", 10_000)
        assert not isinstance(reply, RespError), reply
        assert invariants.count_rows(database, "phone") == 1
        until(lambda: client("SECKILL.ORDER", "phone", "ann", order)[5] == "database", 5,
              "durability database")
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[3] == "database"


@pytest.mark.parametrize("fsync, told",
                         [("always", "disk"), ("everysec", "memory"), ("no", "memory")])
def test_the_fsync_policy_decides_what_ok_means(lab, fsync, told):
    """always: OK says disk. everysec: memory, and disk soon after. no: memory."""
    proxy = lab.proxy(lab.redis(), journal__fsync=fsync)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        order = client("SECKILL.BUY", "phone", "ann")[1:]
        assert order[2] == told
        if fsync == "everysec":
            until(lambda: client("SECKILL.ORDER", "phone", "ann", order[0])[5] == "disk", 5, "disk")


def test_restock_replies_and_limits(client):
    """["OK", remaining]; a REQ counts once; taking more than remains is refused with -ERR."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
    assert client("SECKILL.BUY", "phone", "ann", "QTY", 4)[0] == "OK"
    assert client("SECKILL.RESTOCK", "phone", 5, "REQ", "t1") == ["OK", 11]
    assert client("SECKILL.RESTOCK", "phone", 5, "REQ", "t1") == ["OK", 11]
    assert client("SECKILL.RESTOCK", "phone", -11) == ["OK", 0]
    is_error(client("SECKILL.RESTOCK", "phone", -1), "ERR", "delta")
    is_error(client("SECKILL.RESTOCK", "phone", 2147483647), "ERR", "delta")
    assert invariants.stock_of(client, "phone")["stock"] == 4


def test_list_pages_through_all_items(client):
    """As SCAN does: [cursor, [item, …]], from cursor 0 until cursor 0 comes back."""
    names = {f"item-{n}" for n in range(57)}
    for name in names:
        assert client("SECKILL.CREATE", name, "STOCK", 1) == "OK"
    seen, cursor, pages = [], "0", 0
    while True:
        cursor, page = client("SECKILL.LIST", "CURSOR", cursor, "COUNT", 10)
        seen += page
        pages += 1
        if cursor == "0" or pages > 100:
            break
    assert set(seen) == names
    assert client("SECKILL.LIST")[0] is not None
    is_error(client("SECKILL.LIST", "COUNT", 0), "ERR")
    is_error(client("SECKILL.LIST", "CURSOR", "x"), "ERR")


def test_pause_and_resume_intake(client):
    """PAUSE INTAKE: purchases get -BUSY and nothing happens; reads go on; RESUME ends it."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    assert client("SECKILL.PAUSE", "INTAKE") == "OK"
    is_error(client("SECKILL.BUY", "phone", "ann", "REQ", "r"), "BUSY")
    assert invariants.stock_of(client, "phone")["sold"] == 0
    assert client("SECKILL.ORDER", "phone", "ann", "REQ", "r") == ["NOORDER"]
    assert client("SECKILL.RESUME", "INTAKE") == "OK"
    assert client("SECKILL.BUY", "phone", "ann", "REQ", "r")[0] == "OK"
    is_error(client("SECKILL.PAUSE", "LUNCH"), "ERR")
    is_error(client("SECKILL.PAUSE"), "ERR", "wrong number of arguments")


def test_pause_and_resume_flush(lab):
    """PAUSE FLUSH: no row comes while the age trigger would bring it; RESUME brings all."""
    _, database, proxy, flusher = lab.stack(flusher=HOLD)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert client("SECKILL.PAUSE", "FLUSH") == "OK"
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
        client("SECKILL.FLUSH", "WAIT", 500)
        assert invariants.count_rows(database, "phone") == 0
        assert client("SECKILL.RESUME", "FLUSH") == "OK"
        assert not isinstance(client("SECKILL.FLUSH", "WAIT", 10_000), RespError)
        invariants.wait_rows(database, "phone", 1)


def test_flush_without_a_flusher_says_so(client):
    """Nobody listens at flusher.admin: an error that names the address, at once."""
    started = time.monotonic()
    reply = client("SECKILL.FLUSH", "WAIT", 10_000)
    assert isinstance(reply, RespError), reply
    assert time.monotonic() - started < 8


def test_status_is_a_flat_array_of_names_and_values(client):
    assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    status = invariants.pairs(client("SECKILL.STATUS"))
    assert all(isinstance(name, str) for name in status)
    assert len(status) >= 5


def test_help_and_command_know_every_verb(client):
    """SECKILL.HELP is an array of lines that names every verb; COMMAND and its INFO know them."""
    text = "\n".join(client("SECKILL.HELP"))
    verbs = ["CREATE", "RESTOCK", "BUY", "CANCEL", "ORDER", "STOCK", "LIST", "CLOSE", "REOPEN",
             "DELETE", "FLUSH", "PAUSE", "RESUME", "STATUS", "HELP"]
    for verb in verbs:
        assert f"SECKILL.{verb}" in text
    known = {entry[0].lower() for entry in client("COMMAND")}
    assert "get" in known
    for verb in verbs:
        assert f"seckill.{verb.lower()}" in known
    info = client("COMMAND", "INFO", "seckill.buy", "get")
    assert [entry[0] for entry in info] == ["seckill.buy", "get"]


def test_names_without_the_dot_and_in_any_case(client):
    assert client("SECKILLCREATE", "phone", "STOCK", 5) == "OK"
    order = client("seckillbuy", "phone", "ann")[1]
    assert client("SeckillOrder", "phone", "ann", order)[0] == "FOUND"
    assert client("seckill.Cancel", "phone", "ann", order) == ["OK", 5]
    # An unknown verb of the family is an unknown command, not a purchase.
    is_error(client("SECKILL.SELL", "phone", "ann"), "ERR", "unknown command")


def test_resp3_replies_have_the_same_shape(proxy):
    """HELLO 3 changes the protocol, not one element of a SECKILL reply."""
    commands = [
        ("SECKILL.CREATE", "phone", "STOCK", 1, "LIMIT", 1), ("SECKILL.STOCK", "phone"),
        ("SECKILL.BUY", "phone", "eve", "QTY", 2), ("SECKILL.BUY", "nothing", "ann"),
        ("SECKILL.ORDER", "phone", "ann", "1"), ("SECKILL.CANCEL", "phone", "ann", "1"),
        ("SECKILL.LIST",), ("SECKILL.HELP",), ("SECKILL.BUY", "phone")]
    with proxy.client() as old, proxy.client() as new:
        old("SECKILL.CREATE", "phone", "STOCK", 1, "LIMIT", 1)
        assert new("HELLO", "3")["proto"] == 3
        for command in commands:
            old.send(*command)
            new.send(*command)
            assert old.read() == new.read(), command
        assert isinstance(invariants.pairs(new("SECKILL.STATUS")), dict)


def test_fields_land_in_mysql_as_json(lab):
    """FIELDS of any bytes come out of the JSON column as they went in, as far as JSON can."""
    _, database, proxy, flusher = lab.stack()
    fields = {"note": 'quote " backslash \\ newline \n tab \t', "empty": "", "euro": "5 € 日本",
              "a:b_c.d-e": "x" * 1024}
    flat = [part for pair in fields.items() for part in pair]
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        with_fields = client("SECKILL.BUY", "phone", "ann", "REQ", "r", "FIELDS", *flat)[1]
        without = client("SECKILL.BUY", "phone", "bob")[1]
        binary = client("SECKILL.BUY", "phone", "cid", "FIELDS", "raw", b"\xff\x00\x80")
        assert binary[0] == "OK"
    invariants.drain(flusher)
    rows = dict(database.query("SELECT order_id, fields FROM orders"))
    assert json.loads(rows[int(with_fields)]) == fields
    assert rows[int(without)] in (None, "{}")
    assert set(json.loads(rows[int(binary[1])])) == {"raw"}
    user, item, req, quantity, status, created, updated = database.one(
        "SELECT user_id, item_id, request_id, quantity, status, created_at, updated_at FROM orders "
        "WHERE order_id = %s", with_fields)
    assert (user, item, req, quantity, status) == ("ann", "phone", "r", 1, "placed")
    assert created.year >= 2024 and updated >= created


def test_replies_come_in_the_order_of_the_commands(client):
    """A pipeline that mixes purchases, refusals, reads and Redis's own commands stays in order."""
    assert client("SECKILL.CREATE", "phone", "STOCK", 300) == "OK"
    commands, wanted = [], []
    for n in range(200):
        commands += [("SECKILL.BUY", "phone", f"u{n}"), ("SET", f"k{n}", n), ("GET", f"k{n}"),
                     ("SECKILL.BUY", "nothing", "x"), ("PING", f"p{n}"), ("INCR", "counter")]
        wanted += ["OK", "OK", str(n), "NOITEM", f"p{n}", n + 1]
    got = [reply[0] if isinstance(reply, list) else reply for reply in client.pipeline(commands)]
    assert got == wanted
