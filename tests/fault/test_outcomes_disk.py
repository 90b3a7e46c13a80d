"""The disk: full, failing, stalling, damaged; and MySQL away until the journal's limit.

Power loss, where bytes that were not synced disappear, is simulated at every single operation by
tests/fault/crash, not here: a killed process does not lose what it has written.
"""

import os
import resource
import subprocess
import time

import pytest

from harness import invariants
from harness.sql_server import Database
from harness.resp import RespError
from killing import (buy, buy_once, buyers, check, journaled, load, order_of, redis_sold,
                     start_armed)

FIELDS = ("FIELDS", "a", "x" * 1000, "b", "x" * 1000, "c", "x" * 1000)


def fill(client, redis, item, limit=20_000):
    """Buys until there is only -BUSY; what Redis has sold then, which is what was accepted.

    What is reserved for purchases under way comes back when they are written, so that the first
    -BUSY is not the last word."""
    sold = redis_sold(redis, item)
    for n in range(0, limit, 50):
        replies = client.pipeline([("SECKILL.BUY", item, f"u{m}", "REQ", "r", *FIELDS)
                                   for m in range(n, n + 50)])
        refused = [reply for reply in replies if isinstance(reply, RespError)]
        assert {reply.prefix for reply in refused} <= {"BUSY"}, refused[0]
        sold += 50 - len(refused)
        assert redis_sold(redis, item) == sold
        if len(refused) == 50:
            return sold
    raise AssertionError(f"no -BUSY after {limit} orders")


@pytest.fixture
def small_disk(lab):
    """A file system of its own, as long as the test: 90 MiB, of which Sluice leaves 64 free."""
    folder = lab.folder / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m", "tmpfs", folder],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this user may not mount a small file system: {mounted.stderr.strip()}")
    yield folder
    lab.end()
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_mysql_away_sells_to_the_journals_limit_and_resumes_by_itself(lab):
    """MySQL is away: selling goes on until journal.max_bytes, then -BUSY before Redis is asked.
    When MySQL is back and the flusher has drained and freed segments, selling resumes by itself."""
    redis, server = lab.redis(), lab.sql_server(start=False)
    database = Database(server, "shop")
    proxy = lab.proxy(redis, journal__segment_bytes="1MiB", journal__max_bytes="4MiB")
    flusher = lab.flusher(database, start=False, journal__retain="0s")
    flusher.start(wait=False)
    with proxy.client() as client:
        # The old sale is over: its segments may go once they are drained.
        assert client("SECKILL.CREATE", "old", "STOCK", 500) == "OK"
        sale = load(proxy, buyers("old", 500, more=FIELDS)).start().finish(within_s=60)
        assert client("SECKILL.CLOSE", "old") == "OK"
        assert client("SECKILL.CREATE", "phone", "STOCK", 100_000) == "OK"
        sold = fill(client, redis, "phone")
        ready = proxy.get("/readyz")
        assert ready.status == 503 and "journal.max_bytes" in ready.text
        assert flusher.process.alive()
        assert buy_once(proxy, "phone", "late", "r", FIELDS).prefix == "BUSY"
        server.start()  # the flusher makes the database
        assert buy(proxy, "phone", "late", "r", within_s=40, more=FIELDS)[0] == "OK"
        assert redis_sold(redis, "phone") == sold + 1
    check(lab, flusher, database, proxy, "old", sale, given=500)
    with proxy.client() as client:
        invariants.check_consistent(database, client, "phone", load(proxy, []), given=100_000)


def test_a_full_disk_refuses_before_redis_and_resumes_by_itself(lab, small_disk):
    """Something else fills the disk in mid-sale: -BUSY, nothing sold that cannot be written; the
    filler goes, selling goes on, in the same process."""
    redis, database = lab.redis(), lab.database()
    journal = small_disk / "journal"
    proxy = lab.proxy(redis, journal=journal, journal__segment_bytes="1MiB")
    flusher = lab.flusher(database, start=False, journal=journal)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100_000) == "OK"
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[0] == "OK"
        filler = small_disk / "filler"
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 22 << 20)
        sold = fill(client, redis, "phone")
        assert buy_once(proxy, "phone", "late", "r", FIELDS).prefix == "BUSY"
        filler.unlink()
        assert buy(proxy, "phone", "late", "r", more=FIELDS)[0] == "OK"
        assert redis_sold(redis, "phone") == sold + 1
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=100_000)


