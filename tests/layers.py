"""Includes go downwards only: the folder table of the design, checked over every source file; and
files and lines are no longer than the style allows.

A folder may include its own headers and those of the folders in its line, nothing else; what is
above it is unknown to it. Run with pytest, which `make test` does.
"""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Folder → the folders that it may include. A folder's own headers are always allowed.
ALLOWED = {
    "base": set(),
    "net": {"base"},
    "resp": {"base"},
    "shelves": {"base"},
    "journal": {"base", "shelves"},
    "sql": {"base"},
    "orders": {"base", "journal", "sql"},
    "http": {"base"},
    "proxy/upstream": {"base", "net", "resp"},
    "proxy/sale": {"base", "resp", "shelves", "journal", "proxy/upstream"},
    "proxy/front": {"base", "net", "resp", "journal", "proxy/upstream", "proxy/sale"},
    # main.cc, options and admin wire everything that the proxy is made of.
    "proxy": {"base", "net", "resp", "shelves", "journal", "http", "proxy/upstream", "proxy/sale",
              "proxy/front"},
    "flusher": {"base", "journal", "sql", "orders", "http"},
    "ctl": {"base", "net", "shelves", "journal", "sql", "orders", "resp"},
    "bench": {"base", "shelves", "journal", "sql", "resp"},
    # It takes each part as the part's own caller does, so it may include all of them.
    "bench/micro": {"base", "bench", "journal", "orders", "resp", "proxy/sale", "proxy/upstream"},
}

# Headers that the build makes and that lie in no folder of the tree.
GENERATED = {"scripts.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def folder_of(path):
    """The row of ALLOWED that a path (relative, with slashes) belongs to, or None."""
    parts = path.split("/")
    for depth in (2, 1):
        folder = "/".join(parts[:depth])
        if len(parts) > depth and folder in ALLOWED:
            return folder
    return None


def violations(path, text):
    """The includes of one file that its folder may not have, each as a message."""
    folder = folder_of(path)
    found = []
    for header in INCLUDE.findall(text):
        target = folder_of(header)
        if target is None:
            if header not in GENERATED:
                found.append(f'{path}: "{header}" is not a path from the root of the tree')
        elif target != folder and target not in ALLOWED[folder]:
            found.append(f"{path}: {folder}/ may not include {header}")
    return found


def sources(folder):
    pattern = "*" if folder == "proxy" else "**/*"
    files = (ROOT / folder).glob(pattern)
    return sorted(path for path in files if path.suffix in (".cc", ".h"))


def test_the_check_sees_an_include_that_goes_upwards():
    upwards = '#include "proxy/sale/gate.h"\n#include "base/error.h"\n'
    assert violations("proxy/upstream/client.cc", upwards) == [
        "proxy/upstream/client.cc: proxy/upstream/ may not include proxy/sale/gate.h"
    ]
    assert violations("flusher/x.cc", '#include "proxy/sale/gate.h"') != []
    assert violations("proxy/main.cc", '#include "flusher/options.h"') != []
    assert violations("journal/x.cc", '#include "error.h"') != []
    assert violations("proxy/main.cc", '#include "proxy/front/server.h"') == []


def test_every_source_folder_has_a_row():
    # A new folder without a row would be outside the check for ever.
    unknown = [
        str(path.relative_to(ROOT))
        for top in ROOT.iterdir()
        if top.is_dir() and not top.name.startswith((".", "build"))
        and top.name not in ("tests", "fuzz", "scripts", "var", "docs", "conf", "web", "packaging")
        for path in top.glob("**/*.cc")
        if folder_of(str(path.relative_to(ROOT))) is None
    ]
    assert unknown == []


@pytest.mark.parametrize("folder", ALLOWED)
def test_includes_go_downwards_only(folder):
    found = []
    for path in sources(folder):
        found += violations(str(path.relative_to(ROOT)), path.read_text())
    assert found == [], "\n".join(found)


def written_files():
    """C++ and Python, tests included; not what a build or a package manager has put there."""
    for top in sorted({*(folder.split("/")[0] for folder in ALLOWED), "fuzz", "tests"}):
        for path in (ROOT / top).glob("**/*"):
            if path.suffix in (".cc", ".h", ".py") and "node_modules" not in path.parts:
                yield path, path.read_text().splitlines()


def test_no_file_is_over_500_lines_without_saying_why():
    """Such a file opens with a comment that names the 500 lines and the reason."""
    assert [f"{path.relative_to(ROOT)}: {len(lines)} lines" for path, lines in written_files()
            if len(lines) > 500 and not any("500 lines" in line for line in lines[:12])] == []


def test_no_line_is_over_100_columns():
    assert [f"{path.relative_to(ROOT)}:{number}" for path, lines in written_files()
            for number, line in enumerate(lines, 1) if len(line) > 100] == []
