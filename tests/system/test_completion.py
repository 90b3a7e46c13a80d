"""sluice-ctl completion and man: made of what --help says, for every command."""

import os
import re
import shutil
import subprocess

import pytest


def words_of(lab, *command):
    """The words that --help of a command lists: its commands and long options."""
    text = lab.ctl(*command, "--help").stdout
    listed = re.findall(r"^  (?:-h,)?(--[a-z-]+)", text, re.M)
    below = text.split("SUBCOMMANDS:\n")[1] if "SUBCOMMANDS:" in text else ""
    return set(listed) | set(re.findall(r"^  ([a-z]+) ", below, re.M))


def complete(script, *words):
    """What bash offers for the last of these words."""
    line = " ".join(f"'{word}'" for word in words)
    done = subprocess.run(
        ["bash", "-c", f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
                       "_sluice_ctl; printf '%s\\n' \"${COMPREPLY[@]}\""],
        stdout=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 0
    return set(done.stdout.split())


@pytest.fixture
def script(lab):
    done = lab.ctl("completion", "bash")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", [
    (), ("status",), ("doctor",), ("journal",), ("journal", "verify"), ("journal", "adopt"),
    ("peers",), ("peers", "forget"), ("schema", "check"), ("dlq", "drop"), ("reconcile",),
    ("sale",), ("sale", "create"), ("sale", "report")])
def test_bash_offers_what_help_lists(lab, script, command):
    wanted = words_of(lab, *command)
    assert wanted and wanted <= complete(script, "sluice-ctl", *command, ""), command


def test_bash_completes_beginnings_choices_and_files(lab, script):
    assert complete(script, "sluice-ctl", "re") == {"resume", "reconcile"}
    assert {"intake", "flush"} <= complete(script, "sluice-ctl", "pause", "")
    assert complete(script, "sluice-ctl", "status", "--w") == {"--watch"}
    # Options before a command's command do not hide it.
    path = lab.folder / "proxy.toml"
    path.write_text("")
    assert complete(script, "sluice-ctl", "status", "--config", str(lab.folder / "pro")) == {
        str(path)}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_the_script(lab, shell):
    script = lab.ctl("completion", shell)
    assert script.returncode == 0
    assert "reconcile" in script.stdout and "watch" in script.stdout
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = lab.folder / f"completion.{shell}"
    path.write_text(script.stdout)
    done = subprocess.run([shell, "-n", str(path)], stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_zsh_offers_commands_from_a_file_in_fpath_and_a_sourced_one(lab):
    """The packaged file is loaded at the first completion, which it must already answer."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    folder = lab.folder / "fpath"
    folder.mkdir()
    (folder / "_sluice-ctl").write_text(lab.ctl("completion", "zsh").stdout)

    def zsh(script):
        return subprocess.run(
            ["zsh", "-f", "-c", "_describe() { print -l $found }; compdef() { print compdef $* }\n"
                                f"words=(sluice-ctl sale ''); CURRENT=3\n{script}"],
            stdout=subprocess.PIPE, text=True, timeout=20).stdout

    loaded = zsh(f"fpath=({folder} $fpath); autoload -Uz _sluice-ctl; _sluice-ctl")
    assert "create:make one item" in loaded and "compdef" not in loaded
    assert zsh(f"source {folder}/_sluice-ctl") == "compdef _sluice_ctl sluice-ctl\n"


def test_fish_offers_commands_and_options(lab):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    path = lab.folder / "completion.fish"
    path.write_text(lab.ctl("completion", "fish").stdout)

    def offered(line):
        done = subprocess.run(["fish", "-N", "-c", f"source {path}; complete -C '{line}'"],
                              stdout=subprocess.PIPE, text=True, timeout=20,
                              env={**os.environ, "HOME": str(lab.folder)})
        return {each.split("\t")[0] for each in done.stdout.splitlines()}

    assert {"status", "journal", "doctor"} <= offered("sluice-ctl ")
    assert {"verify", "dump", "adopt"} <= offered("sluice-ctl journal ")
    assert "--watch" in offered("sluice-ctl status --w")
    assert "--watch" not in offered("sluice-ctl items --")


def test_the_manual_page_has_every_command_and_option(lab):
    page = lab.ctl("man")
    assert page.returncode == 0, page.stderr
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-P-cbou"],
                          input=page.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=20)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    for command in ((), ("status",), ("journal", "adopt"), ("peers", "list"), ("dlq", "list"),
                    ("schema", "print"), ("items",), ("flush",), ("doctor",)):
        assert " ".join(("sluice-ctl", *command)) in done.stdout, command
        for word in words_of(lab, *command):
            assert word in done.stdout, (command, word)


def test_bad_words_are_refused(lab):
    assert lab.ctl("completion", "csh").returncode == 2
    assert lab.ctl("completion").returncode == 2