def failed_journal(lab, proxy):
    """The journal has failed: the process ends with 3, its waiter got -UNKNOWNSTATE."""
    assert proxy.process.wait(20) == 3
    assert "takes nothing more" in proxy.process.log()
    return max(lab.journal.glob("journal-*.segment"))


def next_start_settles(lab, proxy, redis, database, flusher, newest):
    """The next start rewrites the tail into a new segment, and the retry gets its one order."""
    proxy.start()
    assert max(lab.journal.glob("journal-*.segment")) > newest
    with proxy.client() as client:
        found = order_of(client, "phone", "ann", "r1")
    assert found is not None
    assert int(buy(proxy, "phone", "ann", "r1")[1]) == found
    assert redis_sold(redis, "phone") == len(journaled(lab))
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=5000)


@pytest.mark.parametrize("point, fsync", [("journal.before-write", "always"),
                                          ("journal.before-write", "no"),
                                          ("journal.before-sync", "always")])
def test_a_failed_write_or_sync_is_never_repeated(lab, point, fsync):
    """The buyer gets -UNKNOWNSTATE, the proxy exits 3 without trying again; the order, which Redis
    has, is completed by the next start."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis, start=False, journal__fsync=fsync)
    flusher = lab.flusher(database, start=False)
    start_armed(proxy, f"{point}:2:error")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5000) == "OK"
        reply = client("SECKILL.BUY", "phone", "ann", "REQ", "r1")
        assert isinstance(reply, RespError) and reply.prefix == "UNKNOWNSTATE", reply
    newest = failed_journal(lab, proxy)
    next_start_settles(lab, proxy, redis, database, flusher, newest)


def test_a_failed_background_sync_ends_the_proxy_too(lab):
    """everysec: the fdatasync a second after the purchase fails. The purchase was acknowledged; it
    survives, since the next start writes and syncs it anew."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis, start=False, journal__fsync="everysec")
    flusher = lab.flusher(database, start=False)
    start_armed(proxy, "journal.before-sync:1:error")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5000) == "OK"
        assert client("SECKILL.BUY", "phone", "ann", "REQ", "r1")[0] == "OK"
    newest = failed_journal(lab, proxy)
    next_start_settles(lab, proxy, redis, database, flusher, newest)


def test_a_write_that_the_kernel_refuses_in_the_middle(lab):
    """A real error of the kernel (the process's file size limit) after a real short write: the same
    outcome, and the torn frame is cut and kept."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis, start=False)
    flusher = lab.flusher(database, start=False)
    # The write shall fail, not the signal end the process.
    proxy.process.argv = ["env", "--ignore-signal=XFSZ", *proxy.process.argv]
    proxy.start()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5000) == "OK"
        sale = load(proxy, buyers("phone", 100, more=FIELDS)).start().finish(within_s=30)
        limit = end_of_frames(lab) + 100
        assert limit > 300_000, "the log, which the limit is for as well, must stay far below it"
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        reply = client("SECKILL.BUY", "phone", "ann", "REQ", "r1", *FIELDS)
        assert isinstance(reply, RespError) and reply.prefix == "UNKNOWNSTATE", reply
    newest = failed_journal(lab, proxy)
    assert "File too large" in proxy.process.log()
    next_start_settles(lab, proxy, redis, database, flusher, newest)
    assert list(lab.journal.glob("*.torn-*"))
    with proxy.client() as client:
        invariants.check_consistent(database, client, "phone", sale, given=5000)


def end_of_frames(lab):
    """Where the newest segment's preallocated zeros begin."""
    data = max(lab.journal.glob("journal-*.segment")).read_bytes()
    return len(data.rstrip(b"\0"))


