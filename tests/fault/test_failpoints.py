"""The failpoints themselves and the TCP fault proxy: what the fault tests stand on."""

import os
import subprocess

import pytest

from harness.daemons import BIN
from harness.tcp_fault import mysql_end, resp_end
from killing import VARIABLE

PROGRAMS = ["sluice-proxy", "sluice-flusher"]


def run_with(program, text):
    """The program without a configuration: the variable is looked at before that is missed."""
    return subprocess.run([BIN / program], env={**os.environ, VARIABLE: text}, timeout=20,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("program", PROGRAMS)
def test_list_prints_every_name_and_ends(program):
    done = run_with(program, "list")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) >= 23 and "sale.after-script" in done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("text", [
    "sale.after-scripts:1", "sale.after-script:0", "sale.after-script",
    "sale.after-script:1:error", "flush.after-read:1:nothing"])
def test_what_means_nothing_ends_with_2_and_the_names(program, text):
    done = run_with(program, text)
    assert done.returncode == 2
    assert text in done.stderr and "compact.before-delete" in done.stderr


@pytest.mark.parametrize("value", [
    b"+OK\r\n", b":12\r\n", b"$-1\r\n", b"$0\r\n\r\n", b"$5\r\na\r\nbc\r\n", b"*0\r\n", b"*-1\r\n",
    b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"*2\r\n*1\r\n:1\r\n*1\r\n$2\r\n\r\n\r\n", b"-ERR no\r\n"])
def test_a_resp_value_ends_where_it_ends_and_not_before(value):
    for cut in range(len(value)):
        assert resp_end(value[:cut]) == 0
    assert resp_end(value) == resp_end(value + b"+more\r\n") == len(value)


def test_a_mysql_packet_ends_where_it_ends_and_not_before():
    packet = (300).to_bytes(3, "little") + b"\0" + b"x" * 300
    assert [mysql_end(packet[:cut]) for cut in (0, 3, 4, 303)] == [0, 0, 0, 0]
    assert mysql_end(packet) == mysql_end(packet + b"\1") == 304
