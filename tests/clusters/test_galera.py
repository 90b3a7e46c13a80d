"""A Galera cluster of three nodes: two journals drain through different ones, while nodes are
killed and rejoin."""

import pytest
from harness import galera
from harness.crossing import Crossing, check_crossed
from harness.replication import until_rows
from harness.sql_server import Database
from harness.waiting import until


@pytest.fixture(autouse=True)
def _possible():
    if reason := galera.why_not():
        pytest.skip(reason)


def test_orders_and_cancels_meet_over_two_nodes_that_are_killed(lab):
    cluster = galera.Cluster(lab, size=3)
    first, second, third = cluster.nodes
    database = Database(first, "shop").create()
    redis = lab.redis()
    journals = [lab.folder / "journal-a", lab.folder / "journal-b"]
    proxies = [lab.proxy(redis, journal=journal, proxy__id=number)
               for number, journal in enumerate(journals)]
    flushers = [lab.flusher(database, journal=journal, mysql__hosts=[
                    f"127.0.0.1:{node.port}" for node in nodes],
                    trigger__max_age="50ms", batch__rows=20, mysql__timeout="10s")
                for journal, nodes in zip(journals, [(first, third, second),
                                                     (second, third, first)])]
    with proxies[0].client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1_000_000) == "OK"
    crossing = Crossing(proxies)
    until(lambda: database.one("SELECT COUNT(*) FROM orders")[0] > 200, 30, "a part", every_s=0.05)
    for node in (first, second):
        node.kill()
        survivor = Database(third, "shop")
        cluster.wait_size(2)
        before = survivor.one("SELECT COUNT(*) FROM orders")[0]
        until(lambda: survivor.one("SELECT COUNT(*) FROM orders")[0] > before + 50, 30,
              "the drain goes on")
        node.rejoin()
        node.wait_joined()
        cluster.wait_size(3)
        assert "Receiving IST" in node.process.log()
    # Half of the cluster and more at once: what is left takes no writes until it is told to.
    for node in (first, second):
        node.kill()
    for flusher in flushers:
        until(lambda: "is no part of its Galera cluster" in flusher.get("/status").text, 40,
              "a node without quorum is refused")
        assert flusher.get("/readyz").status == 503
    third.begin_anew()
    for node in (first, second):
        node.rejoin()
        node.wait_joined()
    orders = crossing.finish()
    assert len(orders) > 1000
    for node in cluster.nodes:
        check_crossed(Database(node, "shop"), orders)
    for flusher in flushers:
        assert "is in use now" in flusher.process.log()
        # Two nodes have changed the same row, and one of them was told at its COMMIT.
        assert flusher.metrics()['sluice_flush_retries_total{class="deadlock"}'] > 0
    configs = [word for daemon in (*proxies, *flushers) for word in ("--config", daemon.config)]
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)

    def agree():
        done = lab.ctl("reconcile", *configs, "--set", f"mysql.hosts={hosts}")
        return done.returncode == 0 or print(done.stdout, done.stderr)
    until(agree, 20, "reconcile finds nothing", every_s=0.5)


def test_transactions_that_are_too_large_for_the_cluster_are_cut(lab):
    """wsrep_max_ws_size: no order is taken for a bad one."""
    (node,) = galera.Cluster(lab, size=1).nodes
    database = Database(node, "shop").create()
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1000) == "OK"
        for n in range(300):
            assert client("SECKILL.BUY", "phone", f"u{n}", "FIELDS", "note", "x" * 1000)[0] == "OK"
    flusher = lab.flusher(database, start=False)
    assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
    node.query("SET GLOBAL wsrep_max_ws_size = 65536")
    flusher.start(wait=False)
    until_rows(database, 300)
    assert "Maximum writeset size exceeded; it is cut" in flusher.process.log()
    assert flusher.metrics()['sluice_flush_retries_total{class="too_large"}'] > 0
    assert database.one("SELECT sold FROM items") == (300,)
    assert database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (0,)
    until(flusher.ready, 20, "ready")
