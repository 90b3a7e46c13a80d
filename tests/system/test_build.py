"""scripts/build and what CMake makes of the tree: for a newcomer, and for CI."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess

import pytest

from harness.daemons import ROOT
from harness.waiting import until

TINY_PRESETS = {"version": 6,
                "configurePresets": [{"name": "default", "generator": "Ninja",
                                      "binaryDir": "build"}],
                "buildPresets": [{"name": "default", "configurePreset": "default"}]}
TINY_CMAKE = """cmake_minimum_required(VERSION 3.25)
project(tiny LANGUAGES CXX)
option(SLUICE_WERROR "" OFF)
if(SLUICE_WERROR)
  add_compile_options(-Werror)
endif()
add_executable(one one.cc)
add_executable(two two.cc)
target_compile_options(two PRIVATE -Wunused-variable)
"""


@pytest.fixture
def tiny(tmp_path):
    """A tree of two programs, of which `two` has a warning, with our scripts/build in it."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "build", tmp_path / "scripts")
    (tmp_path / "CMakePresets.json").write_text(json.dumps(TINY_PRESETS))
    (tmp_path / "CMakeLists.txt").write_text(TINY_CMAKE)
    (tmp_path / "one.cc").write_text("int main() {}\n")
    (tmp_path / "two.cc").write_text("int main() { int unused; }\n")
    return tmp_path


def surroundings(**environment):
    """The environment without what CI asks of its own build."""
    kept = {key: value for key, value in os.environ.items() if key != "SLUICE_WERROR"}
    return dict(kept, **environment)


def build(tree, *arguments, **environment):
    return subprocess.run([tree / "scripts" / "build", *arguments], env=surroundings(**environment),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)


def test_a_warning_is_an_error_only_for_those_who_ask(tiny):
    """Not by default; with SLUICE_WERROR=ON, in a folder that is configured already as well."""
    by_default = build(tiny)
    assert by_default.returncode == 0, by_default.stdout
    assert "unused variable" in by_default.stdout
    asked = build(tiny, SLUICE_WERROR="ON")
    assert asked.returncode != 0
    assert "-Werror=unused-variable" in asked.stdout
    assert build(tiny, SLUICE_WERROR="OFF").returncode == 0


@pytest.mark.parametrize("chosen", [None, "ON"])
def test_the_tree_is_built_with_werror_only_if_asked(tmp_path, chosen):
    """What CMake writes down for each file; configuring warns of nothing, CMP0167 included."""
    options = [] if chosen is None else [f"-DSLUICE_WERROR={chosen}"]
    done = subprocess.run(["cmake", "-S", ROOT, "-B", tmp_path, *options], text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert "CMake Warning" not in done.stdout, done.stdout
    commands = json.loads((tmp_path / "compile_commands.json").read_text())
    assert {"-Werror" in entry["command"].split() for entry in commands} == {chosen == "ON"}


def test_ci_asks_for_it():
    assert "export SLUICE_WERROR=ON\nexec make test" in (ROOT / ".ci" / "run").read_text()


# ---- --progress --------------------------------------------------------------------------------

def test_without_a_terminal_progress_is_a_few_plain_lines(tiny):
    """No escapes, no line for each step, no warning; the warning is in build.log."""
    done = build(tiny, "--progress", "default", "one", "two")
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"build: configuring\nbuild: 4 steps in \d+:\d\d minutes\n", done.stdout)
    assert "unused variable" in (tiny / "build" / "build.log").read_text()
    assert build(tiny, "--progress").stdout == "build: everything is up to date\n"


def test_on_a_terminal_progress_is_one_line_that_is_rewritten(tiny):
    """The step, how many are done of all; one line end in all of it, at its end."""
    reader, writer = pty.openpty()
    child = subprocess.Popen([tiny / "scripts" / "build", "--progress"], stdout=writer,
                             stderr=writer, stdin=subprocess.DEVNULL, env=surroundings())
    os.close(writer)
    shown = b""
    while True:
        try:
            chunk = os.read(reader, 65536)
        except OSError:  # what a terminal answers when its last writer has closed it
            break
        shown += chunk
    os.close(reader)
    assert child.wait(60) == 0, shown
    lines = shown.decode().split("\r\x1b[K")[1:]
    assert lines[0] == "build: configuring"
    steps = [re.fullmatch(r"build: (\d) of 4 steps   (\S+)", line) for line in lines[1:-1]]
    assert all(steps), lines
    assert list(dict.fromkeys(step[1] for step in steps)) == ["1", "2", "3", "4"]
    assert {step[2] for step in steps} == {"one.cc", "two.cc", "one", "two"}
    assert re.fullmatch(r"build: 4 steps in \d+:\d\d minutes\r\n", lines[-1])


def test_only_the_targets_that_are_named_are_built(tiny):
    assert build(tiny, "--progress", "default", "one").returncode == 0
    assert (tiny / "build" / "one").exists()
    assert not (tiny / "build" / "two").exists()


def test_the_output_of_a_step_that_failed_is_shown_and_no_other(tiny):
    """The error with its file, not the warning of another file; the exit code is the build's."""
    (tiny / "one.cc").write_text("int main() { return missing; }\n")
    done = build(tiny, "--progress")
    assert done.returncode != 0
    assert "build: failed\n" in done.stdout
    assert "one.cc:1:21: error: " in done.stdout
    assert "unused variable" not in done.stdout


def test_a_configuration_that_fails_is_shown(tiny):
    with open(tiny / "CMakeLists.txt", "a") as file:
        file.write('message(FATAL_ERROR "no such library")\n')
    done = build(tiny, "--progress")
    assert done.returncode != 0
    assert "no such library" in done.stdout


def test_a_folder_of_another_generator_is_configured_anew(tiny):
    """As a tree has it that was last built before Ninja was used."""
    subprocess.run(["cmake", "-G", "Unix Makefiles", "-S", tiny, "-B", tiny / "build"], check=True,
                   stdout=subprocess.DEVNULL)
    done = build(tiny, "--progress")
    assert done.returncode == 0, done.stdout
    assert (tiny / "build" / "build.ninja").exists()


def test_an_interrupted_build_leaves_nothing_running(tiny):
    """SIGTERM while a step is under way: exit 130, and the step's own process has ended."""
    with open(tiny / "CMakeLists.txt", "a") as file:
        file.write('add_custom_target(wait ALL COMMAND sh -c "echo $$$$ > pid && exec sleep 600"\n'
                   '                  VERBATIM)\n')
    child = subprocess.Popen([tiny / "scripts" / "build", "--progress", "default", "wait"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=surroundings())
    pid_file = tiny / "build" / "pid"
    until(lambda: pid_file.exists() and pid_file.read_text().strip(), 60, "the step")
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 130
    until(lambda: not os.path.exists(f"/proc/{pid_file.read_text().strip()}"), 10, "its end")


@pytest.mark.parametrize("shortcuts", ["ON", "OFF"])
def test_precompiled_headers_can_be_left_out(tmp_path, shortcuts):
    """With SLUICE_SHORTCUTS=OFF each file is compiled alone, and reads what it includes itself."""
    subprocess.run(["cmake", "-S", ROOT, "-B", tmp_path, f"-DSLUICE_SHORTCUTS={shortcuts}"],
                   check=True, timeout=120, stdout=subprocess.DEVNULL)
    commands = json.loads((tmp_path / "compile_commands.json").read_text())
    assert any("cmake_pch" in entry["command"] for entry in commands) == (shortcuts == "ON")
    compiled_alone = str(ROOT / "http" / "session.cc") in {entry["file"] for entry in commands}
    assert compiled_alone == (shortcuts == "OFF")
