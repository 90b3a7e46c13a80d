"""The parts of scripts/roots, scripts/portability and scripts/matrix: which mirror is taken, what a
root is told, what stands for a server, what a namespace leaves, and what is read from logs."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(TESTS))

from harness.waiting import until  # noqa: E402
from portability import apt_machine, builds, namespace, roots, servers  # noqa: E402
from portability.table import table  # noqa: E402

MIRROR = "http://mirror.example/debian"


# ---- The machine's mirror.

def index(archive, release):
    """A line of `apt-get update --print-uris`."""
    return f"'{archive}/dists/{release}/InRelease' name_of_a_file 0 \n"


def test_the_mirror_is_the_one_of_the_machines_own_release():
    """Not that of updates, of security, or of a vendor."""
    others = (index("http://vendor.example/apt", "nodistro")
              + index(f"{MIRROR}-security", "bookworm-security")
              + index(MIRROR, "bookworm-updates"))
    assert apt_machine.choose_mirror(others + index(MIRROR, "bookworm"), "bookworm") == MIRROR
    assert apt_machine.choose_mirror(others, "bookworm") is None
    assert apt_machine.choose_mirror(index(MIRROR, "trixie"), "bookworm") is None


@pytest.mark.parametrize("name", ["stable", "testing", "unstable", "sid"])
def test_a_release_may_be_named_by_its_state(name):
    assert apt_machine.choose_mirror(index(MIRROR, name), "forky") == MIRROR


def test_another_systems_archive_has_no_debian():
    assert apt_machine.choose_mirror(index(MIRROR, "noble"), "noble", "ubuntu") is None
    assert apt_machine.choose_mirror("", "bookworm") is None
    assert apt_machine.choose_mirror("half a line\n\n", "bookworm") is None


def test_one_line_and_deb822_sources_are_read_as_apt_reads_them(tmp_path):
    """apt itself is asked about sources of both forms, of a machine that never ran an update."""
    forms = {"one.list": f"deb [trusted=yes] {MIRROR} bookworm main contrib\n",
             "two.sources": f"Types: deb\nURIs: {MIRROR}\nSuites: bookworm bookworm-updates\n"
                            "Components: main\n"}
    for name, text in forms.items():
        parts = tmp_path / pathlib.Path(name).stem
        parts.mkdir()
        (parts / name).write_text(text)
        shown = subprocess.run(
            ["apt-get", "-o", "Dir::Etc::SourceList=/dev/null",
             "-o", f"Dir::Etc::SourceParts={parts}", "-o", f"Dir::State::Lists={tmp_path}",
             "update", "--print-uris"], stdout=subprocess.PIPE, text=True, timeout=60).stdout
        assert apt_machine.choose_mirror(shown, "bookworm") == MIRROR, shown


def test_the_mirror_may_be_named_by_hand(monkeypatch):
    monkeypatch.setenv("SLUICE_DEBIAN_MIRROR", f"{MIRROR}/")
    assert apt_machine.machine_mirror() == MIRROR


def test_a_root_gets_the_machines_proxies_and_nothing_else_of_apt():
    dump = ('Acquire::http::Proxy "http://proxy.example:3128";\n'
            'Acquire::https::Proxy "";\n'
            'Acquire::Check-Valid-Until "false";\n'
            'Acquire::Languages "none";\n'
            'Dir::Etc "etc/apt";\n')
    assert apt_machine.carried(dump) == ('Acquire::http::Proxy "http://proxy.example:3128";\n'
                                         'Acquire::Check-Valid-Until "false";\n')


# ---- Roots.

def test_a_half_made_root_is_made_anew_and_a_whole_one_is_kept(tmp_path, monkeypatch):
    """The first attempt leaves a folder without .ready and fails; the second one is whole."""
    monkeypatch.setattr(roots, "ATTEMPTS", 2)
    path, tries = tmp_path / "trixie", []
    (tmp_path / "trixie.part").mkdir()
    (tmp_path / "trixie.part" / "of an earlier run").touch()
    path.mkdir()
    (path / "half").touch()

    def fill(part):
        assert not part.exists()
        part.mkdir()
        tries.append(part)
        if len(tries) == 1:
            raise roots.CannotMake("the mirror had a moment")
        (part / "whole").touch()
        return "packages\n"

    roots.make(path, fill)
    assert len(tries) == 2 and roots.ready(path)
    assert sorted(entry.name for entry in path.iterdir()) == [".ready", "whole"]
    assert (path / ".ready").read_text() == "packages\n"
    assert not (tmp_path / "trixie.part").exists()


def test_a_root_that_cannot_be_made_says_why_after_the_last_attempt(tmp_path):
    def fill(_part):
        raise roots.CannotMake("no network")

    with pytest.raises(roots.CannotMake, match="no network"):
        roots.make(tmp_path / "sid", fill)
    assert not roots.ready(tmp_path / "sid")


def test_a_root_in_which_something_is_mounted_is_not_removed():
    mounts = "proc /roots/sid/proc proc rw 0 0\n/dev/sda / ext4 rw 0 0\n"
    assert roots.mounted_below(pathlib.Path("/roots/sid"), mounts) == ["/roots/sid/proc"]
    assert roots.mounted_below(pathlib.Path("/roots/si"), mounts) == []


def test_a_root_that_a_program_works_on_is_not_removed(tmp_path):
    assert roots.working_on(tmp_path) == []
    child = subprocess.Popen(["sh", "-c", "read line", "sh", str(tmp_path)],
                             stdin=subprocess.PIPE)
    try:
        until(lambda: roots.working_on(tmp_path) == [f"process {child.pid}"], 10, "it is seen")
        with pytest.raises(roots.CannotMake, match=f"process {child.pid}"):
            roots.remove(tmp_path)
        assert tmp_path.exists()
    finally:
        child.kill()
        child.wait()


def test_what_is_mounted_for_a_root_and_in_which_order(tmp_path):
    """The overlay comes first, since all else is mounted in what it shows."""
    lines, place = namespace.mounts("/roots/a b", [("/tmp", "/tmp")], overlay=tmp_path)
    assert place == f"{tmp_path}/root"
    text = "\n".join(lines)
    assert "lowerdir='/roots/a b'" in text
    assert text.index("-t overlay") < text.index("-t proc") < text.index(f"/tmp {place}/tmp")
    lines, place = namespace.mounts("/roots/a b")
    assert place == "/roots/a b" and "mount -t proc proc '/roots/a b'/proc" in lines


# ---- What stands for a server.

def test_a_wrapper_becomes_the_program_and_counts_its_starts(tmp_path):
    """With /bin/echo in the place of chroot: what it would be started with, word by word."""
    folder = tmp_path / "bin"
    servers.write_wrappers(folder, "/roots/a b", {"redis-server": "/usr/bin/valkey-server"})
    program = folder / "redis-server"
    program.write_text(program.read_text().replace("/usr/sbin/chroot", "/bin/echo"))
    assert servers.starts(folder, "redis-server") == 0
    for _ in range(2):
        shown = subprocess.run([program, "--dir", "with space", ""], stdout=subprocess.PIPE,
                               text=True, cwd=tmp_path, timeout=10).stdout
    assert shown.startswith("/roots/a b /bin/sh -c ")
    assert shown.endswith(f"{tmp_path} /usr/bin/valkey-server --dir with space \n")
    assert servers.starts(folder, "redis-server") == 2
    servers.forget_starts(folder)
    assert servers.starts(folder, "redis-server") == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root may chroot")
def test_a_wrapper_has_the_process_id_of_its_server(lab, tmp_path, monkeypatch):
    """With the machine's own root: what a test kills is the server, and it is started again."""
    folder = tmp_path / "bin"
    servers.write_wrappers(folder, "/", {"redis-server": shutil.which("redis-server")})
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    redis = lab.redis()
    for starts in (1, 2):
        with redis.client() as client:
            assert f"process_id:{redis.process.pid}\r\n" in client("INFO", "server")
        assert servers.starts(folder, "redis-server") == starts
        redis.kill()
        assert redis.process.exit_code() == -9
        redis.start()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may make a namespace of mounts")
