"""What a way back takes over when folder, Redis, MySQL and the other proxies each know another
part: stock that one of them gave, items and orders that only one of them has. Nothing counts
twice."""

import shutil
import threading

from harness.resp import RespError
from harness.shop import GIVEN, Shop, bought, once_beats_are_old, sell
from harness.waiting import until


def test_restocks_that_the_folder_lost_are_given_once(lab):
    """MySQL has one of them, Redis both; none comes twice."""
    shop = Shop(lab)
    shop.told |= sell(shop.proxy, 1, 30)
    shop.proxy.kill()
    shutil.copytree(shop.journal, lab.folder / "saved")
    shop.proxy.start()
    until(lambda: shop.proxy.get("/readyz").status == 200, 10, "the gate")
    with shop.proxy.client() as client:
        for request, delta in (("a", 5), ("b", -3)):
            assert client("SECKILL.RESTOCK", "phone", delta, "REQ", request)[0] == "OK"
        shop.drain()
        assert client("SECKILL.RESTOCK", "phone", 7, "REQ", "c")[0] == "OK"
    shop.proxy.kill()
    shutil.rmtree(shop.journal)
    (lab.folder / "saved").rename(shop.journal)
    assert shop.flushers[0].once().returncode == 3
    shop.way("The folder is an older copy, or was rolled back")
    shop.proxy.start()
    with shop.proxy.client() as client:
        bought(client, "u1")
        for request, delta in (("a", 5), ("b", -3), ("c", 7)):
            assert client("SECKILL.RESTOCK", "phone", delta, "REQ", request)[1] == GIVEN + 9 - 30
    shop.check(given=GIVEN + 9)


def test_a_restock_through_another_proxy_is_given_by_that_one(lab):
    """Redis knows its REQ; the new journal, which is replayed first, must not have it as well. And
    what is replayed first waits for the other, whom only the command's --config named."""
    shop = Shop(lab, proxies=2)
    shop.told |= sell(shop.proxies[0], 1, 20)
    shop.told |= sell(shop.proxies[1], 21, 40)
    with shop.proxies[1].client() as client:
        assert client("SECKILL.RESTOCK", "phone", 12, "REQ", "a")[0] == "OK"
    shop.drain()
    assert shop.proxies[1].stop() == 0
    shop.proxies[0].kill()
    shutil.rmtree(shop.journal)
    shop.way("The folder is lost", **{"--config flusher.toml": "--config flusher.toml --config "
                                      "proxy2.toml --config flusher2.toml"})
    with shop.redis.client() as direct:
        direct("FLUSHALL")
    shop.proxies[0].start(wait=False)
    until(lambda: "waiting for proxy 1" in shop.proxies[0].get("/readyz").text, 10, "its replay")
    shop.proxies[1].start()
    shop.proxies[0].wait_ready()
    shop.check(given=GIVEN + 12)


def test_a_restock_that_was_drained_before_the_creation_is_given_once(lab):
    """Made through a proxy that is lost before that was drained, restocked through the survivor:
    MySQL has a row, of the restock alone."""
    shop = Shop(lab, proxies=2)
    one, two = shop.proxies
    for proxy in shop.proxies:
        until(proxy.ready, 20, "the gate")
    with one.client() as client, two.client() as other:
        until(lambda: other("SECKILL.CREATE", "cup", "STOCK", 30, "LIMIT", 3) == "OK", 10,
              "both to meet")
        assert client("SECKILL.RESTOCK", "cup", 6, "REQ", "q") == ["OK", 36]
    shop.drain(0)
    assert shop.database.one("SELECT stock FROM items WHERE item_id = 'cup'") == (6,)
    two.kill()
    shutil.rmtree(two.journal)
    assert one.stop() == 0
    done = once_beats_are_old(lambda: lab.ctl("journal", "adopt", shop.journal, "--also", 1,
                                              *shop.configs(0)))
    assert done.returncode == 0, done.stdout + done.stderr
    one.start()
    shop.drain(0)
    with one.client() as client:
        assert client("SECKILL.RESTOCK", "cup", 6, "REQ", "q") == ["OK", 36]
    row = "SELECT stock, limit_per_user, state FROM items WHERE item_id = 'cup'"
    assert shop.database.one(row) == (36, 3, "open")
    found = lab.ctl("reconcile", *shop.configs(0))
    assert found.returncode == 0, found.stdout + found.stderr


