"""Deletions, names that are used again, and a Redis that loses its data, among several proxies."""

import time

from harness.lab import HOLD
from harness.shelves import buyers_key, shelf_key
from harness.waiting import until


class Lane:
    """A proxy with a journal and a flusher of its own."""

    def __init__(self, lab, redis, database, number, flusher=None, **proxy):
        self.journal = lab.folder / f"journal-{number}"
        self.flusher = lab.flusher(database, start=False, journal=self.journal,
                                   **(HOLD if flusher is None else flusher))
        self.proxy = lab.proxy(redis, journal=self.journal, proxy__id=number,
                               flusher__admin=f"http://127.0.0.1:{self.flusher.admin_port}",
                               **proxy)
        self.flusher.start()
        self.client = self.proxy.client()

    def __call__(self, *words):
        return self.client(*words)

    def drain(self):
        assert self("SECKILL.FLUSH", "WAIT", 20_000) == "OK"


def lanes(lab, count, **settings):
    redis, database = lab.redis(), lab.database()
    made = [Lane(lab, redis, database, number, **settings) for number in range(count)]
    for lane in made:
        until(lambda one=lane: one("SECKILL.CREATE", "first", "STOCK", 1) == "OK", 20, "a sale")
    return redis, database, made


def delete(lanes, item):
    def is_deleted():
        for lane in lanes:
            lane.drain()
        return lanes[0]("SECKILL.DELETE", item) == "OK"
    until(is_deleted, 20, "the deletion")


