"""sluice-proxy, sluice-flusher and sluice-ctl from the build folder, as an operator runs them."""

import json
import os
import pathlib
import subprocess

from . import admin, sql_program
from .sql_server import PASSWORD, USER
from .ports import free_port
from .process import Process
from .resp import Client
from .waiting import until

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")) / "bin"
START_WITHIN_S = 20


def toml(settings):
    """{"listen.address": "…"} as a TOML document; None leaves a key out."""
    sections = {}
    for key, value in settings.items():
        if value is not None:
            section, name = key.split(".", 1)
            sections.setdefault(section, []).append(f"{name} = {_toml_value(value)}")
    return "".join(f"[{section}]\n" + "\n".join(lines) + "\n\n"
                   for section, lines in sections.items())


def _toml_value(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml_value(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)  # of strings, numbers, booleans and lists the same text


def run(program, *arguments, timeout_s=60):
    """Runs a program to its end: code, stdout and stderr."""
    return subprocess.run([str(BIN / program), *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout_s)


class Daemon:
    """A program with a config file and an admin port. The ports stay the same over restarts."""

    program = None

    def __init__(self, folder, name, settings):
        self.folder = folder
        self.folder.mkdir()
        self.name = name
        self.admin_port = free_port()
        self.settings = {"admin.address": f"127.0.0.1:{self.admin_port}", "log.level": "info",
                         **settings}
        self.config = folder / f"{name}.toml"
        self.write_config()
        self.process = Process(name, [BIN / self.program, "--config", self.config],
                               folder / f"{name}.log")

    def write_config(self):
        self.config.write_text(toml(self.settings))

    def start(self, wait=True):
        self.process.start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, within_s=START_WITHIN_S):
        until(self.ready, within_s, f"{self.name}: /readyz")

    def ready(self):
        assert self.process.alive(), (
            f"{self.name} ended with {self.process.exit_code()}\n{self.process.log_tail()}")
        return admin.request("GET", self.admin_port, "/readyz").status == 200

    def get(self, path, **kwargs):
        return admin.request("GET", self.admin_port, path, **kwargs)

    def post(self, path, **kwargs):
        return admin.request("POST", self.admin_port, path, **kwargs)

    def metrics(self):
        return admin.metrics(self.admin_port)

    def kill(self):
        """SIGKILL."""
        self.process.kill()

    def stop(self, within_s=20):
        """SIGTERM; the exit code."""
        return self.process.stop(within_s)


class Proxy(Daemon):
    program = "sluice-proxy"

    def __init__(self, folder, name, redis_port, journal, settings):
        self.port = free_port()
        self.journal = journal
        super().__init__(folder, name, {
            "listen.address": f"127.0.0.1:{self.port}",
            "redis.servers": [f"127.0.0.1:{redis_port}"],
            "journal.dir": str(journal),
            "journal.segment_bytes": "4MiB",
            "proxy.id": 0,
            **settings})

    def client(self, **kwargs):
        return Client(self.port, **kwargs)

    def wait_listening(self, within_s=START_WITHIN_S):
        """The port accepts; purchases may still be answered -LOADING."""
        def listening():
            assert self.process.alive(), self.process.log_tail()
            self.client().close()
            return True
        until(listening, within_s, f"{self.name} on port {self.port}")


class Flusher(Daemon):
    """Drains at once by default: the age trigger is set to its smallest useful value."""

    program = "sluice-flusher"

    def __init__(self, folder, name, database, journal, settings):
        password = folder.parent / "mysql.password"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        super().__init__(folder, name, {
            "journal.dir": str(journal),
            "mysql.host": "127.0.0.1",
            "mysql.port": database.server.port,
            "mysql.user": USER,
            "mysql.password_file": str(password),
            "mysql.database": database.name,
            "mysql.create_schema": True,
            # MySQL's accounts have caching_sha2_password.
            "mysql.allow_public_key_retrieval": not sql_program.IS_MARIADB,
            "trigger.max_age": "200ms",
            **settings})

    def once(self, timeout_s=120):
        """sluice-flusher --once: drains all there is; the finished process."""
        return run(self.program, "--config", self.config, "--once", timeout_s=timeout_s)
