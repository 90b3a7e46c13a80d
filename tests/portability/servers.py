"""The servers that the matrix knows, and the programs that stand for them.

A test starts `redis-server` or `mariadbd` by name. The matrix puts a folder first on the PATH whose
programs of that name enter the server's root and become the server there, with the same process id:
so a test's kill reaches the server, and the kernel ends it with the test as ever. The mounts are
those of the namespace in which the whole run stands (namespace.py).
"""

import collections
import pathlib
import re
import shlex
import subprocess

# kind: which tests' servers it takes the place of, "redis" or "sql".
# programs: the name that tests use → the program in the root.
Server = collections.namedtuple("Server", "kind suite packages programs")

_REDIS = {name: f"/usr/bin/{name}" for name in ("redis-server", "redis-cli", "redis-benchmark")}
_VALKEY = {name: f"/usr/bin/{name.replace('redis', 'valkey')}" for name in _REDIS}
_REDIS_PACKAGES = ("redis-server", "redis-tools")
_VALKEY_PACKAGES = ("valkey-server", "valkey-tools")

SERVERS = {
    "redis-7.0": Server("redis", "bookworm", _REDIS_PACKAGES, _REDIS),
    "redis-8.0-trixie": Server("redis", "trixie", _REDIS_PACKAGES, _REDIS),
    "redis-8.0-sid": Server("redis", "sid", _REDIS_PACKAGES, _REDIS),
    "valkey-8.1": Server("redis", "trixie", _VALKEY_PACKAGES, _VALKEY),
    "valkey-9.1": Server("redis", "sid", _VALKEY_PACKAGES, _VALKEY),
    "mysql-9.7": Server("sql", "sid", ("mysql-server",), {"mysqld": "/usr/sbin/mysqld"}),
    "mariadb-11.8": Server("sql", "trixie", ("mariadb-server", "mariadb-client"), {
        "mariadbd": "/usr/sbin/mariadbd", "mariadb": "/usr/bin/mariadb",
        "mariadb-admin": "/usr/bin/mariadb-admin",
        "mariadb-install-db": "/usr/bin/mariadb-install-db"}),
}

# The unit test programs that start a server of that kind.
UNIT_PROGRAMS = {"redis": ("test_sale", "test_front"), "sql": ("test_sql", "test_flusher")}
VERSION = re.compile(r"(?:v=|Ver )(\d+\.\d+\.\d+)")
SQL_SERVER_VARIABLE = "SLUICE_TEST_SQL_SERVER"  # read by tests/system/harness/sql_program.py



def wrapper(root, program, starts):
    """The text of a program that becomes `program` of `root`, in the caller's folder if the root
    has it (paths below /tmp are the same on both sides); each start is a line of the file `starts`.
    """
    inner = 'cd "$0" 2>/dev/null; exec "$@"'
    return ("#!/bin/sh\n"
            f"# Becomes {program} of the root, with this process id. Made by scripts/matrix.\n"
            f"echo started >>{shlex.quote(str(starts))}\n"
            f"exec /usr/sbin/chroot {shlex.quote(str(root))} /bin/sh -c {shlex.quote(inner)} "
            f'"$PWD" {program} "$@"\n')


def write_wrappers(folder, root, programs):
    """Makes `folder`, with a program for each name; FOLDER/NAME.starts counts its starts."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, program in programs.items():
        path = folder / name
        path.write_text(wrapper(root, program, starts_file(folder, name)))
        path.chmod(0o755)


def starts_file(folder, name):
    return pathlib.Path(folder) / f"{name}.starts"


def starts(folder, name):
    """How often the program `name` of the wrappers in `folder` was started."""
    file = starts_file(folder, name)
    return len(file.read_text().splitlines()) if file.exists() else 0


def forget_starts(folder):
    for file in pathlib.Path(folder).glob("*.starts"):
        file.unlink()


def sql_program(server):
    """The program that the tests start as their SQL server when they stand before `server`."""
    return main_program(server) if server.kind == "sql" else "mariadbd"


def main_program(server):
    """The name of the server's own program among its programs."""
    return next(name for name in ("redis-server", "mysqld", "mariadbd") if name in server.programs)


def shown_version(text):
    """"8.0.2" from what a server prints for --version, None if there is none."""
    found = VERSION.search(text)
    return found[1] if found else None


def ask_version(folder, server):
    """What the program that the tests will start says of itself."""
    done = subprocess.run([str(pathlib.Path(folder) / main_program(server)), "--version"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.stdout.strip()
