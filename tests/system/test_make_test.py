"""`make test`: what scripts/test counts, and what it says of tests that were skipped.

Expected: each test is passed, failed or skipped, once; a skipped one is named with its reason; a
program that dies and a suite in which nothing ran are failures.
"""

import argparse
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess

import pytest

from harness.daemons import ROOT

PROGRAM = """
#include <gtest/gtest.h>
#include <cstdlib>
TEST(Fake, Passes) {}
TEST(Fake, Fails) { FAIL(); }
TEST(Fake, NeedsMore) { GTEST_SKIP() << "this machine has no moon"; }
TEST(Fake, DISABLED_Later) {}
struct Settled : testing::Test {
  void SetUp() override { GTEST_SKIP() << "nor" << std::endl << "a sun"; }
};
TEST_F(Settled, NeverBegins) { FAIL(); }
TEST(Last, Dies) { if (std::getenv("FAKE_DIES")) std::abort(); }
"""

SUITE = """
import pytest
def test_passes(): pass
def test_fails(): assert False
def test_needs_more(): pytest.skip("this machine has no moon")
@pytest.mark.skipif(True, reason="nor a sun")
def test_never_begins(): assert False
@pytest.mark.xfail(reason="known to be wrong")
def test_is_expected_to_fail(): assert False
"""


@pytest.fixture(scope="module")
def program():
    loader = importlib.machinery.SourceFileLoader("scripts_test", str(ROOT / "scripts" / "test"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A build folder with one GoogleTest program."""
    folder = tmp_path_factory.mktemp("build")
    (folder / "tests").mkdir()
    subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-x", "c++", "-", "-o",
                    folder / "tests" / "test_fake", "-lgtest", "-lgtest_main", "-pthread"],
                   input=PROGRAM, text=True, check=True, timeout=120)
    return folder


def test_unit_tests_are_counted_and_skipped_ones_named(program, build):
    totals = program.Totals()
    program.run_unit(build, totals, argparse.Namespace(program=[]))
    assert totals.passed == 2 and totals.failures == ["Fake::Fails"]
    assert sorted(totals.skipped) == [
        ("Fake::DISABLED_Later", "it is disabled"),
        ("Fake::NeedsMore", "this machine has no moon"), ("Settled::NeverBegins", "nor a sun")]


def test_a_unit_test_program_that_dies_is_a_failure(program, build, monkeypatch):
    monkeypatch.setenv("FAKE_DIES", "1")
    totals = program.Totals()
    program.run_unit(build, totals, argparse.Namespace(program=[]))
    assert totals.failures == ["test_fake (exit code -6)"]


def test_no_unit_test_program_at_all_is_a_failure(program, tmp_path):
    totals = program.Totals()
    program.run_unit(tmp_path, totals, argparse.Namespace(program=[]))
    assert totals.passed == 0 and "make build" in totals.failures[0]


def test_system_tests_are_counted_and_skipped_ones_named(program, tmp_path):
    path = tmp_path / "test_fake.py"
    path.write_text(SUITE)
    totals = program.Totals()
    program.run_pytest("system", [str(path)], tmp_path, totals, [])
    assert totals.passed == 1
    assert [name.split("::")[-1] for name in totals.failures] == ["test_fails"]
    assert [(name.split("::")[-1], reason) for name, reason in totals.skipped] == [
        ("test_needs_more", "this machine has no moon"), ("test_never_begins", "nor a sun"),
        ("test_is_expected_to_fail", "known to be wrong")]


def test_a_suite_in_which_nothing_ran_is_a_failure(program, tmp_path):
    totals = program.Totals()
    program.run_pytest("system", [str(tmp_path)], tmp_path, totals, [])
    assert totals.passed == 0 and totals.failures == ["system (pytest's exit code 5)"]


def test_a_user_without_sbin_on_the_path_has_the_servers(program, monkeypatch):
    """As Debian gives it to everybody but root."""
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games")
    program.find_servers()
    assert shutil.which("mariadbd") and shutil.which("redis-server")


def test_the_end_names_what_was_skipped_and_why_before_the_counts(program, capsys):
    totals = program.Totals()
    totals.add(program.Counts(3, [], [("test_a", "no moon")]))
    assert program.conclude(totals, 2) == 0
    assert capsys.readouterr().out == (
        "skipped: test_a: no moon\ntest: all suites in 2 s, 1 skipped\n3 passed, 0 failed\n")
    totals.add(program.Counts(0, ["test_b"]))
    assert program.conclude(totals, 2) == 1
    assert capsys.readouterr().out.endswith(
        "failed: test_b\ntest: all suites in 2 s, 1 skipped\n3 passed, 1 failed\n")