def test_another_proxy_restocks_while_a_folder_is_taken_over(lab):
    """What it does meanwhile is its own, and not the new journal's as well."""
    shop = Shop(lab, proxies=2)
    shop.told |= sell(shop.proxies[0], 1, 400)
    shop.told |= sell(shop.proxies[1], 401, 410)
    shop.drain()
    shop.proxies[0].kill()
    shutil.rmtree(shop.journal)
    given, ended = [], threading.Event()

    def restock():
        with shop.proxies[1].client() as client:
            while not ended.is_set():
                reply = client("SECKILL.RESTOCK", "phone", 1, "REQ", f"more-{len(given)}")
                if not isinstance(reply, RespError):
                    given.append(reply)
    thread = threading.Thread(target=restock)
    thread.start()
    try:
        shop.way("The folder is lost", **{"--config flusher.toml": "--config flusher.toml --config "
                                          "proxy2.toml --config flusher2.toml"})
    finally:
        ended.set()
        thread.join()
    assert shop.proxies[1].stop() == 0
    with shop.redis.client() as direct:
        direct("FLUSHALL")
    shop.proxies[0].start(wait=False)
    until(lambda: "waiting for proxy 1" in shop.proxies[0].get("/readyz").text, 10, "its replay")
    shop.proxies[1].start()
    shop.proxies[0].wait_ready()
    shop.check(given=GIVEN + len(given))


def test_a_restock_that_only_mysql_has_counts(lab):
    """The folder was rolled back, and Redis lost it."""
    shop = Shop(lab)
    shop.told |= sell(shop.proxy, 1, 30)
    shop.drain()
    shop.proxy.kill()
    shutil.copytree(shop.journal, lab.folder / "saved")
    shop.proxy.start()
    with shop.proxy.client() as client:
        bought(client, "u1")
        assert client("SECKILL.RESTOCK", "phone", 5, "REQ", "a")[0] == "OK"
    shop.drain()
    shop.proxy.kill()
    shutil.rmtree(shop.journal)
    (lab.folder / "saved").rename(shop.journal)
    with shop.redis.client() as direct:
        direct("FLUSHALL")
    said = shop.way("The folder is an older copy, or was rolled back")
    assert "MySQL 1005; 1005 counts" in said
    shop.proxy.start()
    shop.check(given=GIVEN + 5)


def test_a_cancel_in_the_folder_finds_its_order_in_mysql(lab):
    """Sold through one proxy, which another takes over, cancelled through a third; the heir and
    Redis are lost. The third one's folder has the cancel, the order is nowhere but in MySQL."""
    shop = Shop(lab, proxies=3)
    one, two, three = shop.proxies

    def adopt(number, also):
        done = once_beats_are_old(lambda: lab.ctl(
            "journal", "adopt", shop.proxies[number].journal, "--also", also,
            *shop.configs(*{0, number})))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "MySQL agrees" in done.stdout
        shop.proxies[number].start(wait=False)

    for proxy in shop.proxies:
        until(proxy.ready, 20, "the gate")
    shop.told |= sell(two, 1, 10)
    shop.drain()
    two.kill()
    shutil.rmtree(two.journal)
    assert three.stop() == 0
    adopt(2, also=1)
    for proxy in (one, three):
        until(proxy.ready, 20, "the gate")
    cancel = ("SECKILL.CANCEL", "phone", "u3", shop.told["u3"], "REQ", "c")
    with one.client() as client:
        assert until(lambda: not isinstance(reply := client(*cancel), RespError) and reply, 10,
                     "a cancel")[0] == "OK"
    shop.drain(0, 2)
    three.kill()
    shutil.rmtree(three.journal)
    assert one.stop() == 0
    shop.redis.kill()
    for name in ("dump.rdb", "appendonlydir"):
        path = shop.redis.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
    shop.redis.start()
    adopt(0, also=2)
    until(one.ready, 20, "the gate")
    shop.check(one, cancelled=("u3",))


