"""Fixtures of the system tests."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness.fixtures import bounded, lab, pytest_runtest_makereport, shared  # noqa: E402, F401
from passthrough_fixture import Stack  # noqa: E402
from tls_fixture import Secured  # noqa: E402


@pytest.fixture(scope="module")
def stack():
    """The Stack that the tests of a file share."""
    shared_stack = Stack()
    yield shared_stack
    assert shared_stack.stop() == 0, "the proxy did not end as SIGTERM asks"


@pytest.fixture
def own_stack(made):
    """A Stack for one test, which may hurt it."""
    return made()


@pytest.fixture
def made():
    """Makes Stacks that end with the test; no proxy may have ended but when it was asked to."""
    started = []

    def make(*sets, **kwargs):
        started.append(Stack(sets=sets, **kwargs))
        return started[-1]

    yield make
    for one in started:
        assert one.proxy.poll() in (None, 0), one.log_text()
        one.stop()


@pytest.fixture
def secured(lab):
    """A proxy that speaks TLS to its clients."""
    return Secured(lab)
