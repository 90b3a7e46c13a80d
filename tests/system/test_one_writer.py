"""A proxy.id is one process with one journal: what a second one, a copy or a successor meets."""

import shutil
import signal
import socket

from harness.resp import RespError
from harness.waiting import until


def sold(lab, redis, **settings):
    """A proxy that has sold something, and so has a journal with its names in it."""
    proxy = lab.proxy(redis, **settings)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r")[0] == "OK"
    return proxy


def refused(lab, redis, **settings):
    """The log of a proxy that must not sell: it ends with 3 by itself."""
    proxy = lab.proxy(redis, start=False, **settings)
    proxy.start(wait=False)
    assert proxy.process.wait(20) == 3, proxy.process.log_tail()
    return proxy.process.log()


def test_a_copy_of_a_living_proxy_ends_and_names_its_host(lab):
    """The folder was copied while it sold (a cloned machine): the copy sells nothing, the other
    one goes on."""
    redis = lab.redis()
    proxy = sold(lab, redis)
    shutil.copytree(lab.journal, lab.folder / "copy")
    log = refused(lab, redis, journal=lab.folder / "copy")
    assert "another process sells as proxy.id 0" in log and f"on host {socket.gethostname()}" in log
    with proxy.client() as client:
        assert client("SECKILL.BUY", "phone", "bob", "REQ", "r")[0] == "OK"


def test_who_was_taken_over_ends_with_its_next_purchase(lab):
    """It stood still for so long that its successor took it for dead."""
    redis = lab.redis()
    proxy = sold(lab, redis)
    shutil.copytree(lab.journal, lab.folder / "copy")
    proxy.process.send(signal.SIGSTOP)
    successor = lab.proxy(redis, journal=lab.folder / "copy")
    proxy.process.send(signal.SIGCONT)
    assert proxy.process.wait(20) == 3
    assert "taken over" in proxy.process.log()
    with successor.client() as client:
        assert client("SECKILL.BUY", "phone", "bob", "REQ", "r")[0] == "OK"


def test_a_successor_waits_until_the_beat_of_a_killed_one_is_old(lab):
    """Two seconds in which nobody knows whether it lives; clients are told. After an orderly stop
    there is nothing to wait for."""
    redis = lab.redis()
    proxy = sold(lab, redis)
    proxy.kill()
    proxy.start(wait=False)
    proxy.wait_listening()
    with proxy.client() as client:
        def told():
            reply = client("SECKILL.BUY", "phone", "bob", "REQ", "r")
            assert isinstance(reply, RespError), reply
            return reply.text == ("LOADING the process that had this proxy.id before wrote a "
                                  "moment ago; nothing happened, retry later")
        until(told, 2, "the reason")
        assert "wrote a moment ago" in proxy.get("/readyz").text
        proxy.wait_ready(within_s=8)
        assert client("SECKILL.BUY", "phone", "bob", "REQ", "r")[0] == "OK"
    assert proxy.stop() == 0
    waits = proxy.process.log().count("wrote a moment ago")
    proxy.start()
    assert proxy.process.log().count("wrote a moment ago") == waits


def test_a_journal_of_another_proxy_id_or_number_of_shelves_is_refused(lab):
    redis = lab.redis()
    proxy = sold(lab, redis)
    assert proxy.stop() == 0
    log = refused(lab, redis, proxy__id=1)
    assert "was written by proxy.id 0, this is proxy.id 1" in log
    log = refused(lab, redis, sale__shelves=128)
    assert "was written with sale.shelves = 64, now it is 128" in log
    proxy.start()


def test_a_redis_with_another_number_of_shelves_or_journal_is_refused(lab):
    redis = lab.redis()
    sold(lab, redis)
    with redis.client() as direct:
        before = sorted(direct("KEYS", "*"))
        log = refused(lab, redis, journal=lab.folder / "new", proxy__id=1, sale__shelves=128)
        assert "has a sale with 64 shelves, sale.shelves is 128" in log
        log = refused(lab, redis, journal=lab.folder / "newer")
        assert "knows proxy.id 0 with another journal" in log
        assert sorted(direct("KEYS", "*")) == before
