"""examples/: a shop in Python and one in node, before the real stack. Those in Go, Java and PHP,
whose toolchains are heavy, are run by `make examples` (tests/examples).

Expected: each click has one order, in MySQL as it was told, whatever is lost, cut, paused or killed
meanwhile; outcomes are ordinary answers; a shop that gives up says that it does not know.
"""

import json
import re
import subprocess

import pytest

from examples_fixture import FOLDER, QUICK, SHOPS, Shop, gives_up, sell_through


@pytest.mark.parametrize("name", QUICK)
def test_every_click_is_one_order(lab, name):
    sell_through(lab, name)


@pytest.mark.parametrize("name", QUICK)
def test_a_shop_that_gives_up_says_that_it_does_not_know(lab, name):
    gives_up(lab, name)


def test_each_shop_says_how_it_is_started():
    """The index and each README have the command that the tests use."""
    index = (FOLDER / "README.md").read_text()
    for name, argv in SHOPS.items():
        command = " ".join(argv)
        assert command in index and command in (FOLDER / name / "README.md").read_text()
    listed = re.findall(r"^\| \[(\w+)\]\(\1\)", index, re.MULTILINE)
    there = [path.parent.name for path in FOLDER.glob("*/README.md")]
    assert sorted(listed) == sorted(there) == sorted(SHOPS)


def test_the_index_shows_calls_as_they_work(lab):
    """Its commands, in order: the item, the purchase, its payment, the cancel that a payment
    forbids, and twice the order, the second time as a row of MySQL's."""
    block = (FOLDER / "README.md").read_text().split("```\n")[1]
    lines = [line for line in block.splitlines() if line.startswith(("redis-cli", "curl"))]
    _, _, proxy, _ = lab.stack()
    shop = Shop(lab, "python", proxy.port)
    told, order = [], "ORDER"
    for line in lines:
        line = line.replace("6479", str(proxy.port)).replace("8080", str(shop.port))
        done = subprocess.run(["bash", "-c", line.replace("ORDER", order)], timeout=30, text=True,
                              stdout=subprocess.PIPE, check=True).stdout
        told.append(json.loads(done) if line.startswith("curl") else done.strip())
        order = told[1]["order_id"] if len(told) == 2 else order
    assert told[0] == "OK" and [answer["outcome"] for answer in told[1:]] == [
        "OK", "OK", "PAID", "FOUND", "FOUND"], told
    assert told[4]["order_id"] == order
    assert (told[5]["status"], told[5]["durability"]) == ("paid", "database")
