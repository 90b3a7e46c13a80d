"""What the code has is in the pages, and the other way round: keys, commands, metrics, error
replies, log lines of level warning and above. Pages of scripts/docs are as it makes them."""

import re
import subprocess

import pytest

from harness import daemons
from harness.daemons import ROOT

CODE = ("base", "net", "resp", "http", "journal", "sql", "orders", "shelves", "proxy", "flusher")
STRING = r'"(?:[^"\\]|\\.)*"'
# They exist only with TLS, or with users.
CONDITIONAL = {"sluice_tls_certificate_end_seconds", "sluice_login_failures_total",
               "sluice_logins_delayed_total"}
# Not keys: files, a field of /status.
NOT_KEYS = {"flusher.paused", "flusher.lock", "mysql.error"}
# Words in capitals that other strings begin with: arguments' names, HELP texts.
NOT_PREFIXES = {"TLS", "AUTH", "END", "INTAKE", "FIELDS", "STOCK", "CURSOR", "FLUSH"}


def sources(*folders):
    """{path: text} without comments."""
    return {path: re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
            for folder in folders for path in sorted((ROOT / folder).glob("**/*"))
            if path.suffix in (".cc", ".h")}


def page(name):
    return (ROOT / "docs" / name).read_text()


def differences(code, docs):
    """What only one of the two has, with the word where it is missing."""
    return ([f"not documented: {name}" for name in sorted(set(code) - set(docs))]
            + [f"not in the code: {name}" for name in sorted(set(docs) - set(code))])


def test_a_difference_is_seen_in_both_directions():
    assert differences(["a", "b"], ["b", "c"]) == ["not documented: a", "not in the code: c"]


