"""README.zh.md is README.md in Chinese and stays in step with it: the same headings, code (comments
aside), tables and figures in them, links, names in `code`. Links of all pages lead somewhere."""

import collections
import re

import pytest

from harness.daemons import ROOT

ENGLISH = (ROOT / "README.md").read_text()
CHINESE = (ROOT / "README.zh.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "CONTRIBUTING.md",
         *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "README.md",
         *sorted((ROOT / "examples").glob("*/README.md"))]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FIGURE = re.compile(r"\d[\d,.]*\d|\d")


def headings(page):
    """The level of each, in order."""
    return [len(line.split(" ")[0]) for line in FENCE.sub("", page).splitlines()
            if re.match(r"#+ ", line)]


def code(page):
    """Each block without comments, which may stand in either language."""
    return [[text for line in block.splitlines()
             if (text := re.sub(r"(^|\s)\s*#(?!\{).*$", "", line).rstrip())]
            for block in FENCE.findall(page)]


def tables(page):
    """Each as its rows, each row as its cells."""
    found, last = [], ""
    for line in FENCE.sub("", page).splitlines():
        if line.startswith("|"):
            if not last.startswith("|"):
                found.append([])
            found[-1].append(re.split(r"(?<!\\)\|", line)[1:-1])
        last = line
    return found


def links(page):
    """Those to the page in the other language aside."""
    return collections.Counter(LINK.findall(page)) - collections.Counter(
        ["README.md", "README.zh.md"])


def names(page):
    """What stands in backquotes, wherever."""
    return set(re.sub(r"\s+", " ", name) for name in re.findall(r"`([^`]+)`", FENCE.sub("", page)))


def test_headings_are_the_same():
    assert headings(CHINESE) == headings(ENGLISH)
    assert len(headings(ENGLISH)) > 5


def test_code_is_the_same_comments_aside():
    assert code(CHINESE) == code(ENGLISH)
    assert len(code(ENGLISH)) > 5


def test_tables_have_the_same_shape_and_figures():
    shape = [[len(row) for row in table] for table in tables(ENGLISH)]
    assert [[len(row) for row in table] for table in tables(CHINESE)] == shape
    for ours, theirs in zip(tables(ENGLISH), tables(CHINESE)):
        for row, other in zip(ours, theirs):
            figures = [sorted(FIGURE.findall(" ".join(cells))) for cells in (row, other)]
            assert figures[0] == figures[1], (row, other)


def test_links_and_names_are_the_same():
    assert links(CHINESE) == links(ENGLISH)
    assert names(CHINESE) == names(ENGLISH)


def test_each_leads_to_the_other():
    assert "(README.zh.md)" in ENGLISH and "(README.md)" in CHINESE


def anchors(page):
    """As forges make them of headings."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link
