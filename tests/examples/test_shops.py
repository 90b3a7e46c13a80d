"""The shops in Go, Java and PHP, as tests/system/test_examples.py has those in Python and node."""

import shutil

import pytest

from examples_fixture import QUICK, SHOPS, gives_up, sell_through

HEAVY = [name for name in SHOPS if name not in QUICK]


@pytest.fixture(params=HEAVY)
def name(request):
    program = SHOPS[request.param][0]
    assert shutil.which(program), f"{program} is not installed: scripts/deps.sh examples"
    return request.param


def test_every_click_is_one_order(lab, name):
    sell_through(lab, name)


def test_a_shop_that_gives_up_says_that_it_does_not_know(lab, name):
    gives_up(lab, name)