def test_a_program_inside_a_root_works_on_it(tmp_path):
    """Its words do not name the root, and its mounts are not seen from outside."""
    child = subprocess.Popen([*namespace.UNSHARE, "sh", "-c",
                              f"mount --rbind / {tmp_path}; exec chroot {tmp_path} sleep 60"])
    try:
        until(lambda: roots.working_on(tmp_path), 10, "the program is inside")
    finally:
        child.kill()
        child.wait()
    until(lambda: not roots.working_on(tmp_path), 10, "it is not any more")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may make a namespace of mounts")
def test_a_namespace_leaves_nothing_when_it_ends(tmp_path):
    """A process in the background and a mount: at the end of the first process, and when the time
    is over."""
    mark = tmp_path / "mark"
    mark.mkdir()
    for end, timeout_s, code in [("sleep 3127 & exit 5", 30, 5), ("sleep 3127", 0.5, None)]:
        words = [*namespace.UNSHARE, "sh", "-c",
                 f"mount -t tmpfs tmpfs {mark} && touch {mark}/seen; {end}"]
        assert namespace.run(words, timeout_s, None) == code
        assert list(mark.iterdir()) == []
        until(lambda: not roots.working_on("3127"), 10, "no process is left")


@pytest.mark.parametrize("shown, version", [
    ("Redis server v=8.0.2 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1", "8.0.2"),
    ("Valkey server v=9.1.2 sha=00000000:0 malloc=jemalloc-5.3.1 bits=64", "9.1.2"),
    ("/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", "9.7.4"),
    ("mariadbd  Ver 11.8.3-MariaDB-0+deb13u1 from Debian for debian-linux-gnu", "11.8.3"),
    ("chroot: cannot change root directory", None)])
