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
    "proxy/monitor": {"base", "journal", "http", "proxy/upstream", "proxy/sale"},
    # main.cc, options and admin wire everything that the proxy is made of.
    "proxy": {"base", "net", "resp", "shelves", "journal", "http", "proxy/upstream", "proxy/sale",
              "proxy/front", "proxy/monitor"},
    "flusher": {"base", "journal", "sql", "orders", "http"},
    "ctl": {"base", "net", "shelves", "journal", "sql", "orders", "resp", "http"},
    "bench": {"base", "shelves", "journal", "sql", "resp"},
    # It takes each part as the part's own caller does, so it may include all of them.
    "bench/micro": {"base", "bench", "shelves", "journal", "orders", "resp", "proxy/sale",
                    "proxy/upstream"},
}

# Headers that the build makes and that lie in no folder of the tree.
GENERATED = {"scripts.h", "web_files.h"}

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


# ---- Within a folder: who uses whom.

DECLARATION = re.compile(r"^(?:class|struct) (\w+);", re.MULTILINE)
DEFINITION = re.compile(r"^(?:class|struct)(?: \[\[\w+\]\])? (\w+)[^;{]*\{", re.MULTILINE)


def uses(units):
    """`units`: name → text of its header and its sources. Name → names of the others that it uses:
    whose header it includes, or whose class it only declares, which includes no header but needs
    the other all the same."""
    owner = {name: unit for unit, text in units.items() for name in DEFINITION.findall(text)}
    used = {}
    for unit, text in units.items():
        others = {pathlib.PurePath(header).stem for header in INCLUDE.findall(text)}
        others |= {owner[name] for name in DECLARATION.findall(text) if name in owner}
        used[unit] = {other for other in others if other in units and other != unit}
    return used


def circles(used):
    """The first circle that is found, as its units; [] if there is none."""
    done, path = set(), []

    def visit(unit):
        if unit in path:
            return [*path[path.index(unit):], unit]
        if unit in done:
            return []
        path.append(unit)
        for other in sorted(used[unit]):
            if found := visit(other):
                return found
        path.pop()
        done.add(unit)
        return []

    for unit in sorted(used):
        if found := visit(unit):
            return found
    return []


def units_of(folder):
    """A unit is a header and the sources that begin with its name: coalescer_replies.cc is a part
    of coalescer.h."""
    paths = sources(folder)
    headers = sorted((path.stem for path in paths if path.suffix == ".h"), key=len, reverse=True)
    units = dict.fromkeys(headers, "")
    for path in paths:
        stem = path.stem if path.stem in units else next(
            (header for header in headers if path.stem.startswith(header + "_")), None)
        if stem is None:  # a source without a header: of the header that it includes first
            included = [pathlib.PurePath(name).stem for name in INCLUDE.findall(path.read_text())]
            stem = next((name for name in included if name in units), None)
        if stem is not None:
            units[stem] += path.read_text()
    return units


def test_the_check_sees_a_circle_also_through_a_declaration():
    one = '#include "proxy/sale/two.h"\nclass One {\n};\n'
    assert circles(uses({"one": one, "two": "class Two final : public X {\n};\n"})) == []
    assert circles(uses({"one": one, "two": "class One;\nclass Two {\n};\n"})) == [
        "one", "two", "one"]


def test_nobody_in_the_sale_uses_whom_he_is_used_by():
    assert circles(uses(units_of("proxy/sale"))) == []


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
