"""sluice-microbench: every part computes what it should, and has a limit that is held against it.

No figure is judged here: `make test` runs on machines that do other things. `make microbench` does.
"""

import re
import subprocess

from harness.daemons import BIN, ROOT

LIMITS = re.findall(r'^    \{"([^"]+)", ', (ROOT / "bench/micro/limits.h").read_text(), re.M)


def run(tmp_path, *options):
    return subprocess.run([BIN / "sluice-microbench", "--folder", tmp_path, *options], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)


def test_each_benchmark_runs_once_and_is_right(tmp_path):
    done = run(tmp_path, "--smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == LIMITS, "one line a limit, and every limit has a benchmark"
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_a_figure_below_its_limit_is_exit_code_1_only_when_checked(tmp_path):
    short = ("--filter", "record_decode", "--run-seconds", "0.001", "--repetitions", "1")
    impossible = (*short, "--factor", "1000000")
    done = run(tmp_path, "--check", *impossible)
    assert done.returncode == 1
    assert done.stdout.count("too slow") == 2, done.stdout
    assert run(tmp_path, *impossible).returncode == 0
    easy = run(tmp_path, "--check", *short, "--factor", "0.001")
    assert easy.returncode == 0 and easy.stdout.count("ok") == 2, easy.stdout


def test_no_such_benchmark_is_exit_code_2(tmp_path):
    done = run(tmp_path, "--filter", "no-such-part")
    assert done.returncode == 2
    assert "no-such-part" in done.stderr
