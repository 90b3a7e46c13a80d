"""docs/guarantees.md names, for each outcome, tests that exist."""

import pathlib
import re

FAULT = pathlib.Path(__file__).resolve().parent
ROOT = FAULT.parent.parent
SYSTEM = ROOT / "tests" / "system"
TEXT = (ROOT / "docs" / "guarantees.md").read_text()
PYTHON_TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
UNIT_TEST = re.compile(r"`(\w+/\w+_test\.cc): (\w+)\.(\w+)`")


def outcome_rows():
    table = TEXT.split("## What happens, and what follows")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    return rows[1:]  # without the heading


def named_tests(text):
    """(file, pattern of the test's definition) of every test that is named."""
    for file, test in PYTHON_TEST.findall(text):
        folder = FAULT if (FAULT / file).exists() else SYSTEM
        yield folder / file, rf"^def {test}\("
    for file, suite, test in UNIT_TEST.findall(text):
        folder = FAULT if (FAULT / file).exists() else ROOT / "tests" / "unit"
        yield folder / file, rf"^TEST(_F|_P)?\({suite}, {test}\)"


def test_every_outcome_names_a_test():
    assert len(outcome_rows()) >= 20
    assert [row for row in outcome_rows() if not list(named_tests(row))] == []


def test_every_named_test_exists():
    missing = [(str(file), pattern) for file, pattern in named_tests(TEXT)
               if not file.exists() or not re.search(pattern, file.read_text(), re.MULTILINE)]
    assert missing == []


def test_every_test_of_an_outcome_is_named():
    """A test of an outcome that the document does not know is an outcome that it does not know."""
    named = set(PYTHON_TEST.findall(TEXT))
    defined = {(path.name, test) for pattern in ("test_outcomes*.py", "test_cuts*.py")
               for path in FAULT.glob(pattern)
               for test in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)}
    assert defined - named == set()


def test_every_failpoint_is_used_by_a_test():
    """A place that no test kills at proves nothing."""
    names = re.findall(r'^    \{Failpoint::\w+, "([a-z.-]+)"',
                       (ROOT / "base" / "failpoint.cc").read_text(), re.MULTILINE)
    assert len(names) >= 23
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("**/*.py")
                    if "torture" not in path.parts and "mutations" not in path.parts)
    assert [name for name in names if name not in tests] == []
