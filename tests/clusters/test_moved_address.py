"""One address in front of several MySQLs, as a virtual address, HAProxy or ProxySQL is: what stands
behind it changes, and the flusher is told nothing."""

import pytest
from harness import invariants
from harness.load import Load, Request
from harness.replication import Pair, until_rows
from harness.waiting import until


def sell(proxy, first, count):
    load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(first, first + count)])
    return load.start().finish(within_s=60)


@pytest.mark.parametrize("is_lost", [False, True], ids=["read_only", "killed"])
def test_the_address_moves_to_a_replica_that_was_behind(lab, fault, is_lost):
    """Everything was drained, and nothing is sold any more: what the replica lacks comes all the
    same. A primary that is not killed stays reachable on open connections, but is read-only."""
    pair = Pair(lab)
    old, new = pair.database()
    between = fault(pair.primary.port, protocol="raw")
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1000) == "OK"
    loads = [sell(proxy, 0, 300)]
    flusher = lab.flusher(old, mysql__port=between.port, trigger__max_age="50ms")
    until_rows(old, 300)
    pair.wait_caught_up()
    pair.stop_following()
    loads.append(sell(proxy, 300, 400))
    until_rows(old, 700)
    assert new.one("SELECT COUNT(*) FROM orders") == (300,)
    if is_lost:
        pair.primary.kill()
        between.switch(pair.replica.port)
    else:
        pair.set_read_only(pair.primary, True)
        between.target = pair.replica.port  # of new connections only
    until(lambda: "read_only is ON" in flusher.get("/status").text, 20, "nobody takes writes")
    pair.promote()
    until_rows(new, 700)
    loads.append(sell(proxy, 700, 100))
    until_rows(new, 800)
    with proxy.client() as client:
        for load in loads:
            invariants.check_consistent(new, client, "phone", load, given=1000)
    assert flusher.process.alive()
