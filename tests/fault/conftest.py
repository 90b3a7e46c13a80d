"""The fault tests stand on the harness of the system tests: the same fixtures, the same bounds."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness.fixtures import (  # noqa: E402, F401
    bounded,
    fault,
    lab,
    pytest_runtest_makereport,
    shared,
)
