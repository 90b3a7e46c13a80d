"""A primary and its replica: real servers, replicating by GTID, of which one takes writes."""

import pymysql

from . import sql_program
from .sql_server import PASSWORD, USER, Database
from .waiting import until

_MARIADB = ["--log-slave-updates", "--binlog-format=ROW"]
_MYSQL = ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]


class Pair:
    """`primary` and `replica`, which is read-only and follows from the beginning on."""

    def __init__(self, lab):
        self.primary, self.replica = (
            lab.sql_server(options=[
                "--log-bin=bin", f"--server-id={number}", "--sync-binlog=1",
                *(_MARIADB if sql_program.IS_MARIADB else _MYSQL)]) for number in (1, 2))
        self.set_read_only(self.replica, True)
        self.follow()

    def database(self, name="shop"):
        """On both, as (primary's, replica's)."""
        Database(self.primary, name).create()
        self.wait_caught_up()
        return Database(self.primary, name), Database(self.replica, name)

    def follow(self):
        if sql_program.IS_MARIADB:
            self.replica.query(
                f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={self.primary.port}, "
                f"MASTER_USER='{USER}', MASTER_PASSWORD='{PASSWORD}', MASTER_USE_GTID=slave_pos")
            self.replica.query("START SLAVE")
        else:
            self.replica.query(
                f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', "
                f"SOURCE_PORT={self.primary.port}, SOURCE_USER='{USER}', "
                f"SOURCE_PASSWORD='{PASSWORD}', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1")
            self.replica.query("START REPLICA")

    def stop_following(self):
        self.replica.query("STOP SLAVE" if sql_program.IS_MARIADB else "STOP REPLICA")

    def wait_caught_up(self):
        """The replica has all that the primary had committed before."""
        if sql_program.IS_MARIADB:
            (position,), = self.primary.query("SELECT @@GLOBAL.gtid_binlog_pos")
            (code,), = self.replica.query("SELECT MASTER_GTID_WAIT(%s, 30)", position)
        else:
            (position,), = self.primary.query("SELECT @@GLOBAL.gtid_executed")
            (code,), = self.replica.query("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 30)", position)
        assert code == 0, self.replica.process.log_tail()

    @staticmethod
    def set_read_only(server, on):
        server.query(f"SET GLOBAL read_only = {'ON' if on else 'OFF'}")

    def promote(self):
        self.stop_following()
        self.set_read_only(self.replica, False)

    def addresses(self):
        return [f"127.0.0.1:{server.port}" for server in (self.primary, self.replica)]


def make_plain_user(server, name="plain"):
    """One that a read-only server refuses, unlike USER. Only root may make it."""
    root = pymysql.connect(**sql_program.connect_arguments(server.socket, server.port), user="root")
    with root.cursor() as cursor:
        cursor.execute(f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, INDEX ON *.* TO {name}@'%'")
    root.close()


def until_rows(database, rows, within_s=40):
    """Waits until the orders table, which may not be there yet, has as many."""
    def count():
        try:
            return database.one("SELECT COUNT(*) FROM orders")[0]
        except Exception as error:  # the server is down, or has no such table yet
            return str(error)
    until(lambda: count() == rows, within_s, f"{rows} orders", every_s=0.05)