def test_items_that_only_mysql_has_are_taken_over(lab):
    """Made, sold by both proxies and drained behind the copy that journal and Redis were put back
    to: the creation is nowhere but in MySQL, some of the orders are in the other's journal."""
    shop = Shop(lab, proxies=2)
    one, two = shop.proxies
    for proxy in shop.proxies:
        until(proxy.ready, 20, "the gate")
    for daemon in (one, shop.redis):
        assert daemon.stop() == 0
    for folder in (shop.journal, shop.redis.folder):
        shutil.copytree(folder, lab.folder / "saved" / folder.name)
    shop.redis.start()
    one.start()
    until(two.ready, 20, "the gate")
    with one.client() as client, two.client() as other:
        for item in ("cup", "pot"):
            assert client("SECKILL.CREATE", item, "STOCK", 50, "LIMIT", 1) == "OK"
        assert client("SECKILL.CLOSE", "pot") == "OK"
        ids = [int(through("SECKILL.BUY", "cup", user, "REQ", "r")[1])
               for through, user in ((client, "ann"), (other, "bob"))]
    shop.drain()
    for daemon in (one, shop.redis):
        assert daemon.stop() == 0
    for folder in (shop.journal, shop.redis.folder):
        shutil.rmtree(folder)
        shutil.copytree(lab.folder / "saved" / folder.name, folder)
    shop.redis.start()
    done = once_beats_are_old(lambda: lab.ctl("journal", "adopt", shop.journal, *shop.configs()))
    assert done.returncode == 0, done.stdout + done.stderr
    for item in ("cup", "pot"):
        assert f"item {item}: only MySQL has it; 50 given" in done.stdout
    one.start()
    for proxy in shop.proxies:
        until(proxy.ready, 20, "the gate")
        with proxy.client() as client:
            for user, order in zip(("ann", "bob"), ids):
                assert int(client("SECKILL.BUY", "cup", user, "REQ", "r")[1]) == order
                assert client("SECKILL.BUY", "cup", user, "REQ", "s")[:2] == ["LIMIT", 1]
            assert client("SECKILL.BUY", "pot", "ann", "REQ", "r") == ["CLOSED"]
    shop.drain()
    found = lab.ctl("reconcile", *shop.configs())
    assert found.returncode == 0, found.stdout + found.stderr


def test_what_is_made_of_mysqls_row_is_older_than_its_orders(lab):
    """Folder and Redis are lost, twice: between the two another proxy sells the item that was made
    of MySQL's row; the orders of before must not pass for those of an item that had the name."""
    shop = Shop(lab, proxies=2)
    one, two = shop.proxies
    for proxy in shop.proxies:
        until(proxy.ready, 20, "the gate")
    shop.told |= sell(one, 1, 10)
    for first in (11, 21):
        shop.drain()
        for proxy in shop.proxies:
            assert proxy.stop() == 0
        shutil.rmtree(shop.journal)
        with shop.redis.client() as direct:
            direct("FLUSHALL")
        done = lab.ctl("journal", "adopt", shop.journal, *shop.configs())
        assert done.returncode == 0, done.stdout + done.stderr
        for proxy in shop.proxies:
            proxy.start(wait=False)
        for proxy in shop.proxies:
            until(proxy.ready, 20, "the gate")
        shop.told |= sell(two, first, first + 9)
    for proxy in shop.proxies:
        with proxy.client() as client:
            assert {user: bought(client, user) for user in shop.told} == shop.told
    shop.drain()
    found = lab.ctl("reconcile", *shop.configs())
    assert found.returncode == 0, found.stdout + found.stderr
