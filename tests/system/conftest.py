"""Fixtures of the system tests. A test that fails shows the logs of what it started and keeps its
folder; one that passes leaves nothing."""

import faulthandler
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness.lab import Lab, Shared  # noqa: E402
from passthrough_fixture import Stack  # noqa: E402
from tls_fixture import Secured  # noqa: E402

TEST_TIMEOUT_S = 180  # a bound for what the tests' own bounds miss


@pytest.fixture(scope="session")
def shared():
    things = Shared()
    yield things
    things.end()


@pytest.fixture
def lab(request, shared):
    """An empty Lab; all that is started through it ends with the test."""
    things = Lab(shared)
    yield things
    failed = getattr(request.node, "failed_phase", False)
    if failed:
        for name, tail in things.logs():
            request.node.add_report_section("teardown", name, tail)
    things.end()
    if failed:
        request.node.add_report_section("teardown", "kept folder", str(things.folder))
    else:
        things.remove()


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


@pytest.fixture(autouse=True)
def _bounded():
    def expired(*_):
        raise AssertionError(f"the test took over {TEST_TIMEOUT_S} s")

    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(TEST_TIMEOUT_S)
    # If even that does not end it: all stacks, and the end of the run.
    faulthandler.dump_traceback_later(TEST_TIMEOUT_S + 60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when in ("setup", "call") and report.failed:
        item.failed_phase = True
