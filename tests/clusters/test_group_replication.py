"""MySQL's group replication: with one primary, which is killed, and with several at once."""

import pytest
from harness import invariants, sql_program
from harness.crossing import Crossing, check_crossed
from harness.group import Group
from harness.load import Load, Request
from harness.replication import until_rows
from harness.sql_server import Database
from harness.waiting import until


@pytest.fixture(autouse=True)
def _possible():
    if sql_program.IS_MARIADB:
        pytest.skip("group replication is MySQL's")


def hosts_of(members):
    return [f"127.0.0.1:{member.port}" for member in members]


def test_the_group_elects_another_primary_and_it_is_followed(lab):
    """Secondaries, which come first in the list, are passed over."""
    group = Group(lab)
    database = Database(group.members[0], "shop").create()
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 2000) == "OK"
    flusher = lab.flusher(database, trigger__max_age="50ms", batch__rows=20,
                          mysql__hosts=hosts_of(reversed(group.members)),
                          pace__rows_per_second=500)
    load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(2000)]).start()
    until(lambda: database.one("SELECT COUNT(*) FROM orders")[0] > 100, 30, "a part")
    group.members[0].kill()
    load.finish(within_s=60)
    for member in group.members[1:]:
        until_rows(Database(member, "shop"), 2000, within_s=60)
        with proxy.client() as client:
            invariants.check_consistent(Database(member, "shop"), client, "phone", load, given=2000)
    assert flusher.process.alive()


def test_orders_and_cancels_meet_over_two_primaries(lab):
    """What one of them has certified first the other one's flusher is refused at its COMMIT (3101),
    and tries again."""
    group = Group(lab, several_primaries=True)
    database = Database(group.members[0], "shop").create()
    redis = lab.redis()
    journals = [lab.folder / "journal-a", lab.folder / "journal-b"]
    proxies = [lab.proxy(redis, journal=journal, proxy__id=number)
               for number, journal in enumerate(journals)]
    flusher = lab.flusher(database, journal=journals[0], trigger__max_age="50ms", batch__rows=20,
                          mysql__hosts=hosts_of(group.members))
    until(lambda: group.members[1].query("SHOW TABLES FROM shop LIKE 'sluice_journal'"), 20,
          "the tables on the other member")
    other = lab.flusher(database, journal=journals[1], trigger__max_age="50ms", batch__rows=20,
                        mysql__hosts=hosts_of(reversed(group.members)))
    with proxies[0].client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1_000_000) == "OK"
    crossing = Crossing(proxies)

    def refused():
        return any('3101' in one.process.log() for one in (flusher, other))
    until(refused, 60, "a refusal by the group")
    until(lambda: database.one("SELECT COUNT(*) FROM orders")[0] > 1000, 60, "1000 orders")
    orders = crossing.finish()
    for member in group.members:
        check_crossed(Database(member, "shop"), orders)
    assert flusher.process.alive() and other.process.alive()
