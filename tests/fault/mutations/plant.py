"""Plants the bugs of table.py one by one in a scratch copy of HEAD, builds only what the tests
named for each need, and shows that one of them fails. First those tests must pass without a bug.

    scripts/mutations [--list] [NAME…]     NAME: only bugs whose name contains it
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from .kinds import Gtest
from .table import MUTATIONS

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRATCH = ROOT / "build-mutations"  # always the same path, so that ccache knows it the next time
BUILD_TIMEOUT_S = 1800
TEST_TIMEOUT_S = 150
TAIL_LINES = 25


class Problem(Exception):
    """The run cannot go on, or a mutation cannot be planted."""


class Scratch:
    """A worktree of HEAD with a build folder of its own."""

    def __enter__(self):
        self._remove()
        self._git("worktree", "add", "--detach", SCRATCH, "HEAD")
        self.build_folder = SCRATCH / "build"
        done = self._run(["cmake", "--preset", "default"], 300)
        if done.returncode != 0:
            raise Problem(done.stdout)
        return self

    def __exit__(self, *_):
        self._remove()

    def _remove(self):
        subprocess.run(["git", "worktree", "remove", "--force", "--force", str(SCRATCH)], cwd=ROOT,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._git("worktree", "prune")

    def _git(self, *words):
        done = subprocess.run(["git", *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Problem(f"git {words[0]} {words[1]}: {done.stdout}")

    @staticmethod
    def _run(command, timeout_s, env=None):
        """Runs in a process group of its own, which is ended as a whole when the time is up."""
        child = subprocess.Popen([str(word) for word in command], cwd=SCRATCH, env=env,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, errors="replace",
                                 start_new_session=True)
        try:
            output, _ = child.communicate(timeout=timeout_s)
        except BaseException as problem:
            os.killpg(child.pid, signal.SIGKILL)
            output, _ = child.communicate()
            if not isinstance(problem, subprocess.TimeoutExpired):
                raise
            return subprocess.CompletedProcess(command, None, output)
        return subprocess.CompletedProcess(command, child.returncode, output)

    def build(self, targets):
        env = {key: value for key, value in os.environ.items()
               if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        env.setdefault("CCACHE_BASEDIR", str(ROOT.parent))
        done = self._run(["cmake", "--build", "build", "--parallel", "2", "--target",
                          *sorted(targets)], BUILD_TIMEOUT_S, env)
        if done.returncode != 0:
            raise Problem("does not build:\n" + tail(done.stdout))

    def test(self, test):
        """The finished run; the code is None if the time was up."""
        with tempfile.TemporaryDirectory(prefix="sluice-mutation-") as folder:
            env = dict(os.environ, TMPDIR=folder, SLUICE_BUILD=str(self.build_folder),
                       PYTHONDONTWRITEBYTECODE="1")
            if isinstance(test, Gtest):
                command = [self.build_folder / "tests" / test.program,
                           f"--gtest_filter={test.filter}", "--gtest_color=no",
                           "--gtest_fail_fast", "--gtest_break_on_failure=0"]
            else:
                command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-x",
                           "--tb=short", test.path, "-k", test.keyword]
            return self._run(command, TEST_TIMEOUT_S, env)


def tail(text):
    return "\n".join(text.splitlines()[-TAIL_LINES:])


def caught_by(test, done):
    """What to call the failure: the test's name from its own output."""
    for line in done.stdout.splitlines():
        if line.startswith("[  FAILED  ] "):
            return line.split()[3].rstrip(",")
        if line.startswith("FAILED "):
            return line.split()[1]
    what = "time was up" if done.returncode is None else f"exit code {done.returncode}"
    return f"{test.program if isinstance(test, Gtest) else test.path} ({what})"


def ran_something(test, done):
    return "[==========] Running 0 tests" not in done.stdout if isinstance(test, Gtest) \
        else done.returncode != 5  # pytest's "no tests collected"


def check_without_bugs(scratch, mutations):
    """Every named test passes on the clean tree: else its failure would prove nothing."""
    tests = sorted({test for mutation in mutations for test in mutation.tests}, key=repr)
    scratch.build({target for test in tests for target in test.targets})
    for test in tests:
        done = scratch.test(test)
        if done.returncode != 0 or not ran_something(test, done):
            raise Problem(f"{test} does not pass without any bug:\n{tail(done.stdout)}")
    print(f"without bugs: {len(tests)} groups of tests pass", flush=True)


def planted(mutation):
    """The file with the bug in it: (path, text before, text after)."""
    path = SCRATCH / mutation.file
    text = path.read_text() if path.exists() else ""
    if text.count(mutation.old) != 1:
        raise Problem(f"{mutation.file} has its line {text.count(mutation.old)} times, not once; "
                      f"bring tests/fault/mutations/table.py up to date")
    return path, text, text.replace(mutation.old, mutation.new)


def try_one(scratch, mutation):
    """The name of the test that caught it; None if none did."""
    path, before, after = planted(mutation)
    path.write_text(after)
    try:
        for test in mutation.tests:
            scratch.build(test.targets)
            done = scratch.test(test)
            if done.returncode != 0:
                return caught_by(test, done)
        return None
    finally:
        path.write_text(before)


def run(mutations):
    survivors = 0
    with Scratch() as scratch:
        check_without_bugs(scratch, mutations)
        width = max(len(mutation.name) for mutation in mutations)
        print(f"{'bug':<{width}}  {'seconds':>7}  caught by")
        for mutation in mutations:
            start = time.monotonic()
            try:
                found = try_one(scratch, mutation)
            except Problem as problem:
                found = None
                print(f"{mutation.name}: {problem}")
            survivors += found is None
            print(f"{mutation.name:<{width}}  {time.monotonic() - start:7.1f}  "
                  f"{found or 'NOTHING: it survives'}", flush=True)
    print(f"mutations: {len(mutations) - survivors} caught, {survivors} not")
    return 1 if survivors else 0


def main(arguments):
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the bugs and end")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args(arguments)
    chosen = [mutation for mutation in MUTATIONS
              if not options.names or any(name in mutation.name for name in options.names)]
    if options.list or not chosen:
        print("\n".join(f"{mutation.name:<60} {mutation.file}" for mutation in chosen))
        return 0 if chosen else 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(chosen)
    except Problem as problem:
        print(f"mutations: {problem}")
        return 1
    except KeyboardInterrupt:
        print("mutations: interrupted")
        return 130
