"""MySQL's group replication: real members on this machine."""

import uuid

import pymysql

from . import sql_program
from .ports import free_port
from .sql_server import PASSWORD, USER
from .waiting import until

JOIN_WITHIN_S = 60


class Group:
    """`size` members; with several primaries all of them take writes, else the first does."""

    def __init__(self, lab, size=3, several_primaries=False):
        name = uuid.uuid4()
        ports = [free_port() for _ in range(size)]
        seeds = ",".join(f"127.0.0.1:{port}" for port in ports)
        mode = {"single-primary-mode": "OFF" if several_primaries else "ON",
                "enforce-update-everywhere-checks": "ON" if several_primaries else "OFF"}
        self.members = []
        for number, port in enumerate(ports, 1):
            options = {
                "group-name": name, "local-address": f"127.0.0.1:{port}", "group-seeds": seeds,
                "start-on-boot": "OFF", "recovery-get-public-key": "ON",
                "member-expel-timeout": "0", **mode}
            member = lab.sql_server(start=False, options=[
                "--log-bin=bin", f"--server-id={number}", "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON", "--performance-schema=ON",
                "--plugin-load-add=group_replication.so", "--report-host=127.0.0.1",
                *(f"--loose-group-replication-{key}={value}" for key, value in options.items())])
            accounts = member.folder / "accounts.sql"
            # Each member makes them by itself, and none of it is the group's history.
            accounts.write_text("SET SESSION sql_log_bin = 0;\n" + accounts.read_text())
            self.members.append(member.start())
        as_root(self.members[0], "SET GLOBAL group_replication_bootstrap_group = ON")
        self.join(self.members[0])
        as_root(self.members[0], "SET GLOBAL group_replication_bootstrap_group = OFF")
        for member in self.members[1:]:
            self.join(member)

    def join(self, member):
        as_root(member,
                f"CHANGE REPLICATION SOURCE TO SOURCE_USER='{USER}', SOURCE_PASSWORD='{PASSWORD}' "
                "FOR CHANNEL 'group_replication_recovery'",
                "START GROUP_REPLICATION")
        until(lambda: self.state(member) == "ONLINE", JOIN_WITHIN_S, "the member is online")

    @staticmethod
    def state(member):
        rows = member.query("SELECT member_state FROM performance_schema.replication_group_members "
                            "WHERE member_port = @@port")
        return rows[0][0] if rows else "none"


def as_root(server, *statements):
    root = pymysql.connect(**sql_program.connect_arguments(server.socket, server.port), user="root",
                           read_timeout=JOIN_WITHIN_S)
    with root.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    root.close()
