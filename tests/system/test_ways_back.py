"""The ways back of docs/operations.md: a folder that is lost, rolled back, damaged or another
proxy's, a proxy that is retired, a MySQL that was restored. Nothing told is lost or told twice
after them, and reconcile agrees."""

import shutil

import pytest
from harness.lab import HOLD
from harness.resp import RespError
from harness.shop import GIVEN, Shop, bought, commands, once_beats_are_old, sell
from harness.waiting import until


def test_a_rolled_back_machine_is_taken_over(lab):
    """Journal and Redis were put back, and sold on; MySQL has what was sold since the copy."""
    shop = Shop(lab)
    shop.told |= sell(shop.proxy, 1, 50)
    with shop.proxy.client() as client:
        assert client("SECKILL.CREATE", "cup", "STOCK", 5) == "OK"
    shop.drain()
    for daemon in (shop.proxy, shop.redis):
        assert daemon.stop() == 0
    for folder in (shop.journal, shop.redis.folder):
        shutil.copytree(folder, lab.folder / "saved" / folder.name)
    shop.redis.start()
    shop.proxy.start()
    shop.told |= sell(shop.proxy, 51, 120)
    with shop.proxy.client() as client:
        assert client("SECKILL.BUY", "cup", "first", "QTY", 5)[0] == "OK"
    shop.drain()
    for daemon in (shop.proxy, shop.redis):
        assert daemon.stop() == 0
    for folder in (shop.journal, shop.redis.folder):
        shutil.rmtree(folder)
        shutil.copytree(lab.folder / "saved" / folder.name, folder)
    shop.redis.start()
    shop.proxy.start()
    shop.told |= sell(shop.proxy, 201, 230)
    with shop.proxy.client() as client:
        assert client("SECKILL.BUY", "cup", "second", "QTY", 5)[0] == "OK"
    assert shop.flushers[0].once().returncode == 3
    assert shop.proxy.stop() == 0
    said = shop.way("The folder is an older copy, or was rolled back")
    assert "will drain 31 orders" in said
    shop.proxy.start()
    with shop.proxy.client() as client:  # sold twice, and made good in steps
        until(lambda: not isinstance(client("SECKILL.STOCK", "cup"), RespError), 10, "the gate")
        assert client("SECKILL.RESTOCK", "cup", 2) == ["OK", -3]
        assert client("SECKILL.RESTOCK", "cup", 3) == ["OK", 0]
        assert isinstance(client("SECKILL.RESTOCK", "cup", -1), RespError)
    shop.check()
    notes = dict(shop.database.query("SELECT user_id, JSON_VALUE(fields, '$.note') FROM orders "
                                     "WHERE item_id = 'phone'"))
    assert notes == {user: user for user in shop.told}, "the folder had the FIELDS of the fork"


def test_a_lost_folder_is_made_good_by_redis_and_mysql(lab):
    """Half of it was drained; what was not is known to Redis, without FIELDS."""
    shop = Shop(lab)
    shop.told |= sell(shop.proxy, 1, 50)
    shop.drain()
    shop.told |= sell(shop.proxy, 51, 90)
    with shop.proxy.client() as client:
        for user in ("u3", "u60"):
            assert client("SECKILL.CANCEL", "phone", user, shop.told[user])[0] == "OK"
    shop.proxy.kill()
    shutil.rmtree(shop.journal)
    said = shop.way("The folder is lost")
    assert "will drain 40 orders, 40 of them without the FIELDS" in said
    shop.proxy.start()
    shop.check(cancelled=("u3", "u60"))
    assert shop.database.query("SELECT user_id FROM orders WHERE status = 'cancelled' "
                               "ORDER BY order_id") == (("u3",), ("u60",))


def test_folder_and_redis_are_lost_and_mysql_has_all(lab):
    shop = Shop(lab)
    shop.told |= sell(shop.proxy, 1, 60)
    with shop.proxy.client() as client:
        assert client("SECKILL.CANCEL", "phone", "u3", shop.told["u3"])[0] == "OK"
    shop.drain()
    assert shop.proxy.stop() == 0
    with shop.redis.client() as direct:
        direct("FLUSHALL")
    shutil.rmtree(shop.journal)
    shop.way("The folder is lost")
    shop.proxy.start()
    with shop.proxy.client() as client:  # its REQ is not in MySQL: it gives once more
        until(lambda: client("SECKILL.STOCK", "phone")[0] == "item", 20, "the gate")
        assert client("SECKILL.RESTOCK", "phone", 100, "REQ", "more") == ["OK", 1100 - 59]
    shop.check(cancelled=("u3",), given=1100)


