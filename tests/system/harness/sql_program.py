"""How the SQL server that the tests run is made and started: the one place that knows of MariaDB's
and MySQL's ways.

It is the machine's mariadbd, unless SLUICE_TEST_SQL_SERVER names `mysqld`: then a MySQL 8.4 or
newer. scripts/matrix sets it.
"""

import os

PROGRAM = os.environ.get("SLUICE_TEST_SQL_SERVER", "mariadbd")
IS_MARIADB = PROGRAM == "mariadbd"
assert PROGRAM in ("mariadbd", "mysqld"), f"SLUICE_TEST_SQL_SERVER={PROGRAM}"

# Both refuse to run as root unless they are told to.
AS_USER = ["--user=root"] if os.getuid() == 0 else []
# How large the log of changes is, which both write in full when they make a data folder.
_LOG = ["--innodb-log-file-size=32M"] if IS_MARIADB else ["--innodb-redo-log-capacity=32M"]
# MySQL listens for its second protocol too, on a fixed port, unless it is told not to.
_ONLY_SQL = [] if IS_MARIADB else ["--mysqlx=OFF"]


def install_argv(data, scratch):
    """Makes an empty data folder with an account root without password: the slow part.

    `scratch`: a private folder for its temporary tables. A mariadbd that starts removes those of
    all others that share its tmpdir.
    """
    if IS_MARIADB:
        return ["mariadb-install-db", "--no-defaults", f"--datadir={data}", *AS_USER,
                "--auth-root-authentication-method=normal", "--skip-test-db",
                "--skip-name-resolve", *_LOG, f"--tmpdir={scratch}"]
    return ["mysqld", "--no-defaults", "--initialize-insecure", f"--datadir={data}", *AS_USER,
            *_LOG, f"--tmpdir={scratch}"]


def server_argv(data, folder, options=()):
    """Starts a server of that data folder: small and quick to start, but each COMMIT is synced.

    Its socket, pid file and temporary tables are in `folder`.
    """
    return [PROGRAM, "--no-defaults", f"--datadir={data}", *AS_USER, *_LOG, *_ONLY_SQL,
            f"--socket={folder}/my.sock", f"--pid-file={folder}/my.pid", f"--tmpdir={folder}",
            "--skip-name-resolve", "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=1", "--skip-log-bin", "--performance-schema=0",
            "--innodb-buffer-pool-dump-at-shutdown=0", "--innodb-fast-shutdown=1",
            "--character-set-server=utf8mb4", *options]


def connect_arguments(socket, port):
    """How pymysql reaches it.

    MySQL's accounts have caching_sha2_password, for which pymysql needs a package of its own,
    unless the connection is one that nobody else can read: a unix socket.
    """
    return {"host": "127.0.0.1", "port": port} if IS_MARIADB else {"unix_socket": str(socket)}
