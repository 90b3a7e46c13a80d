"""Redis or MySQL are away, from the start or in the middle: what goes on, and what comes back."""

import pymysql
import pytest

from harness import invariants
from harness.load import Load, Request, start_sale
from harness.sql_server import Database
from harness.resp import RespError
from harness.waiting import until


def journal_records(lab):
    done = lab.ctl("journal", "dump", lab.journal)
    assert done.returncode == 0, done.stderr
    return len(done.stdout.splitlines())


def test_selling_goes_on_while_mysql_is_down_from_the_start(lab):
    """MySQL is not there when everything starts: every purchase is accepted, the backlog grows on
    disk, the flusher says that it is not ready and lives; all arrives once MySQL comes up."""
    server = lab.sql_server(start=False)
    flusher = lab.flusher(Database(server, "shop"), start=False)
    flusher.start(wait=False)
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5000) == "OK"
        load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(2000)])
        load.start().finish(within_s=60)
        assert load.outcomes() == {"OK": 2000}
        assert journal_records(lab) == 2001
        more = Load(proxy.port, [Request("phone", f"v{n}", "r") for n in range(2000)])
        more.start().finish(within_s=60)
        assert more.outcomes() == {"OK": 2000}
        assert journal_records(lab) == 4001
        assert flusher.process.alive()
        assert until(lambda: flusher.get("/readyz").status == 503, 10, "flusher not ready")
        server.start()
        server.query("CREATE DATABASE IF NOT EXISTS shop")
        until(lambda: _rows(server) == 4000, 60, "4,000 orders", every_s=0.1)
        until(flusher.ready, 10, "flusher ready")
        for part in (load, more):
            invariants.check_consistent(Database(server, "shop"), client, "phone", part, given=5000)


def _rows(server):
    try:
        return server.query("SELECT COUNT(*) FROM shop.orders")[0][0]
    except pymysql.err.Error:
        return None  # the flusher has not made the table yet


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_mysql_goes_away_and_comes_back_in_mid_drain(lab, way):
    """The server is killed or stopped while rows are on their way: no row is lost or doubled."""
    server = lab.sql_server()
    database = Database(server, "shop").create()
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(database, batch__rows=50)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100_000) == "OK"
        load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(6000)]).start()
        until(lambda: (_rows(server) or 0) > 100, 30, "the first rows", every_s=0.002)
        getattr(server, way)()
        load.finish(within_s=60)
        assert load.outcomes() == {"OK": 6000}
        server.start()
        until(lambda: _rows(server) == 6000, 60, "6,000 orders", every_s=0.1)
        assert flusher.process.alive()
        invariants.check_consistent(database, client, "phone", load, given=100_000)


def test_redis_down_is_a_clear_error_and_heals_by_itself(lab):
    """Redis is killed: purchases and passed-through commands get an error within seconds, no
    connection hangs, other clients may connect; Redis comes back and so does everything, by itself.
    """
    redis = lab.redis(appendfsync="always")
    proxy = lab.proxy(redis)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        order = client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[1]
        assert client("SET", "k", "v") == "OK"
        redis.kill()
        for command in (("SECKILL.BUY", "phone", "bob", "REQ", "r2"), ("SECKILL.STOCK", "phone"),
                        ("GET", "k"), ("SET", "k", "w")):
            reply = client(*command)
            assert isinstance(reply, RespError), (command, reply)
            assert len(reply.text) > len(reply.prefix) + 10, f"not clear: {reply}"
        with proxy.client() as other:
            assert isinstance(other("GET", "k"), RespError)
        assert proxy.process.alive()
        redis.start()
        bought = until(lambda: _list(client("SECKILL.BUY", "phone", "bob", "REQ", "r2")), 20,
                       "purchases after Redis came back", every_s=0.05)
        assert bought[0] == "OK"
        until(lambda: client("GET", "k") == "v", 10, "GET after Redis came back")
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[:2] == ["OK", order]
        assert invariants.stock_of(client, "phone")["sold"] == 2


def _list(reply):
    return reply if isinstance(reply, list) else None


def test_the_proxy_waits_for_a_redis_that_is_not_there_yet(lab):
    """Redis is down when the proxy starts: not ready, clear errors; ready once Redis is up."""
    redis = lab.redis()
    redis.stop()
    proxy = lab.proxy(redis, start=False)
    proxy.start(wait=False)
    proxy.wait_listening()
    with proxy.client() as client:
        assert isinstance(client("SECKILL.BUY", "phone", "ann"), RespError)
        assert proxy.get("/readyz").status == 503
        assert proxy.get("/healthz").status == 200
        redis.start()
        proxy.wait_ready()
        assert client("SECKILL.BUY", "phone", "ann") == ["NOITEM"]


def test_redis_killed_in_mid_sale_loses_and_oversells_nothing(lab):
    """Redis with AOF always is SIGKILLed twice while 64 connections buy; the invariants hold."""
    redis, database, proxy, flusher = lab.stack()
    load = start_sale(proxy, stock=3000, buyers=6000)
    for sold in (500, 1500):
        until(lambda: load.accepted() >= sold, 30, f"{sold} accepted")
        redis.kill()
        redis.start()
    invariants.check_sale(load, 3000, database, proxy, flusher)


def test_a_redis_that_evicts_is_refused(lab):
    """maxmemory-policy other than noeviction: the proxy exits 3 and says what to set."""
    redis = lab.redis(options=["--maxmemory-policy", "allkeys-lru"])
    proxy = lab.proxy(redis, start=False)
    proxy.start(wait=False)
    assert proxy.process.wait(20) == 3
    log = proxy.process.log()
    assert "noeviction" in log and "signal" not in log, "nobody has sent it one"


def test_a_redis_that_lost_its_scripts_gets_them_again(lab):
    """SCRIPT FLUSH in mid-sale (as after a restart): NOSCRIPT is never seen by a client."""
    redis = lab.redis()
    proxy = lab.proxy(redis)
    with proxy.client() as client, redis.client() as direct:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert direct("SCRIPT", "FLUSH") == "OK"
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
