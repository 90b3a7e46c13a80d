"""A wrong config is refused before anything starts: exit 2, and file, line and key are named."""

import pytest

from harness import daemons

PROXY = """[redis]
servers = ["127.0.0.1:6379"]

[journal]
dir = "{dir}/journal"
"""

FLUSHER = """[journal]
dir = "{dir}/journal"

[mysql]
host = "127.0.0.1"
user = "sluice"
database = "shop"
"""

WRONG = [
    # program, good text, added text, the line and the key that the message must name
    ("sluice-proxy", PROXY, 'fsink = "always"', "journal.fsink"),
    ("sluice-proxy", PROXY, "fsync = 1", "journal.fsync"),
    ("sluice-proxy", PROXY, 'fsync = "sometimes"', "journal.fsync"),
    ("sluice-proxy", PROXY, "segment_bytes = 67108864", "journal.segment_bytes"),
    ("sluice-proxy", PROXY, 'segment_bytes = "64"', "journal.segment_bytes"),
    ("sluice-proxy", PROXY, 'segment_bytes = "64 parsecs"', "journal.segment_bytes"),
    ("sluice-proxy", PROXY, '[proxy]\nid = 1024', "proxy.id"),
    ("sluice-proxy", PROXY, '[proxy]\nid = -1', "proxy.id"),
    ("sluice-proxy", PROXY, '[proxy]\nid = "one"', "proxy.id"),
    ("sluice-proxy", PROXY, '[listen]\naddress = 6479', "listen.address"),
    ("sluice-proxy", PROXY, "[lissen]\naddress = \"127.0.0.1:1\"", "lissen"),
    ("sluice-flusher", FLUSHER, "port = \"3306\"", "mysql.port"),
    ("sluice-flusher", FLUSHER, "create_schema = \"yes\"", "mysql.create_schema"),
    ("sluice-flusher", FLUSHER, "[trigger]\nmax_age = 10", "trigger.max_age"),
    ("sluice-flusher", FLUSHER, "[trigger]\nmax_age = \"10\"", "trigger.max_age"),
    ("sluice-flusher", FLUSHER, "[batch]\nrows = 0", "batch.rows"),
    ("sluice-flusher", FLUSHER, "[batch]\nbytes = 1000000", "batch.bytes"),
]


@pytest.mark.parametrize("program, good, added, key", WRONG)
def test_a_wrong_config_exits_2_naming_file_line_and_key(lab, program, good, added, key):
    config = lab.folder / "daemon.toml"
    text = good.format(dir=lab.folder) + added + "\n"
    config.write_text(text)
    done = daemons.run(program, "--config", config, timeout_s=20)
    assert done.returncode == 2, done
    line = len(text.splitlines())
    if key == "lissen":
        line -= 1  # the section is unknown, so its header is named
        assert f"{config}:" in done.stderr and key in done.stderr, done.stderr
    else:
        assert f"{config}:{line}:" in done.stderr and key in done.stderr, done.stderr
    assert not (lab.folder / "journal").exists(), "something was started"


@pytest.mark.parametrize("program, good", [("sluice-proxy", PROXY), ("sluice-flusher", FLUSHER)])
def test_check_accepts_a_good_config_and_starts_nothing(lab, program, good):
    config = lab.folder / "daemon.toml"
    config.write_text(good.format(dir=lab.folder))
    done = daemons.run(program, "--config", config, "--check", timeout_s=20)
    assert done.returncode == 0, done.stderr
    assert not (lab.folder / "journal").exists()


@pytest.mark.parametrize("program, good, added, word", [
    ("sluice-proxy", PROXY, '[listen]\naddress = "nohost"', "listen.address"),
    ("sluice-proxy", PROXY, '[listen]\naddress = "127.0.0.1:99999"', "listen.address"),
    ("sluice-proxy", PROXY, f'[listen]\nunix_socket = "/{"a" * 200}"', "listen.unix_socket"),
    ("sluice-proxy", PROXY, '[admin]\naddress = "9479"', "admin.address"),
    ("sluice-proxy", PROXY, '[admin]\ntoken_file = "/no/such/file"', "admin.token_file"),
    ("sluice-flusher", FLUSHER, '[admin]\naddress = "9480"', "admin.address"),
    ("sluice-flusher", FLUSHER, '[admin]\ntoken_file = "/no/such/file"', "admin.token_file"),
])
def test_check_refuses_what_cannot_work_anywhere(lab, program, good, added, word):
    config = lab.folder / "daemon.toml"
    config.write_text(good.format(dir=lab.folder) + added + "\n")
    for more in (["--check"], []):
        done = daemons.run(program, "--config", config, *more, timeout_s=20)
        assert done.returncode == 2, done
        assert word in done.stderr and str(config) in done.stderr, done.stderr
    assert not (lab.folder / "journal").exists(), "something was started"