def test_a_damaged_folder_is_repaired_by_what_redis_knows(lab):
    """A flipped byte below the synced mark refuses the start; the records behind it are kept, and
    those in its frame come from Redis."""
    shop = Shop(lab)
    shop.told |= sell(shop.proxy, 1, 20)
    shop.drain()
    shop.told |= sell(shop.proxy, 21, 60)
    assert shop.proxy.stop() == 0
    (segment,) = shop.journal.glob("journal-*.segment")
    bytes_ = bytearray(segment.read_bytes())
    at = bytes_.index(b"u30")
    bytes_[at] ^= 1
    segment.write_bytes(bytes_)
    shop.proxy.start(wait=False)
    assert shop.proxy.process.wait(20) == 3
    told = lab.ctl("journal", "repair", shop.journal, *shop.configs(), "--dry-run")
    assert "damaged: " in told.stdout and "lost there: records 32 to 32" in told.stdout, told.stdout
    said = shop.way("A segment is damaged")
    assert "will drain 40 orders, 1 of them without the FIELDS" in said
    shop.proxy.start()
    shop.check()


def test_a_proxy_goes_on_with_another_number(lab):
    """proxy.id was changed in the file: the journal of the old one is taken over."""
    shop = Shop(lab)
    shop.told |= sell(shop.proxy, 1, 40)
    shop.drain()
    shop.told |= sell(shop.proxy, 41, 50)
    assert shop.proxy.stop() == 0
    shop.proxy.settings["proxy.id"] = 5
    shop.proxy.write_config()
    shop.proxy.start(wait=False)
    assert shop.proxy.process.wait(20) == 3
    assert "was written by proxy.id 0, this is proxy.id 5" in shop.proxy.process.log()
    shop.way("Another proxy.id")
    shop.proxy.start()
    shop.told |= sell(shop.proxy, 51, 60)
    assert all(order >> 12 & 1023 == (5 if int(user[1:]) > 50 else 0)
               for user, order in shop.told.items())
    shop.check()
    with shop.redis.client() as direct:
        direct("FLUSHALL")
    shop.check()


def test_a_retired_proxy_is_handed_over_to_a_survivor(lab):
    """Drained and stopped, and then a part of the other's journal: when Redis loses everything its
    sales do not come back as unsold, and its buyers get their orders."""
    shop = Shop(lab, proxies=2)
    shop.told |= sell(shop.proxies[0], 1, 30)
    shop.told |= sell(shop.proxies[1], 31, 70)
    with shop.proxies[0].client() as client:  # through the one what was bought through the other
        assert client("SECKILL.CANCEL", "phone", "u40", shop.told["u40"])[0] == "OK"
    shop.drain()
    for proxy in shop.proxies:
        assert proxy.stop() == 0
    refused = lab.ctl("peers", "forget", "1", "--config", shop.proxies[0].config)
    assert refused.returncode == 1 and "journal adopt" in refused.stderr, refused.stderr
    shop.way("A proxy is retired")
    shop.proxies[0].start()
    with shop.redis.client() as direct:
        direct("FLUSHALL")
    shop.check(shop.proxies[0], cancelled=("u40",))
    shop.proxies[1].start(wait=False)
    shop.proxies[1].wait_listening()
    with shop.proxies[1].client() as client:
        reply = client("SECKILL.BUY", "phone", "late", "REQ", "r")
        assert isinstance(reply, RespError) and "was taken over" in reply.text, reply


def test_a_proxy_whose_machine_is_gone_is_taken_over_by_its_number(lab):
    """Nobody has its folder any more; what Redis and MySQL prove of it goes to the survivor."""
    shop = Shop(lab, proxies=2)
    shop.told |= sell(shop.proxies[0], 1, 30)
    shop.told |= sell(shop.proxies[1], 31, 50)
    shop.drain()
    shop.told |= sell(shop.proxies[1], 51, 70)
    shop.proxies[1].kill()
    shutil.rmtree(lab.folder / "journal2")
    assert shop.proxies[0].stop() == 0
    shop.way("A proxy's machine is gone")
    shop.proxies[0].start()
    with shop.redis.client() as direct:
        direct("FLUSHALL")
    shop.check(shop.proxies[0])


