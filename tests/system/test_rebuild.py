"""An empty Redis is rebuilt from the journal folder alone: the snapshot, and the tail behind it."""

import json

from harness import invariants
from harness.load import Load, Request
from harness.waiting import until

# A purchase of about a kilobyte: 1,100 of them fill a segment.
FIELDS = ("FIELDS", "note", "x" * 950)
SMALL_SEGMENTS = {"journal__segment_bytes": "1MiB"}


def segments(lab):
    return sorted(path.name for path in lab.journal.glob("journal-*.segment"))


def snapshot_items(lab):
    """{item: its entry} of the snapshot."""
    done = lab.ctl("journal", "dump", lab.journal, "--items")
    assert done.returncode == 0, done.stderr
    return {item["item"]: item for item in map(json.loads, done.stdout.splitlines())}


def sell(proxy, item, first, last, within_s=60):
    load = Load(proxy.port, [Request(item, f"u{n}", f"r{n}", *FIELDS)
                             for n in range(first, last)])
    load.start().finish(within_s=within_s)
    assert load.outcomes() == {"OK": last - first}
    return load


def all_orders_are_known(client, item, *loads):
    """Every acknowledged REQ gets its order again, and buying with it once more is no new order."""
    for load in loads:
        for (user, req), ids in load.order_ids().items():
            order = str(ids.pop())
            assert client("SECKILL.ORDER", item, user, "REQ", req)[1] == order
            assert client("SECKILL.BUY", item, user, "REQ", req)[1] == order


def test_drained_segments_are_compacted_and_deleted_and_redis_is_rebuilt_without_them(lab):
    """Sell, drain, let the flusher compact and delete all segments but the newest; then proxy and
    Redis restart, Redis empty. Stock, LIMIT, cancelled orders, RESTOCK and every REQ are as before,
    and selling goes on; in the end MySQL, Redis and the acknowledgements agree."""
    redis, database, proxy, flusher = lab.stack(
        proxy=SMALL_SEGMENTS, flusher={"journal__retain": "0s"})
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 9000, "LIMIT", 2) == "OK"
        first = sell(proxy, "phone", 0, 4000)
        gone = client("SECKILL.BUY", "phone", "quitter", "REQ", "q")
        assert client("SECKILL.CANCEL", "phone", "quitter", gone[1])[0] == "OK"
        assert client("SECKILL.RESTOCK", "phone", 1000, "REQ", "more") == ["OK", 6000]
        late = sell(proxy, "phone", 4000, 5500)
    until(lambda: len(segments(lab)) == 1, 30,
          "all but the newest segment compacted and deleted", every_s=0.1)
    assert segments(lab) != ["journal-000000000001.segment"]
    items = snapshot_items(lab)
    assert items["phone"]["created"] and items["phone"]["sold"] > 4000
    verified = lab.ctl("journal", "verify", lab.journal)
    assert verified.returncode == 0, verified.stderr

    proxy.kill()
    with redis.client() as direct:
        direct("FLUSHALL")
    proxy.start()
    with proxy.client() as client:
        stock = invariants.stock_of(client, "phone")
        assert (stock["stock"], stock["sold"], stock["limit"]) == (10000, 5500, 2)
        all_orders_are_known(client, "phone", first, late)
        assert client("SECKILL.ORDER", "phone", "quitter", "REQ", "q")[4] == "cancelled"
        assert client("SECKILL.CANCEL", "phone", "quitter", gone[1]) == ["ALREADY"]
        assert client("SECKILL.RESTOCK", "phone", 1000, "REQ", "more") == ["OK", 4500]
        assert client("SECKILL.BUY", "phone", "u7", "QTY", 2)[0] == "LIMIT"
        new = client("SECKILL.BUY", "phone", "u7", "REQ", "second")
        assert new[0] == "OK"
        assert int(new[1]) > max(max(ids) for load in (first, late)
                                 for ids in load.order_ids().values() if ids)
        invariants.drain(flusher)
        assert database.one("SELECT sold FROM items WHERE item_id = 'phone'") == (5501,)
        assert invariants.stock_of(client, "phone")["sold"] == 5501
    log = proxy.process.log()
    assert "replayed" in log, log


def test_flushall_in_mid_sale_is_repaired_while_the_flusher_compacts(lab):
    """FLUSHALL strikes while buyers buy, the flusher drains, compacts and deletes: every purchase
    is answered, none twice, none lost."""
    redis, database, proxy, flusher = lab.stack(
        proxy=SMALL_SEGMENTS, flusher={"journal__retain": "0s"})
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 20000) == "OK"
        sell(proxy, "phone", 0, 3000)
        until(lambda: "journal-000000000001.segment" not in segments(lab), 30, "compaction")
        load = Load(proxy.port, [Request("phone", f"v{n}", f"r{n}", *FIELDS)
                                 for n in range(6000)]).start()
        for portion in (500, 3000):
            until(lambda: load.accepted() > portion, 60, f"{portion} purchases")
            with redis.client() as direct:
                direct("FLUSHALL")
        load.finish(within_s=90)
        assert load.outcomes() == {"OK": 6000}
        assert invariants.stock_of(client, "phone")["sold"] == 9000
        invariants.drain(flusher)
        invariants.wait_rows(database, "phone", 9000)
        assert database.one("SELECT sold FROM items WHERE item_id = 'phone'") == (9000,)


def test_once_compacts_what_it_drained(lab):
    """sluice-flusher --once leaves a snapshot, so the next start need not read what it drained."""
    database = lab.database()
    proxy = lab.proxy(lab.redis(), **SMALL_SEGMENTS)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 9000) == "OK"
    sell(proxy, "phone", 0, 3000)
    assert proxy.stop() == 0
    flusher = lab.flusher(database, start=False)
    done = flusher.once()
    assert done.returncode == 0, done.stderr
    assert snapshot_items(lab)["phone"]["created"]
    assert len(segments(lab)) > 2, "journal.retain has not passed"
    proxy.start()
    with proxy.client() as client:
        assert invariants.stock_of(client, "phone")["sold"] == 3000


def test_a_missing_or_damaged_snapshot_refuses_the_start(lab):
    """The segments before it are deleted: without it nothing could be rebuilt. Exit 3, the file is
    named, nothing is changed; put back, everything is as before."""
    redis, database, proxy, flusher = lab.stack(
        proxy=SMALL_SEGMENTS, flusher={"journal__retain": "0s"})
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 9000) == "OK"
    sell(proxy, "phone", 0, 3000)
    until(lambda: len(segments(lab)) == 1, 30, "compaction")
    assert proxy.stop() == 0 and flusher.stop() == 0
    manifest = lab.journal / "snapshot"
    whole = manifest.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0x10
    for content in (None, bytes(damaged)):
        if content is None:
            manifest.unlink()
        else:
            manifest.write_bytes(content)
        proxy.start(wait=False)
        assert proxy.process.wait(20) == 3
        assert str(manifest) in proxy.process.log()
        assert lab.ctl("journal", "verify", lab.journal).returncode == 3
    manifest.write_bytes(whole)
    proxy.start()
    with proxy.client() as client:
        assert invariants.stock_of(client, "phone")["sold"] == 3000