def test_a_name_is_free_for_every_proxy_once_mysql_knows_of_the_deletion(lab):
    """The other proxy's mark is the last one, and MySQL does not have it yet: made anew through the
    first one, the item's row would go with the old one's."""
    redis, database, (one, two) = lanes(lab, 2)
    assert one("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    assert two("SECKILL.BUY", "phone", "bob", "REQ", "r")[0] == "OK"
    assert one("SECKILL.CLOSE", "phone") == "OK"
    assert one("SECKILL.DELETE", "phone")[0] == "PENDING"
    one.drain()
    two.drain()
    assert one("SECKILL.DELETE", "phone")[0] == "PENDING"
    until(lambda: two.drain() or one("SECKILL.STOCK", "phone") == ["NOITEM"], 20, "a mark")
    with redis.client() as direct:
        until(lambda: direct("EXISTS", buyers_key("phone")) == 0, 20, "the other's mark")
    assert "being deleted" in str(one("SECKILL.CREATE", "phone", "STOCK", 7))
    one.drain()
    assert "being deleted" in str(one("SECKILL.CREATE", "phone", "STOCK", 7))
    two.drain()
    until(lambda: one("SECKILL.CREATE", "phone", "STOCK", 7) == "OK", 20, "a free name")
    assert one("SECKILL.BUY", "phone", "bob", "REQ", "r")[0] == "OK"
    one.drain()
    two.drain()
    assert database.one("SELECT stock, sold FROM items WHERE item_id = 'phone'") == (8, 2)


def test_marks_of_a_deleted_item_do_not_delete_the_next_one(lab):
    """One deletes an item and makes it anew; Redis loses both, the other replays its mark last."""
    redis, _, (one, two) = lanes(lab, 2)
    assert one("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    assert one("SECKILL.CLOSE", "phone") == "OK"
    delete((one, two), "phone")
    two.drain()
    until(lambda: one("SECKILL.CREATE", "phone", "STOCK", 7) == "OK", 20, "free")
    with redis.client() as direct:
        direct("FLUSHALL")
        buy = ("SECKILL.BUY", "phone", "ann", "REQ", "r")
        for lane in (two, one):
            until(lambda each=lane: isinstance(each(*buy), list), 20, "the rebuild")
        assert one("SECKILL.CLOSE", "phone") == "OK"
        time.sleep(2)  # beats
        assert one("SECKILL.STOCK", "phone") != ["NOITEM"]
        assert direct("HGET", shelf_key("phone"), "@deleting") is None


def test_what_a_creator_has_retired_keeps_no_other_lane_waiting(lab):
    """Two lanes have records of an item that the third, its creator, has compacted away; each has
    to be told that the other does not bring it either."""
    redis, _, all_lanes = lanes(lab, 3, flusher={"journal__retain": "0s"},
                                       journal__segment_bytes="1MiB")
    one = all_lanes[0]
    assert one("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    for number, lane in enumerate(all_lanes):
        assert lane("SECKILL.BUY", "phone", f"u{number}", "REQ", "r")[0] == "OK"
    assert one("SECKILL.CLOSE", "phone") == "OK"
    delete(all_lanes, "phone")
    # The first proxy's journal forgets it; the others' segments are not full.
    assert one("SECKILL.CREATE", "big", "STOCK", 5000) == "OK"
    for number in range(2500):
        assert one("SECKILL.BUY", "big", f"u{number}", "REQ", "r", "FIELDS", "note",
                   "x" * 950)[0] == "OK"

    def forgotten():
        done = lab.ctl("journal", "dump", one.journal, "--items")
        return '"big"' in done.stdout and '"phone"' not in done.stdout
    one.drain()
    until(forgotten, 30, "compaction", every_s=0.2)
    with redis.client() as direct:
        direct("FLUSHALL")
    for lane in all_lanes:
        until(lambda one=lane: isinstance(one("SECKILL.STOCK", "phone"), list), 20, "rebuild")
        assert lane("SECKILL.STOCK", "phone") == ["NOITEM"]


def test_a_flush_is_made_good_by_several_lanes_that_have_all_retired_something(lab):
    """None may begin by taking away what another has just brought back."""
    redis, database, all_lanes = lanes(lab, 2, flusher={"journal__retain": "0s"},
                                       journal__segment_bytes="1MiB", sale__shelves=1)
    one, two = all_lanes
    assert one("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    for lane in all_lanes:
        assert lane("SECKILL.BUY", "phone", "ann")[0] == "OK"
    assert one("SECKILL.CLOSE", "phone") == "OK"
    delete(all_lanes, "phone")
    assert one("SECKILL.CREATE", "big", "STOCK", 5000) == "OK"
    for number in range(1200):
        for lane in all_lanes:
            user = f"u{number}-{lane.proxy.name}"
            assert lane("SECKILL.BUY", "big", user, "FIELDS", "note", "x" * 950)[0] == "OK"
    for lane in all_lanes:
        lane.drain()
        until(lambda each=lane: '"phone"' not in
              lab.ctl("journal", "dump", each.journal, "--items").stdout, 30, "a compaction")
    with redis.client() as direct:
        direct("FLUSHALL")
    for lane in all_lanes:
        until(lambda each=lane: isinstance(each("SECKILL.STOCK", "big"), list), 20, "the rebuild")
        assert lane("SECKILL.STOCK", "big")[5] == 2400


def test_a_half_deleted_item_survives_in_its_creators_journal(lab):
    """The creator marks it and compacts; before the other has marked it too, Redis loses all. Then
    that one must find it there, or its row stays and is another item's later."""
    redis, database, (one, two) = lanes(lab, 2, flusher={"journal__retain": "0s"},
                                        journal__segment_bytes="1MiB")
    assert one("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    assert one("SECKILL.CLOSE", "phone") == "OK"
    two.client.close()
    two.proxy.kill()

    def is_marked():
        one.drain()
        one("SECKILL.DELETE", "phone")
        return one("SECKILL.STOCK", "phone") == ["NOITEM"]
    until(is_marked, 20, "the first mark")
    assert one("SECKILL.CREATE", "big", "STOCK", 5000) == "OK"
    for number in range(1200):
        assert one("SECKILL.BUY", "big", f"u{number}", "FIELDS", "note", "x" * 950)[0] == "OK"

    def is_compacted():
        return '"big"' in lab.ctl("journal", "dump", one.journal, "--items").stdout
    one.drain()
    until(is_compacted, 30, "a compaction", every_s=0.2)
    with redis.client() as direct:
        direct("FLUSHALL")
    two.proxy.start()
    two.client = two.proxy.client()

    def is_gone():
        one.drain()
        two.drain()
        return database.one("SELECT COUNT(*) FROM items WHERE item_id = 'phone'") == (0,)
    until(is_gone, 30, "the deletion in MySQL")
    until(lambda: one("SECKILL.CREATE", "phone", "STOCK", 7) == "OK", 20, "a free name")
    one.drain()
    assert database.one("SELECT stock, sold FROM items WHERE item_id = 'phone'") == (7, 0)
