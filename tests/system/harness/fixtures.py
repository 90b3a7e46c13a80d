"""Fixtures of all suites that start servers. A test that fails shows the logs of what it started
and keeps its folder; one that passes leaves nothing."""

import faulthandler
import signal

import pytest

from .lab import Lab, Shared
from .tcp_fault import TcpFault

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


@pytest.fixture
def fault():
    """Makes TCP fault proxies that end with the test: fault(port, protocol="resp")."""
    made = []

    def make(*arguments, **keywords):
        made.append(TcpFault(*arguments, **keywords))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture(autouse=True)
def bounded():
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