def test_what_was_taken_over_is_taken_over_again(lab):
    """A survivor has another's history, and is lost in its turn: folder, and then Redis."""
    shop = Shop(lab, proxies=3)
    for number in range(3):
        shop.told |= sell(shop.proxies[number], number * 20, number * 20 + 19)
    with shop.proxies[1].client() as client:
        assert client("SECKILL.CREATE", "cup", "STOCK", 7) == "OK"
        assert client("SECKILL.BUY", "cup", "u1")[0] == "OK"
    shop.drain()
    for proxy in (shop.proxies[1], shop.proxies[0]):
        assert proxy.stop() == 0
    shop.way("A proxy is retired", **{"--config proxy2": "--config proxy3.toml --config "
                                      "flusher3.toml --config proxy2"})
    shop.proxies[0].start()
    shop.told |= sell(shop.proxies[0], 60, 69)
    shop.drain(0)
    shop.told |= sell(shop.proxies[0], 70, 79)
    shop.proxies[0].kill()
    shutil.rmtree(shop.journal)
    assert shop.proxies[2].stop() == 0
    adopt = "sluice-ctl journal adopt journal3 --also 0 --config proxy3.toml --config flusher3.toml"
    done = once_beats_are_old(lambda: shop.run(adopt))
    assert done.returncode == 0, done.stdout + done.stderr
    shop.proxies[2].start()
    with shop.redis.client() as direct:
        direct("FLUSHALL")
    shop.check(shop.proxies[2])
    with shop.proxies[2].client() as client:
        assert client("SECKILL.BUY", "cup", "u2")[:1] == ["OK"]
        assert client("SECKILL.STOCK", "cup")[:6] == ["item", "cup", "stock", 7, "sold", 2], (
            client("SECKILL.STOCK", "cup"))


def test_two_that_sold_each_others_items_wait_for_nobody(lab):
    """MySQL lacks what the one created first; its new journal begins with that all the same, for
    the other one's replay waits for it, and it for the other's."""
    shop = Shop(lab, proxies=2, sale__shelves=1)
    with shop.proxies[0].client() as one, shop.proxies[1].client() as other:
        assert one("SECKILL.CREATE", "cup", "STOCK", 5, "LIMIT", 2) == "OK"
        first = ("SECKILL.BUY", "cup", "u1", "REQ", "r")  # -LOADING till they know each other
        until(lambda: not isinstance(other(*first), RespError), 10, "the gate")
        assert other("SECKILL.CREATE", "pan", "STOCK", 5) == "OK"
        assert one("SECKILL.BUY", "pan", "u1")[0] == "OK"
    shop.told |= sell(shop.proxies[0], 1, 5)
    shop.drain()
    shop.database.query("DELETE FROM items WHERE item_id = 'cup'")
    shop.database.query("DELETE FROM orders WHERE item_id = 'cup'")
    shop.proxies[0].kill()
    line = commands("The folder is an older copy, or was rolled back")[-1]
    way = once_beats_are_old(lambda: shop.run(line))
    assert way.returncode == 2 and "proxy 1 sells from this Redis" in way.stderr, way
    way = shop.run(line + " --config proxy2.toml --config flusher2.toml")
    assert "Done" in way.stdout, way
    with shop.redis.client() as direct:
        direct("FLUSHALL")
    shop.proxies[0].start()
    for proxy in shop.proxies:
        with proxy.client() as client:
            assert bought(client, "u1") == shop.told["u1"]
    found = lab.ctl("reconcile", "--fix", *shop.configs())
    assert found.returncode == 0, found.stdout + found.stderr
    assert "cup" in found.stdout
    rows = shop.database.query("SELECT item_id, stock, sold, limit_per_user FROM items")
    assert set(rows) == {("phone", GIVEN, 5, 3), ("cup", 5, 1, 2), ("pan", 5, 1, 0)}


@pytest.mark.parametrize("proxies", [1, 2])
def test_a_mysql_restored_from_an_old_backup_is_redrained(lab, proxies):
    """The segments that it lacks are deleted; the snapshots have their orders. Of several journals
    one that is left out is named."""
    shop = Shop(lab, proxies=proxies)
    for proxy in shop.proxies:
        until(proxy.ready, 20, "the gate")
    shop.told |= sell(shop.proxy, 1, 30)
    shop.drain()
    tables = ("orders", "items", "sluice_checkpoint", "sluice_journal")
    for table in tables:
        shop.database.query(f"CREATE TABLE saved_{table} AS SELECT * FROM `{table}`"
                            if table != "sluice_journal" else
                            "CREATE TABLE saved_sluice_journal AS SELECT journal_id, proxy_id, "
                            "shelves, host, incarnation, retired, created_at, updated_at "
                            "FROM sluice_journal")
    fat = [word for name in "abcd" for word in (name, "x" * 1000)]
    for number, proxy in enumerate(shop.proxies):
        assert proxy.stop() == 0
        proxy.settings["journal.segment_bytes"] = "1MiB"
        proxy.write_config()
        proxy.start()
        until(proxy.ready, 20, "the gate")
        each = 870 // proxies
        shop.told |= sell(proxy, 31 + number * each, 30 + (number + 1) * each, *fat)
        shop.flushers[number].settings["journal.retain"] = "0s"
        shop.flushers[number].write_config()
    shop.drain()
    for proxy in shop.proxies:
        assert min(proxy.journal.glob("journal-*.segment")).name != "journal-000000000001.segment"
    for table in tables:
        shop.database.query(f"DELETE FROM `{table}`")
    for table in tables[:3]:
        shop.database.query(f"INSERT INTO `{table}` SELECT * FROM saved_{table}")
    shop.database.query("INSERT INTO sluice_journal (journal_id, proxy_id, shelves, host, "
                        "incarnation, retired, created_at, updated_at) "
                        "SELECT * FROM saved_sluice_journal")
    for flusher in shop.flushers:
        done = flusher.once()
        assert done.returncode == 3 and "sluice-ctl journal redrain" in done.stderr, done.stderr
    if proxies == 1:
        assert "Done" in shop.way("MySQL was restored from an older backup")
    else:
        redrain = ("journal", "redrain", shop.journal)
        done = lab.ctl(*redrain, *shop.configs())
        assert done.returncode == 3 and str(shop.proxies[1].journal) in done.stderr
        done = lab.ctl(*redrain, shop.proxies[1].journal, *shop.configs())
        assert done.returncode == 0, done.stdout + done.stderr
    shop.drain()
    for proxy in shop.proxies:
        until(proxy.ready, 10, "the proxy sells again")
    shop.check()


