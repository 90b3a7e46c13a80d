"""sluice-ctl peers: who sells through a Redis, and giving a proxy up that never comes back."""

import random
import time

from harness.resp import RespError
from harness.waiting import until


def test_a_proxy_that_is_gone_for_good_is_given_up(lab):
    """Two proxies, one dies for good, Redis is flushed: the item waits for the dead one and says
    so; after `peers forget` it sells. A running proxy cannot be given up."""
    redis = lab.redis()
    proxies = [lab.proxy(redis, journal=lab.folder / "journal0", proxy__id=0)]
    with proxies[0].client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    proxies.append(lab.proxy(redis, journal=lab.folder / "journal1", proxy__id=1))
    server = ("--server", f"127.0.0.1:{redis.port}")
    listed = lab.ctl("peers", "list", *server)
    assert listed.returncode == 0, listed.stderr
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert [(row[0], row[2], row[-1]) for row in rows] == [
        ("proxy", "running", "by"), ("0", "yes", "1"), ("1", "yes", "0")], listed.stdout
    refused = lab.ctl("peers", "forget", 1, *server)
    assert refused.returncode == 1 and "is running" in refused.stderr

    with proxies[0].client() as client, redis.client() as direct:
        def bought():
            reply = client("SECKILL.BUY", "phone", "ann", "REQ", "r")
            return None if isinstance(reply, RespError) else reply
        proxies[1].kill()
        direct("FLUSHALL")
        until(lambda: "peers forget 1" in getattr(
            client("SECKILL.BUY", "phone", "ann", "REQ", "r"), "text", ""), 20, "-LOADING")
        until(lambda: "waited for: proxy 1, on 64 of 64 shelves" in lab.ctl(
            "peers", "list", *server).stdout, 20, "all shelves to wait")
        direct("FLUSHALL")  # it may be given up before the shelves have passed the gate again
        forgotten = lab.ctl("peers", "forget", "--config", proxies[0].config, 1)
        assert forgotten.returncode == 0, forgotten.stderr
        assert until(bought, 10, "a purchase")[0] == "OK"
    assert "given up: proxy 1" in lab.ctl("peers", "list", *server).stdout

    proxies[1].start()  # it was not gone after all: it joins like a new one
    with proxies[1].client() as client:
        reply = client("SECKILL.BUY", "phone", "ann", "REQ", "r")
        assert isinstance(reply, list), reply


def test_bad_words_are_refused(lab):
    for words in ((), ("forget",), ("forget", "1024"), ("forget", "x"), ("lists",)):
        assert lab.ctl("peers", *words).returncode == 2, words
    assert lab.ctl("peers", "list", "--server", "127.0.0.1:1").returncode == 1


def test_one_that_waits_for_another_ends_in_order(lab):
    """Stopped at any moment after its start, while it waits for another proxy or a sale begins, it
    asks nothing more of the Redis that it has left."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    redis = lab.redis()
    for turn in range(20):
        with redis.client() as direct:
            direct("FLUSHALL")
        proxies = [lab.proxy(redis, start=False, journal=lab.folder / f"journal{turn}-{number}",
                             proxy__id=number) for number in range(2)]
        for proxy in proxies:
            proxy.start(wait=False)
        with until(proxies[0].client, 10, "the first listens") as client:
            client("SECKILL.CREATE", "phone", "STOCK", 5)
        time.sleep(moments.uniform(0, 0.08))
        for proxy in proxies:  # the first one's last beat ends the second one's waiting
            assert proxy.stop() == 0, proxy.process.log()
