"""The side-by-side table of sluice-bench: short runs of it, on private servers."""

import json
import os

from harness.daemons import run

SHORT = ["--rounds", 2, "--run-seconds", 0.2, "--json"]
# Ended by their number, however slow the machine.
COUNTED = ["--rounds", 2, "--run-seconds", 30, "--run-requests", 5_000, "--json"]


def compare(lab, *arguments):
    return run("sluice-bench", "compare", *arguments, "--folder", lab.folder, timeout_s=120)


def test_every_order_of_every_item_is_compared_with_mysql_after_each_round(lab):
    """A thousand items and a hot one, two rounds: figures, a verdict, and no folder left behind."""
    done = compare(lab, "--only", "many-items", *COUNTED)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    wanted = {"one hot item": 0.7, "do it yourself, same items": 2.5}
    for goal in result["goals"]:
        ratio, reference = goal["goal"].removeprefix(">= ").split(" x ", 1)
        assert wanted.pop(reference) == float(ratio)
        assert goal["figure"] > 0 and goal["ratio"] > 0
        assert goal["reached"] == (goal["ratio"] >= float(ratio))
    assert wanted == {}
    assert result["orders_checked"] == 2 * (5_000 + 5_000)
    assert [name for name in os.listdir(lab.folder) if name.startswith("sluice-bench")] == []


def test_refusals_are_counted_apart_from_what_is_accepted(lab):
    done = compare(lab, "--only", "refusals", *SHORT)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["goals"][0]["figure"] > 0
    assert result["orders_checked"] == 2 * 10_000, "the stock that was sold before, and no more"


def test_the_tail_of_each_stands_beside_the_machines_own(lab):
    """Each is loaded with a share of what it can do itself; the last row bears Sluice's load."""
    done = compare(lab, "--only", "latency", *SHORT)
    assert done.returncode == 0, done.stderr
    _, heavy = json.loads(done.stdout)["sections"]
    names, rates = zip(*(row["name"].removesuffix(" /s").split(", ") for row in heavy["rows"]))
    assert names == ("Sluice", "do it yourself", "plain EVALSHA", "plain EVALSHA at Sluice's rate")
    assert rates[3] == rates[0] != rates[2]
    assert all(len(row["cells"]) == len(heavy["columns"]) == 4 for row in heavy["rows"])


def test_a_run_whose_orders_do_not_reach_mysql_has_no_figures(lab):
    """A flusher that cannot drain: the comparison fails and says why, and prints no table."""
    done = compare(lab, "--only", "many-items", *COUNTED, "--flusher-set", "mysql.port=1",
                   "--flusher-set", "limits.once_timeout=2s")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "sluice-flusher" in done.stderr


def test_a_measure_that_does_not_exist_is_named(lab):
    done = compare(lab, "--only", "purchses")
    assert done.returncode == 2
    assert "purchses" in done.stderr


def test_refusals_of_a_running_proxy(lab):
    """The scenario against an address: sells out first, then every answer is SOLDOUT."""
    proxy = lab.proxy(lab.redis())
    done = run("sluice-bench", "refusals", "--address", f"127.0.0.1:{proxy.port}", "--stock", 100,
               "--duration", 0.3, "--connections", 5, "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["accepted"] == 0 and result["refused"]["SOLDOUT"] == result["sent"] > 0
    assert result["orders"] == result["sold"] == 100
