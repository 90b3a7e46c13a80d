"""The tests with several MySQL servers stand on the harness of the system tests: the same
fixtures, the same bounds."""

import importlib.util
import pathlib
import sys

import pytest

SYSTEM = pathlib.Path(__file__).resolve().parent.parent / "system"
sys.path.insert(0, str(SYSTEM))
sys.path.insert(0, str(SYSTEM.parent / "fault"))  # tcp_fault

# By its path: a second module called conftest would hide this one.
_spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
_system = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_system)

shared, lab, _bounded = _system.shared, _system.lab, _system._bounded
pytest_runtest_makereport = _system.pytest_runtest_makereport


@pytest.fixture
def fault(request):
    """Makes TCP fault proxies that end with the test: fault(port, protocol="resp")."""
    from tcp_fault import TcpFault

    made = []

    def make(*arguments, **keywords):
        made.append(TcpFault(*arguments, **keywords))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
