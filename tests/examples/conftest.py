"""The shops of examples/ with heavy toolchains stand on the harness of the system tests: the same
fixtures, the same bounds."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

from harness.fixtures import bounded, lab, pytest_runtest_makereport, shared  # noqa: E402, F401