def test_a_sync_that_comes_too_late_stops_the_acknowledgements(lab):
    """everysec: the disk hangs for 4 s in a sync. Purchases are acknowledged until the oldest
    unsynced byte is 2 s old, then wait for the sync, and are all acknowledged after it."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis, start=False, journal__fsync="everysec", limits__redis_timeout="30s")
    flusher = lab.flusher(database, start=False)
    start_armed(proxy, "journal.before-sync:1:delay 4000")
    slowest, asked_for = 0.0, 0
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5000) == "OK"
        first = time.monotonic()
        while time.monotonic() < first + 5.5:
            asked = time.monotonic()
            asked_for += 1
            reply = client("SECKILL.BUY", "phone", "ann", "REQ", f"r{asked_for}")
            answered = time.monotonic()
            assert reply[0] == "OK"
            slowest = max(slowest, answered - asked)
            # Synced one second after the first byte at the earliest, hanging until the fifth.
            assert not 2.2 < answered - first < 4.5, "acknowledged with bytes over 2 s unsynced"
            time.sleep(0.02)
    assert slowest > 2
    check(lab, flusher, database, proxy, "phone", load(proxy, []), given=5000)


@pytest.mark.parametrize("fsync", ["everysec", "no"])
def test_power_loss_is_made_good_by_the_receipts_of_a_redis_that_lives(lab, fsync):
    """The proxy's machine loses power and with it every byte that was not synced, here all of them;
    Redis lives and has the receipts: nothing that was acknowledged is lost."""
    redis, database = lab.redis(), lab.database()
    proxy = lab.proxy(redis, start=False, journal__fsync=fsync)
    flusher = lab.flusher(database, start=False)
    start_armed(proxy, "journal.before-sync:1:delay 60000")  # the disk gets nothing
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 500, "LIMIT", 1) == "OK"
    # Sold within two seconds, which is how long everysec waits for such a disk.
    sale = load(proxy, buyers("phone", 300), window=10).start().finish(within_s=30)
    proxy.kill()
    (segment,) = lab.journal.glob("journal-*.segment")
    size = segment.stat().st_size
    os.truncate(segment, 80)
    os.truncate(segment, size)
    proxy.start()
    assert len(journaled(lab)) == 300
    more = load(proxy, buyers("phone", 600)).start().finish(within_s=30)
    assert more.outcomes() == {"OK": 500, "SOLDOUT": 100}
    told = sale.order_ids()
    assert {key: ids for key, ids in more.order_ids().items() if key in told} == told
    check(lab, flusher, database, proxy, "phone", more, given=500)


def damage_of(lab, proxy, damage):
    """Stops the proxy, damages its journal, and expects it to refuse the start; its message."""
    assert proxy.stop() == 0
    damage(sorted(lab.journal.glob("journal-*.segment")))
    before = {path.name: path.read_bytes() for path in lab.journal.glob("journal-*.segment*")}
    proxy.start(wait=False)
    assert proxy.process.wait(20) == 3
    assert before == {path.name: path.read_bytes()
                      for path in lab.journal.glob("journal-*.segment*")}
    return proxy.process.log().splitlines()[-1]


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.fixture
def sold_segments(lab):
    """A proxy with orders in several segments."""
    proxy = lab.proxy(lab.redis(), journal__segment_bytes="1MiB")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5000) == "OK"
    load(proxy, buyers("phone", 1000, more=FIELDS)).start().finish(within_s=60)
    assert len(list(lab.journal.glob("journal-*.segment"))) >= 3
    return proxy


def test_a_flipped_byte_in_the_newest_segment_below_the_synced_mark_is_refused(lab, sold_segments):
    """Exit 3, naming segment and offset; nothing is changed, cut or skipped."""
    said = damage_of(lab, sold_segments, lambda segments: flip(segments[-1], 80 + 70))
    newest = max(lab.journal.glob("journal-*.segment"))
    assert newest.name in said and "80" in said.split(newest.name)[1], said


@pytest.mark.parametrize("damage, named", [
    (lambda segments: flip(segments[1], 80 + 70), "journal-000000000002.segment"),
    (lambda segments: segments[1].unlink(), "segment 2 is missing"),
    (lambda segments: segments[0].rename(segments[1]), "journal-000000000002.segment"),
    (lambda segments: flip(segments[1], 20), "journal-000000000002.segment"),
    (lambda segments: os.truncate(segments[1], 5000), "journal-000000000002.segment"),
], ids=["flipped byte", "missing", "under another's name", "foreign id", "shortened"])
def test_damage_in_an_older_segment_is_refused(lab, sold_segments, damage, named):
    """Exit 3, naming the segment."""
    assert named in damage_of(lab, sold_segments, damage)


def test_a_second_proxy_on_the_same_journal_is_refused(lab):
    """Exit 3; the first goes on."""
    redis = lab.redis()
    proxy = lab.proxy(redis)
    second = lab.proxy(redis, start=False)
    second.start(wait=False)
    assert second.process.wait(20) == 3
    assert "is in use" in second.process.log()
    assert buy(proxy, "phone", "ann", "r") == ["NOITEM"]
