"""How long the ways back of docs/operations.md take with 100,000 orders, half of them drained: no
test of its own, `python3 -m pytest -s tests/system/time_ways_back.py` prints what it took."""

import shutil
import time

import pytest
from harness import shop as ways

ORDERS = 100_000
AT_ONCE = 500


def sell(proxy, first, last):
    with proxy.client() as client:
        for begin in range(first, last, AT_ONCE):
            users = range(begin, min(begin + AT_ONCE, last))
            replies = client.pipeline([("SECKILL.BUY", "phone", f"u{n}", "REQ", "r", "FIELDS",
                                        "note", f"u{n}") for n in users])
            assert all(reply[0] == "OK" for reply in replies), replies


@pytest.fixture
def shop(lab, monkeypatch):
    monkeypatch.setattr(ways, "GIVEN", 2 * ORDERS)
    shop = ways.Shop(lab)
    sell(shop.proxy, 0, ORDERS // 2)
    shop.drain()
    sell(shop.proxy, ORDERS // 2, ORDERS)
    return shop


def timed(shop, what, title):
    time.sleep(2.2)  # till the last beat is old
    for line in ways.commands(title)[-2:]:
        begin = time.monotonic()
        done = shop.run(line)
        assert done.returncode == 0, done.stdout + done.stderr
        print(f"\n{what}, {line.split()[2]}{' --dry-run' if 'dry' in line else ''}: "
              f"{time.monotonic() - begin:.2f} s")


def ends_well(shop, orders=ORDERS):
    begin = time.monotonic()
    if not shop.proxy.process.alive():
        shop.proxy.start()
    print(f"the proxy is ready: {time.monotonic() - begin:.2f} s")
    begin = time.monotonic()
    shop.drain()
    print(f"the rest is drained: {time.monotonic() - begin:.2f} s")
    assert shop.database.one("SELECT COUNT(*) FROM orders") == (orders,)
    begin = time.monotonic()
    found = shop.lab.ctl("reconcile", *shop.configs())
    assert found.returncode == 0, found.stdout + found.stderr
    print(f"reconcile: {time.monotonic() - begin:.2f} s")


def test_a_folder_that_is_an_older_copy(shop):
    shop.proxy.kill()
    saved = shop.lab.folder / "saved"
    shutil.copytree(shop.journal, saved)
    shop.proxy.start()
    sell(shop.proxy, ORDERS, ORDERS + 1000)
    shop.drain()
    shop.proxy.kill()
    shutil.rmtree(shop.journal)
    saved.rename(shop.journal)
    timed(shop, "an older copy", "The folder is an older copy, or was rolled back")
    ends_well(shop, ORDERS + 1000)


def test_a_folder_that_is_lost(shop):
    shop.proxy.kill()
    shutil.rmtree(shop.journal)
    timed(shop, "lost", "The folder is lost")
    ends_well(shop)


def test_a_segment_that_is_damaged(shop):
    shop.proxy.kill()
    segment = min(shop.journal.glob("journal-*.segment"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    timed(shop, "damaged", "A segment is damaged")
    ends_well(shop)


def test_a_mysql_that_was_restored(shop):
    shop.drain()
    shop.database.query("DELETE FROM orders")
    shop.database.query("DELETE FROM items")
    shop.database.query("DELETE FROM sluice_checkpoint")
    timed(shop, "MySQL restored", "MySQL was restored from an older backup")
    ends_well(shop)
