"""sluice-ctl over the journal of a real sale, and what damage to a journal leads to."""

import json
import shutil

from harness.load import Load, Request
from harness.waiting import until


def sell(lab, proxy, buyers=300, stock=200):
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", stock, "LIMIT", 1) == "OK"
    load = Load(proxy.port, [Request("phone", f"u{n}", f"r{n}") for n in range(buyers)])
    return load.start().finish(within_s=60)


def dump(lab, folder=None):
    """Every record of the journal as a dict, one JSON object a line."""
    done = lab.ctl("journal", "dump", folder or lab.journal)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def newest_segment(lab):
    """(path, offset behind its last whole frame), from the table that verify prints."""
    done = lab.ctl("journal", "verify", lab.journal)
    assert done.returncode == 0, done.stdout + done.stderr
    row = [line.split() for line in done.stdout.splitlines() if line.startswith("journal-")][-1]
    return lab.journal / row[0], int(row[-1])


def test_the_journal_of_a_sale_verifies_and_dumps_every_accepted_purchase(lab):
    """verify exits 0; dump has the CREATE and exactly one record for each acknowledged order."""
    proxy = lab.proxy(lab.redis())
    load = sell(lab, proxy)
    assert proxy.stop() == 0
    verified = lab.ctl("journal", "verify", lab.journal)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    records = dump(lab)
    types = [record["type"] for record in records]
    assert types.count("create") == 1 and types.count("buy") == 200 and len(types) == 201
    told = {(user, next(iter(ids))) for (user, _), ids in load.order_ids().items()}
    assert {(r["user"], int(r["order_id"])) for r in records if r["type"] == "buy"} == told
    assert [record["sequence"] for record in records] == list(range(1, 202))


def test_a_live_journal_can_be_verified_and_dumped(lab):
    """Reading does not disturb the writer, and the writer not the reading."""
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        client("SECKILL.CREATE", "phone", "STOCK", 100_000)
        load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(5000)]).start()
        until(lambda: load.accepted() > 100, 20, "the first purchases")
        assert lab.ctl("journal", "verify", lab.journal).returncode == 0
        assert len(dump(lab)) > 100
        load.finish(within_s=60)
    assert load.outcomes() == {"OK": 5000}
    assert len(dump(lab)) == 5001


def test_a_bit_flipped_in_synced_records_refuses_to_start(lab):
    """One byte in the middle of what was synced is changed: verify exits 3, and so does the proxy,
    naming segment and offset. Nothing is skipped and nothing is repaired in silence."""
    proxy = lab.proxy(lab.redis())
    sell(lab, proxy)
    assert proxy.stop() == 0
    before = lab.folder / "copy"
    shutil.copytree(lab.journal, before)
    victim, _ = newest_segment(lab)
    data = bytearray(victim.read_bytes())
    place = data.index(b"phone", 200)  # the first records; all later ones are synced above it
    data[place] ^= 0x01
    victim.write_bytes(data)
    verified = lab.ctl("journal", "verify", lab.journal)
    assert verified.returncode == 3, verified.stdout + verified.stderr
    assert "offset" in verified.stdout + verified.stderr
    damaged = victim.read_bytes()
    proxy.start(wait=False)
    assert proxy.process.wait(20) == 3
    assert "offset" in proxy.process.log()
    assert victim.read_bytes() == damaged, "a refused journal was changed"


def test_another_proxys_journal_is_refused_not_replayed_into_a_lane_of_its_own(lab):
    """The same journal and Redis with another proxy.id: exit 3, both named, the stock untouched.
    Its lane would be empty, and every RESTOCK of the journal counted once more."""
    redis = lab.redis()
    proxy = lab.proxy(redis, proxy__id=1)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert client("SECKILL.RESTOCK", "phone", 3) == ["OK", 8]
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
    assert proxy.stop() == 0
    other = lab.proxy(redis, start=False, proxy__id=2)
    other.start(wait=False)
    assert other.process.wait(20) == 3
    assert "proxy.id 1" in other.process.log() and "proxy.id 2" in other.process.log()
    proxy.start()
    with proxy.client() as client:
        assert client("SECKILL.BUY", "phone", "bob")[2] == 6


def test_a_torn_tail_is_cut_and_a_copy_kept(lab):
    """Half a frame after the last whole one, as a power loss leaves it: the proxy starts, keeps a
    copy of what it cut, and every acknowledged order is there."""
    proxy = lab.proxy(lab.redis())
    load = sell(lab, proxy)
    proxy.kill()
    records = dump(lab)
    newest, end = newest_segment(lab)
    data = bytearray(newest.read_bytes())
    junk = bytes(range(1, 201))
    data[end:end + len(junk)] = junk
    newest.write_bytes(data)
    proxy.start()
    with proxy.client() as client:
        for (user, req), ids in load.order_ids().items():
            assert client("SECKILL.ORDER", "phone", user, "REQ", req)[1] == str(ids.copy().pop())
    assert "torn" in proxy.process.log().lower()
    kept = [path for path in lab.journal.rglob("*") if path.is_file() and junk in path.read_bytes()]
    assert kept, "no copy of the cut bytes was kept"
    assert proxy.stop() == 0
    assert dump(lab) == records


def test_a_journal_that_is_not_there_is_said_so(lab):
    done = lab.ctl("journal", "verify", lab.folder / "nothing")
    assert done.returncode in (1, 2) and "nothing" in done.stderr


def test_schema_print_is_what_mysql_accepts(lab):
    """`schema print` into an empty database gives the contract's tables."""
    database = lab.database()
    printed = lab.ctl("schema", "print")
    assert printed.returncode == 0
    for statement in printed.stdout.split(";\n"):
        lines = [line for line in statement.splitlines() if not line.lstrip().startswith("--")]
        if "".join(lines).strip(" \n;"):
            database.query("\n".join(lines))
    tables = {name for (name,) in database.query("SHOW TABLES")}
    assert {"orders", "items", "sluice_checkpoint", "sluice_dead_letter"} <= tables
    columns = [row[0] for row in database.query("SHOW COLUMNS FROM orders")]
    assert columns == ["order_id", "item_id", "user_id", "quantity", "status", "request_id",
                       "created_at", "updated_at", "fields"]


def test_schema_apply_makes_the_tables_and_may_be_repeated(lab):
    """The flusher's config says which MySQL; a second time changes nothing."""
    database = lab.database()
    flusher = lab.flusher(database, start=False, mysql__create_schema=False)
    for _ in range(2):
        done = lab.ctl("schema", "apply", "--config", flusher.config)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(database.query("SHOW TABLES")) >= 4