def test_the_made_pages_are_as_the_programs_make_them():
    done = subprocess.run([str(ROOT / "scripts/docs"), "--check"], stderr=subprocess.PIPE,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# ---- Keys

def section(text, title):
    """What stands below a heading, to the next of its level."""
    return re.split(r"^## ", text.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("program, title", [("sluice-proxy", "The proxy"),
                                            ("sluice-flusher", "The flusher")])
def test_each_key_is_documented(program, title):
    """Those of --help."""
    keys = re.findall(r"^  (\w+\.\w+) \(", daemons.run(program, "--help").stdout, re.MULTILINE)
    assert len(keys) > 30
    documented = re.findall(r"^\| `(\w+\.\w+)`", section(page("configuration.md"), title),
                            re.MULTILINE)
    assert differences(keys, documented) == []


def test_pages_name_no_key_that_does_not_exist():
    """A name in backquotes of a table that both the code and the pages know: `journal.dir`."""
    keys = {key for program in ("sluice-proxy", "sluice-flusher") for key in
            re.findall(r"^  (\w+\.\w+) \(", daemons.run(program, "--help").stdout, re.MULTILINE)}
    tables = {key.split(".")[0] for key in keys} - {"sluice", "orders", "items"}
    for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
        named = {name for name in re.findall(r"`(\w+\.[a-z_]+)(?: = [^`]*)?`", path.read_text())
                 if name.split(".")[0] in tables and not name.endswith((".h", ".cc", ".toml"))}
        assert sorted(named - keys - NOT_KEYS) == [], path


# ---- Commands

def test_each_seckill_command_is_documented():
    table = sources("proxy/sale")[ROOT / "proxy/sale/command.cc"]
    commands = [name.upper() for name in re.findall(r'CommandSpec\{"(seckill\.\w+)"', table)]
    assert len(commands) > 15
    headings = re.findall(r"^### (SECKILL\.\w+)$", page("commands.md"), re.MULTILINE)
    assert differences(commands, headings) == []
    for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
        named = set(re.findall(r"\bSECKILL\.[A-Z]+\b", path.read_text()))
        assert sorted(named - set(commands)) == [], path


def test_each_command_of_the_tool_is_documented():
    lines = daemons.run("sluice-ctl", "--describe-itself").stdout.splitlines()
    commands = {line.split("\t")[1] for line in lines if line.startswith("command\t")}
    assert len(commands) > 30
    headings = re.findall(r"^### (sluice-ctl.*)$", page("commands.md"), re.MULTILINE)
    assert differences(commands, headings) == []
    first = {command.split(" ")[1] for command in commands if " " in command}
    for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
        named = set(re.findall(r"`sluice-ctl ([a-z]+)\b", path.read_text()))
        assert sorted(named - first) == [], path


# ---- Metrics

def test_each_metric_is_documented():
    """Names that the sources register, by whatever words."""
    call = re.compile(r'(?:counter|gauge|histogram|computed)\w*\(\s*"(sluice_\w+)"')
    code = {name for text in sources(*CODE).values() for name in call.findall(text)}
    assert len(code) > 40
    documented = re.findall(r"^\| `(sluice_\w+)`", page("metrics.md"), re.MULTILINE)
    assert differences(code, documented) == []


def test_each_metric_that_the_daemons_give_is_documented_as_it_is(lab):
    """Name, type and HELP, of a running proxy and flusher."""
    _, _, proxy, flusher = lab.stack()
    for daemon, title in ((proxy, "The proxy"), (flusher, "The flusher")):
        text = daemon.get("/metrics").text
        types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
        helps = dict(re.findall(r"^# HELP (\w+) (.+)$", text, re.MULTILINE))
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", section(page("metrics.md"), title),
                          re.MULTILINE)
        documented = {name: kind for name, kind, _ in rows if name not in CONDITIONAL}
        assert differences(types.items(), documented.items()) == []
        for name, _, meaning in rows:
            if name in helps:
                assert meaning.replace("&lt;", "<").replace("\\|", "|") == helps[name], name


# ---- Error replies

def test_each_error_prefix_is_documented():
    """The first word of what is passed to the makers of errors, or is written as one."""
    passed = re.compile(r'(?:error_reply\(|append_error\(out, |refuse\(op, |'
                        r'refuse_waiting\(shelf, )'
                        r'"([A-Z]+)"')
    written = re.compile(r'"-?([A-Z]{3,}) [A-Z]?[a-z]')
    # Only looked for in what Redis says.
    compared = re.compile(r'(?:starts_with|==)\s*\(?\s*' + STRING)
    code = set()
    for path, text in sources("proxy", "resp").items():
        if path.suffix == ".cc":
            text = compared.sub("", text)
            code |= set(passed.findall(text)) | set(written.findall(text))
    code -= NOT_PREFIXES
    assert len(code) > 7
    documented = re.findall(r"^\| `-([A-Z]+)`", page("messages.md"), re.MULTILINE)
    assert differences(code, documented) == []


# ---- Log lines

LOG = re.compile(r'spdlog::(?:warn|error|critical)\(\s*((?:' + STRING + r'\s*)+)')


def lines_of(*folders):
    """Patterns of the log lines of level warning and above: "…" for what varies."""
    found = {}
    for path, text in sources(*folders).items():
        calls = re.findall(r"spdlog::(?:warn|error|critical|log)\(", text)
        literals = LOG.findall(text)
        assert len(calls) == len(literals), f"{path}: a log line whose text is no literal"
        for literal in literals:
            line = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal)).replace('\\"', '"')
            found[re.sub(r"\{\w*\}", "…", line)] = path
    return found


def test_no_log_line_is_only_what_varies():
    """Such a line could not be looked up."""
    assert [str(path) for line, path in lines_of(*CODE).items()
            if not re.search("[a-z]", line)] == []


@pytest.mark.parametrize("title, folders", [
    ("Log lines of the proxy", ("base", "net", "resp", "http", "journal", "shelves", "proxy")),
    ("Log lines of the flusher", ("sql", "orders", "flusher"))])
def test_each_log_line_is_explained(title, folders):
    lines = lines_of(*folders)
    assert len(lines) > 15
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \|$", section(page("messages.md"), title),
                      re.MULTILINE)
    assert differences(lines, [row[0] for row in rows]) == []
    assert all(len(meaning) > 10 and action for _, meaning, action in rows)
