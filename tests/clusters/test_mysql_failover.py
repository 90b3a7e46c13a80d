"""mysql.hosts: a primary and its replica, and what takes the primary's place."""

import json
import signal

import pytest
from harness import invariants, sql_program
from harness.daemons import run
from harness.load import Gate, Load, Request
from harness.replication import Pair, make_plain_user, until_rows
from harness.sql_server import USER
from harness.waiting import until

BUYERS = 3000


@pytest.fixture
def pair(lab):
    return Pair(lab)


def flusher_of(lab, pair, database, user="plain", **settings):
    """Drains at once into whichever of the pair takes writes; its journal is there already."""
    if user == "plain":
        make_plain_user(pair.primary)
        pair.wait_caught_up()
    return lab.flusher(database, mysql__hosts=pair.addresses(), mysql__user=user,
                       trigger__max_age="50ms", batch__rows=50, **settings)


def start_load(lab):
    """(proxy, gate, load): nothing passes the gate yet."""
    proxy, gate = lab.proxy(lab.redis()), Gate(is_open=False)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", BUYERS) == "OK"
    requests = [Request("phone", f"u{n}", "r") for n in range(BUYERS)]
    return proxy, gate, Load(proxy.port, requests, gate=gate).start()


def sell_some(gate, load, database, count):
    """`count` more are sold, and some more of them are rows."""
    before = database.one("SELECT COUNT(*) FROM orders")[0] if load.accepted() else 0
    gate.grant(count)
    until(lambda: load.unanswered() <= BUYERS - before - count, 30, f"{count} more are sold")
    until_rows(database, before + count)


def check_all(proxy, database, load, within_s=40):
    load.finish(within_s=60)
    assert load.outcomes() == {"OK": BUYERS}
    until_rows(database, BUYERS, within_s)
    with proxy.client() as client:
        invariants.check_consistent(database, client, "phone", load, given=BUYERS)
    assert database.one("SELECT COUNT(*) FROM sluice_dead_letter") == (0,)


@pytest.mark.parametrize("user", ["plain", USER], ids=["refused", "allowed"])
def test_a_planned_switch_is_followed_on_open_connections(lab, pair, user):
    """The primary becomes read-only, its replica takes over, orders come all the while. The second
    user may write to a read-only server: what it still writes to the old primary counts for
    nothing."""
    old, new = pair.database()
    proxy, gate, load = start_load(lab)
    flusher = flusher_of(lab, pair, old, user)
    sell_some(gate, load, old, 500)
    gate.grant(1000)  # on their way while it happens
    pair.set_read_only(pair.primary, True)
    pair.wait_caught_up()
    pair.promote()
    check_all(proxy, new, load)
    until(lambda: f"127.0.0.1:{pair.replica.port} is in use now" in flusher.process.log(), 20,
          "the switch in the log")
    assert flusher.process.alive()
    until(lambda: not pair.primary.query("SELECT 1 FROM information_schema.processlist "
                                         "WHERE user = %s AND db = 'shop'", user),
          20, "nobody at the old primary")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_replica_that_was_behind_is_promoted_and_gets_what_it_lacks(lab, pair, end):
    """The primary is killed, or its machine freezes, which closes no connection; the replica lacks
    transactions which the flusher had committed."""
    old, new = pair.database()
    proxy, gate, load = start_load(lab)
    flusher = flusher_of(lab, pair, old, mysql__timeout="3s", mysql__connect_timeout="1s")
    sell_some(gate, load, old, 500)
    pair.wait_caught_up()
    pair.stop_following()
    sell_some(gate, load, old, 700)
    gate.grant(500)
    pair.primary.process.send(end)
    assert new.one("SELECT COUNT(*) FROM orders") == (500,)
    until(lambda: "read_only is ON" in flusher.get("/status").text, 20, "the replica is refused")
    pair.promote()
    check_all(proxy, new, load)
    assert flusher.process.alive() and "has lost transactions" in flusher.process.log()


