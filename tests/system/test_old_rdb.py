"""Redis comes back from an old RDB file, which knows of items that are deleted by now."""

import shutil

from harness.shelves import buyers_key, shelf_key
from harness.waiting import until

FIELDS = ("FIELDS", "note", "x" * 950)


def test_a_deleted_items_buyers_do_not_come_back_with_an_old_rdb(lab):
    """The journal has retired the item, so no replay makes it anew, and nothing of it may stay."""
    redis, database = lab.redis(appendfsync=None), lab.database()
    flusher = lab.flusher(database, start=False, journal__retain="0s")
    proxy = lab.proxy(redis, flusher__admin=f"http://127.0.0.1:{flusher.admin_port}",
                      journal__segment_bytes="1MiB")
    flusher.start()
    with proxy.client() as client, redis.client() as direct:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert client("SECKILL.CREATE", "big", "STOCK", 5000) == "OK"
        assert client("SECKILL.BUY", "phone", "bob", "REQ", "r")[0] == "OK"
        assert direct("SAVE") == "OK"
        rdb = next(redis.process.log_path.parent.rglob("dump.rdb"))
        shutil.copy(rdb, lab.folder / "old.rdb")
        assert client("SECKILL.CLOSE", "phone") == "OK"
        until(lambda: client("SECKILL.DELETE", "phone") == "OK", 20, "the deletion")
        until(lambda: direct("HEXISTS", shelf_key("phone"), "phone") == 0, 20, "its end")
        for number in range(2500):
            assert client("SECKILL.BUY", "big", f"u{number}", "REQ", "r", *FIELDS)[0] == "OK"
    until(lambda: '"phone"' not in lab.ctl("journal", "dump", lab.journal, "--items").stdout, 30,
          "a compaction")
    redis.kill()
    shutil.copy(lab.folder / "old.rdb", rdb)
    redis.start()
    with proxy.client() as client, redis.client() as direct:
        until(lambda: proxy.ready() and client("SECKILL.BUY", "big", "eve")[0] == "OK", 20,
              "the rebuild")
        assert direct("EXISTS", buyers_key("phone")) == 0
        assert client("SECKILL.BUY", "phone", "eve") == ["NOITEM"]
    assert "not as Sluice left it" not in proxy.process.log()