@pytest.mark.parametrize("proxies", [1, 2])
def test_another_redis_is_filled_from_the_journals(lab, proxies):
    """An empty one first, then the first one again, which lacks what was sold meanwhile."""
    shop = Shop(lab, proxies=proxies)
    first, second = shop.redis, lab.redis()
    for turn, redis in enumerate((first, second, first)):
        if turn > 0:
            for proxy in shop.proxies:
                assert proxy.stop() == 0
                proxy.settings["redis.servers"] = [f"127.0.0.1:{redis.port}"]
                proxy.write_config()
            for proxy in shop.proxies:  # they wait for each other
                proxy.start(wait=False)
            shop.redis = redis
        for number, proxy in enumerate(shop.proxies):
            until(proxy.ready, 10, "the proxy sells")
            start = (turn * proxies + number) * 40
            shop.told |= sell(proxy, start + 1, start + 40)
        with shop.proxy.client() as client:
            assert bought(client, "u3") == shop.told["u3"]
    shop.check()


def test_a_journal_goes_on_in_another_folder(lab):
    """As the page says it: stop both, copy, journal.dir in both files, start both."""
    shop = Shop(lab)
    shop.told |= sell(shop.proxy, 1, 50)
    shop.drain()
    shop.told |= sell(shop.proxy, 51, 90)
    assert shop.proxy.stop() == 0
    shutil.copytree(shop.journal, lab.folder / "moved")
    for daemon in (shop.proxy, shop.flushers[0]):
        daemon.settings["journal.dir"] = str(lab.folder / "moved")
        daemon.write_config()
    shop.proxy.start()
    shop.told |= sell(shop.proxy, 91, 120)
    shop.check()
    shop.flushers[0].settings["journal.dir"] = str(shop.journal)
    shop.flushers[0].write_config()
    done = shop.flushers[0].once()
    assert done.returncode == 3, "the old folder is an older copy: " + done.stderr


def test_a_ghost_journal_is_dropped(lab):
    """A journal that will never come back keeps its proxy.id and stands in reconcile's way."""
    shop = Shop(lab)
    ghost = lab.proxy(lab.redis(), journal=lab.folder / "ghost", proxy__id=9)
    with ghost.client() as client:
        assert client("SECKILL.CREATE", "lamp", "STOCK", 1) == "OK"
    flusher = lab.flusher(shop.database, start=False, journal=lab.folder / "ghost", **HOLD)
    assert flusher.once().returncode == 0
    assert ghost.stop() == 0
    listed = lab.ctl("journal", "list", "--config", flusher.config)
    (row,) = [line.split() for line in listed.stdout.splitlines() if line.split()[1] == "9"]
    assert row[2] == "no"
    assert "Done" in shop.way("A journal that will never come back", ID=row[0])
    assert lab.ctl("journal", "list", "--config", flusher.config).stdout.count(" yes ") == 1
    done = flusher.once()
    assert done.returncode == 3 and "was retired in this database" in done.stderr


@pytest.mark.parametrize("words, said", [
    (("adopt", "nowhere"), "--config"),
    (("drop", "1"), "--config"),
])
def test_what_is_missing_is_named(lab, words, said):
    done = lab.ctl("journal", *words)
    assert done.returncode == 2 and said in done.stderr


def test_a_folder_in_use_is_not_taken_over(lab):
    shop = Shop(lab)
    done = lab.ctl("journal", "adopt", shop.journal, *shop.configs())
    assert done.returncode == 3 and "is in use; stop its proxy" in done.stderr
    done = lab.ctl("journal", "adopt", lab.folder, *shop.configs())
    assert done.returncode == 2 and "is the journal.dir of no proxy given" in done.stderr
