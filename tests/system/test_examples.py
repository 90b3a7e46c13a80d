"""examples/: a shop in Python and one in node, before the real stack. Those in Go, Java and PHP,
whose toolchains are heavy, are run by `make examples` (tests/examples).

Expected: each click has one order, in MySQL as it was told, whatever is lost, cut, paused or killed
meanwhile; outcomes are ordinary answers; a shop that gives up says that it does not know.
"""

import re

import pytest

from examples_fixture import FOLDER, QUICK, SHOPS, gives_up, sell_through


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