def test_a_primary_that_lets_in_and_answers_no_commit_is_passed_over(lab, pair):
    """It waits for a replica, which has been promoted by others meanwhile."""
    if not sql_program.IS_MARIADB:
        pytest.skip("semi-synchronous replication is a plugin of MySQL's, not loaded here")
    old, new = pair.database()
    proxy, gate, load = start_load(lab)
    flusher = flusher_of(lab, pair, old, mysql__timeout="2s")
    sell_some(gate, load, old, 500)
    pair.wait_caught_up()
    pair.stop_following()
    for setting in ("wait_no_slave = ON", "timeout = 1000000000", "enabled = ON"):
        pair.primary.query(f"SET GLOBAL rpl_semi_sync_master_{setting}")
    pair.promote()
    check_all(proxy, new, load)
    assert flusher.process.alive()
    # So that it can be ended.
    pair.primary.query("SET GLOBAL rpl_semi_sync_master_enabled = OFF")


def test_a_replica_that_lacks_even_the_claim_is_taken(lab, pair):
    """The flusher was started anew after the replica had fallen behind: the checkpoints there are
    still those of the flusher before it."""
    old, new = pair.database()
    proxy, gate, load = start_load(lab)
    flusher = flusher_of(lab, pair, old)
    sell_some(gate, load, old, 500)
    pair.wait_caught_up()
    pair.stop_following()
    assert flusher.stop() == 0
    flusher.start()
    sell_some(gate, load, old, 300)
    pair.primary.kill()
    pair.promote()
    check_all(proxy, new, load)
    assert flusher.process.alive()


def test_an_idle_flusher_leaves_a_primary_that_became_read_only(lab, pair):
    """Nothing is written, so nothing is refused; it is noticed all the same, and where nobody takes
    writes each server is named with its reason. What is drained later goes to the new one, although
    the writers' connections to the old one are open, and would be allowed to write there."""
    old, new = pair.database()
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(old, mysql__hosts=pair.addresses(), trigger__max_age="50ms")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100) == "OK"
        for n in range(20):
            assert client("SECKILL.BUY", "phone", f"u{n}")[0] == "OK"
    until_rows(old, 20)
    pair.wait_caught_up()
    pair.set_read_only(pair.primary, True)
    until(lambda: flusher.get("/readyz").status == 503, 20, "not ready")
    until(lambda: json.loads(flusher.get("/status").text)["mysql"]["error"].count("read_only is ON")
          == 2, 20, "both refuse")
    error = json.loads(flusher.get("/status").text)["mysql"]["error"]
    assert all(address in error for address in pair.addresses()), error
    pair.promote()
    until(flusher.ready, 20, "ready")
    with proxy.client() as client:
        for n in range(20, 40):
            assert client("SECKILL.BUY", "phone", f"u{n}")[0] == "OK"
    until_rows(new, 40)
    assert old.one("SELECT COUNT(*) FROM orders") == (20,)


def test_every_tool_finds_the_server_that_takes_writes(lab, pair):
    """sluice-ctl and POST /dlq/retry, with the replica first in the list."""
    database, _ = pair.database()
    hosts = list(reversed(pair.addresses()))
    flusher = lab.flusher(database, start=False, mysql__hosts=hosts)
    done = lab.ctl("schema", "apply", "--config", flusher.config)
    assert done.returncode == 0 and ",".join(hosts) in done.stdout, done
    lab.proxy(lab.redis())
    flusher.start()
    assert flusher.post("/dlq/retry").status == 200
    done = lab.ctl("dlq", "list", "--config", flusher.config)
    assert done.returncode == 0 and "no dead letters" in done.stdout, done
    pair.set_read_only(pair.primary, True)
    done = lab.ctl("schema", "apply", "--config", flusher.config)
    assert done.returncode == 1 and done.stderr.count("read_only is ON") == 2, done


@pytest.mark.parametrize("settings, words", [
    ({"hosts": ["a:b"]}, 'mysql.hosts: "a:b" is no server'),
    ({"hosts": ["::1"]}, 'mysql.hosts: "::1" is no server'),
    ({"hosts": ["a:65536"]}, "1 to 65535"),
    ({"hosts": ["a", "a:3306"]}, "mysql.hosts: a:3306 is in it twice"),
    ({"hosts": ["a"], "host": "b"}, "mysql.host is given too"),
    ({"hosts": ["a"], "unix_socket": "/x"}, "mysql.unix_socket is given too"),
    ({"hosts": ["/a", "/b"], "tls": "on"}, "mysql.tls: a unix socket needs none"),
])
def test_a_list_that_cannot_be_right_is_refused(lab, settings, words):
    config = lab.folder / "flusher.toml"
    config.write_text("[mysql]\n" + "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    done = run("sluice-flusher", "--config", config, "--check")
    assert done.returncode == 2 and words in done.stderr, done