@pytest.mark.parametrize("program", ["sluice-proxy", "sluice-flusher"])
def test_a_folder_is_not_an_empty_config(lab, program):
    done = daemons.run(program, "--config", lab.folder, "--check", timeout_s=20)
    assert done.returncode == 2 and str(lab.folder) in done.stderr, done


@pytest.mark.parametrize("program", ["sluice-proxy", "sluice-flusher"])
def test_a_config_that_is_no_toml_or_not_there_exits_2(lab, program):
    config = lab.folder / "daemon.toml"
    missing = daemons.run(program, "--config", config, timeout_s=20)
    assert missing.returncode == 2 and str(config) in missing.stderr, missing
    config.write_text('[journal]\ndir = "x\n')
    broken = daemons.run(program, "--config", config, timeout_s=20)
    assert broken.returncode == 2 and f"{config}:2" in broken.stderr, broken


@pytest.mark.parametrize("program, good", [("sluice-proxy", PROXY), ("sluice-flusher", FLUSHER)])
def test_set_overrides_the_file_and_is_checked_like_it(lab, program, good):
    config = lab.folder / "daemon.toml"
    config.write_text(good.format(dir=lab.folder))
    right = daemons.run(program, "--config", config, "--check", "--set", "log.level=warn")
    assert right.returncode == 0, right.stderr
    unknown = daemons.run(program, "--config", config, "--check", "--set", "log.levle=warn")
    assert unknown.returncode == 2 and "log.levle" in unknown.stderr, unknown
    wrong = daemons.run(program, "--config", config, "--check", "--set", "log.level=loud")
    assert wrong.returncode == 2 and "log.level" in wrong.stderr, wrong


@pytest.mark.parametrize("program",
                         ["sluice-proxy", "sluice-flusher", "sluice-ctl", "sluice-bench"])
def test_help_and_bad_arguments(program):
    """--help exits 0 with a text; an argument that nobody knows exits 2."""
    shown = daemons.run(program, "--help")
    assert shown.returncode == 0 and len(shown.stdout) > 100
    wrong = daemons.run(program, "--no-such-thing")
    assert wrong.returncode == 2, wrong


@pytest.mark.parametrize("program", ["sluice-proxy", "sluice-flusher"])
def test_version(program):
    shown = daemons.run(program, "--version")
    assert shown.returncode == 0 and "0." in shown.stdout


@pytest.mark.parametrize("name", ["proxy", "flusher"])
def test_the_sample_configs_are_good(lab, name):
    """conf/NAME.toml (the manual) and conf/minimal/NAME.toml pass --check as they are shipped, but
    for the password file, which is the operator's to make."""
    password = lab.folder / "password"
    password.write_text("secret\n")
    own = ["--set", f"mysql.password_file={password}"] if name == "flusher" else []
    for folder in ("conf", "conf/minimal"):
        config = daemons.ROOT / folder / f"{name}.toml"
        done = daemons.run(f"sluice-{name}", "--config", config, "--check", *own)
        assert done.returncode == 0, done.stderr


def test_two_proxies_cannot_share_a_journal(lab):
    """The second one exits 3, naming the folder."""
    redis = lab.redis()
    lab.proxy(redis)
    second = lab.proxy(redis, start=False)
    second.start(wait=False)
    assert second.process.wait(20) == 3
    assert str(lab.journal) in second.process.log()


def test_a_busy_port_is_named(lab):
    """The listen address is taken: exit 1 (or 2), and the message names the address."""
    redis = lab.redis()
    proxy = lab.proxy(redis, start=False, listen__address=f"127.0.0.1:{redis.port}")
    proxy.start(wait=False)
    assert proxy.process.wait(20) in (1, 2)
    assert str(redis.port) in proxy.process.log()
