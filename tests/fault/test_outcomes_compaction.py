"""The flusher is killed while it compacts drained segments into the snapshot and deletes them.

Whatever it leaves is one whole past: snapshot and journal verify clean, and an empty Redis is
rebuilt from the folder alone.
"""

import re

import pytest

from harness import invariants
from killing import buyers, check, load, start_armed, wait_killed

FIELDS = ("FIELDS", "note", "x" * 950)  # 1,100 purchases fill a segment of 1 MiB
PORTION = 2300                          # purchases between two kills: two segments or more
LIVES = 3
GIVEN = 20000


def names(journal, pattern):
    return sorted(path.name for path in journal.glob(pattern))


def sell(proxy, first):
    sale = load(proxy, buyers("phone", PORTION, first=first, more=FIELDS))
    sale.start().finish(within_s=60)
    assert sale.outcomes() == {"OK": PORTION}
    return sale


def verified(lab):
    """Segments are whole, and parts too if there is a manifest; what `verify` said."""
    done = lab.ctl("journal", "verify", lab.journal)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rebuilt(lab, proxy, redis, sales):
    """Redis has lost everything, and the proxy starts on the folder: nothing is missing."""
    proxy.kill()
    with redis.client() as direct:
        direct("FLUSHALL")
    proxy.start()
    sold = len(sales) * PORTION
    with proxy.client() as client:
        stock = invariants.stock_of(client, "phone")
        assert (stock["stock"], stock["sold"], stock["limit"]) == (GIVEN, sold, 2)
        for sale in sales:
            for (user, req), ids in list(sale.order_ids().items())[::50]:
                order = [str(order) for order in ids]
                assert [client("SECKILL.ORDER", "phone", user, "REQ", req)[1]] == order
                assert [client("SECKILL.BUY", "phone", user, "REQ", req)[1]] == order
        assert client("SECKILL.BUY", "phone", "u0", "QTY", 2)[0] == "LIMIT"


@pytest.mark.parametrize("point", ["compact.before-rename", "compact.after-rename",
                                   "compact.before-delete", "janitor.before-delete",
                                   "janitor.after-delete"])
def test_the_flusher_killed_in_each_step_of_a_compaction(lab, point):
    """Sell, kill it there, check and rebuild, let it go on; then again, now that there is a
    snapshot whose parts are merged. In the end nothing is left behind, and all is in MySQL once."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis, journal__segment_bytes="1MiB")
    flusher = lab.flusher(database, start=False, journal__retain="0s")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", GIVEN, "LIMIT", 2) == "OK"
    sales = []
    for life in range(LIVES):
        sales.append(sell(proxy, life * PORTION))
        # A start publishes the snapshot that it finds once more, to be sure of it: pass that by.
        again = life > 0 and point.endswith("-rename")
        start_armed(flusher, f"{point}:{2 if again else 1}", wait=False)
        wait_killed(flusher, within_s=30)
        if life == 0:
            assert (lab.journal / "snapshot").exists() == (point != "compact.before-rename")
        verified(lab)
        rebuilt(lab, proxy, redis, sales)
        done = flusher.once()
        assert done.returncode == 0, done.stderr
        parts = int(re.search(r"records in (\d+) parts", verified(lab)).group(1))
        assert len(names(lab.journal, "snapshot-*.part")) == parts, "parts that nothing names"
        assert names(lab.journal, "snapshot.next") == []
        assert len(names(lab.journal, "journal-*.segment")) == 1
    rebuilt(lab, proxy, redis, sales)
    for sale in sales:
        check(lab, flusher, database, proxy, "phone", sale, given=GIVEN)
