"""scripts/build and what CMake makes of the tree: for a newcomer, and for CI."""

import json
import os
import shutil
import subprocess

import pytest

from harness.daemons import ROOT

TINY_PRESETS = {"version": 6,
                "configurePresets": [{"name": "default", "binaryDir": "build"}],
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


def build(tree, *arguments, **environment):
    env = {key: value for key, value in os.environ.items() if key != "SLUICE_WERROR"}
    return subprocess.run([tree / "scripts" / "build", *arguments], env=dict(env, **environment),
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
