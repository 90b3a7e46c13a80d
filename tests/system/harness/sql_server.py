"""A real mariadbd or mysqld: one template folder a test run, copied for each server."""

import pathlib
import shutil
import subprocess

import pymysql

from . import sql_program
from .ports import free_port
from .process import Process
from .waiting import until

USER, PASSWORD = "sluice", "sluice-test"
INSTALL_TIMEOUT_S = 120


def make_template(folder):
    """Makes an empty data folder: the slow part, once."""
    folder = pathlib.Path(folder)
    done = subprocess.run(sql_program.install_argv(folder, folder.parent),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=INSTALL_TIMEOUT_S)
    assert done.returncode == 0, done.stdout


class SqlServer:
    """A server in `folder`, reachable on 127.0.0.1:port as USER with PASSWORD.

    Small and quick to start, but as durable as a real one: each COMMIT is synced.
    """

    def __init__(self, template, folder, options=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.data = self.folder / "data"
        shutil.copytree(template, self.data)
        # A replica of another copy must not have its identity, which a MySQL makes anew.
        (self.data / "auto.cnf").unlink(missing_ok=True)
        self.port = free_port()
        self.socket = self.folder / "my.sock"
        accounts = self.folder / "accounts.sql"
        accounts.write_text(
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%';\n")
        self.process = Process(
            sql_program.PROGRAM,
            sql_program.server_argv(self.data, self.folder, [
                f"--port={self.port}", "--bind-address=127.0.0.1", f"--init-file={accounts}",
                *options]),
            self.folder / f"{sql_program.PROGRAM}.log")

    def start(self):
        self.process.start()
        until(self._answers, 60, f"{self.process.name} on port {self.port}", every_s=0.05)
        return self

    def _answers(self):
        assert self.process.alive(), self.process.log_tail()
        try:
            self.connect().close()
            return True
        except pymysql.err.OperationalError as error:
            return error.args[0] not in (2003, 2013, 1045)  # not up, or accounts not there yet

    def connect(self, database=None):
        return pymysql.connect(**sql_program.connect_arguments(self.socket, self.port), user=USER,
                               password=PASSWORD, database=database, autocommit=True,
                               connect_timeout=10, read_timeout=60, charset="utf8mb4")

    def query(self, sql, *args, database=None):
        """All rows, as tuples."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, args or None)
                return cursor.fetchall()
        finally:
            connection.close()

    def kill(self):
        self.process.kill()

    def stop(self):
        return self.process.stop(60)


class Database:
    """One empty database on a server, as a test sees it."""

    def __init__(self, server, name):
        self.server = server
        self.name = name

    def create(self):
        self.server.query(f"CREATE DATABASE {self.name}")
        return self

    def query(self, sql, *args):
        return self.server.query(sql, *args, database=self.name)

    def one(self, sql, *args):
        """The single row of a query that has one."""
        rows = self.query(sql, *args)
        assert len(rows) == 1, (sql, rows)
        return rows[0]