def test_a_servers_version_is_what_it_says(shown, version):
    assert servers.shown_version(shown) == version


def test_every_server_has_one_program_that_the_tests_start():
    for name, server in servers.SERVERS.items():
        assert servers.main_program(server) in server.programs, name
        assert server.suite in roots.SUITES, name
        assert server.kind in servers.UNIT_PROGRAMS, name


# ---- What is read from logs.

def test_the_last_line_of_make_test_is_found_in_a_log():
    log = ("==== make test\nskipped: a::b: why\ntest: all suites in 9 s, 3 skipped\n"
           "1480 passed, 0 failed\nmake: done\n")
    assert builds.tested(log) == ("1480 passed, 0 failed", 3)
    assert builds.tested(log.replace(", 3 skipped", "")) == ("1480 passed, 0 failed", 0)
    assert builds.tested("==== make test\nunit base 3 passed, 0 failed   1 s\n") is None


def test_columns_of_a_table_are_as_wide_as_their_widest_cell():
    assert table(("server", "n"), [("redis", 7), ("a longer name", 12)]) == (
        "server          n\nredis           7\na longer name  12")


# ---- Where there are no rights.

@pytest.mark.skipif(os.getuid() != 0, reason="root gives up its rights to see what others see")
@pytest.mark.parametrize("script", ["roots", "portability", "matrix"])
def test_without_the_rights_of_root_it_says_what_is_missing(script):
    """From a copy, since a clone in /root, as pytest's folder, can be read by root alone."""
    words = ["valkey-9.1"] if script == "matrix" else ["trixie"]
    with tempfile.TemporaryDirectory(prefix="sluice-tree-") as tree:
        os.chmod(tree, 0o755)
        shutil.copytree(TESTS.parent / "scripts", f"{tree}/scripts")
        shutil.copytree(TESTS / "portability", f"{tree}/tests/portability")
        shutil.copytree(TESTS / "system" / "harness", f"{tree}/tests/system/harness")
        done = subprocess.run(
            [f"{tree}/scripts/{script}", *words], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60, user=65534, group=65534)
    assert done.returncode == 1
    assert "only root may do: start this with sudo" in done.stdout
