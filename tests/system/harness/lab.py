"""Everything that one test starts, in one folder, and its end."""

import itertools
import pathlib
import shutil
import tempfile

from .daemons import Flusher, Proxy, run
from .sql_server import Database, SqlServer, make_template
from .redis_server import RedisServer

_database_numbers = itertools.count(1)


# Settings of a flusher that drains only when it is told to.
HOLD = {"trigger__max_age": "24h", "trigger__load_below": "0/s"}


class Lab:
    def __init__(self, shared):
        """shared: the session's Shared."""
        self.shared = shared
        # A short name: a unix socket's path has 107 bytes at most.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-test-"))
        self.journal = self.folder / "journal"
        self.processes = []
        self._names = {}

    def _folder(self, name):
        number = self._names[name] = self._names.get(name, 0) + 1
        return self.folder / (name if number == 1 else f"{name}{number}")

    def _keep(self, thing):
        self.processes.append(thing.process)
        return thing

    def redis(self, **kwargs):
        """A running redis-server of this test's own."""
        return self._keep(RedisServer(self._folder("redis"), **kwargs)).start()

    def sql_server(self, start=True, **kwargs):
        """A MariaDB or MySQL of this test's own, for tests that stop or hurt it."""
        server = self._keep(SqlServer(self.shared.template(), self._folder("sql"), **kwargs))
        return server.start() if start else server

    def database(self):
        """An empty database on the server that the tests share."""
        return Database(self.shared.sql_server(), f"sluice_{next(_database_numbers)}").create()

    def proxy(self, redis, start=True, journal=None, **settings):
        """settings: config keys with '__' for the dot, e.g. journal__fsync="no". It waits for no
        flusher unless it is told of one."""
        folder = self._folder("proxy")
        settings = {"flusher__admin": "", **settings}
        proxy = self._keep(Proxy(folder, folder.name, redis.port, journal or self.journal,
                                 _keys(settings)))
        return proxy.start() if start else proxy

    def flusher(self, database, start=True, journal=None, **settings):
        folder = self._folder("flusher")
        flusher = self._keep(Flusher(folder, folder.name, database, journal or self.journal,
                                     _keys(settings)))
        return flusher.start() if start else flusher

    def ctl(self, *arguments, **kwargs):
        return run("sluice-ctl", *arguments, **kwargs)

    def stack(self, proxy=None, flusher=None):
        """The usual whole: (redis, database, proxy, flusher), all running and wired."""
        redis, database = self.redis(), self.database()
        drain = self.flusher(database, start=False, **(flusher or {}))
        front = self.proxy(redis, flusher__admin=f"http://127.0.0.1:{drain.admin_port}",
                           **(proxy or {}))
        drain.start()  # is ready once there is a journal, which the proxy makes
        return redis, database, front, drain

    def end(self):
        """Ends every process, the youngest first, whatever state it is in."""
        for process in reversed(self.processes):
            process.kill()

    def logs(self):
        """(name, end of its log) of every process, for the report of a failed test."""
        return [(f"{process.name} ({process.log_path})", process.log_tail())
                for process in self.processes]

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def _keys(settings):
    return {name.replace("__", ".", 1): value for name, value in settings.items()}


class Shared:
    """What all tests of a run share because it is slow to make; started when first asked for."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-shared-"))
        self._template = None
        self._sql_server = None

    def template(self):
        if self._template is None:
            self._template = self.folder / "template"
            make_template(self._template)
        return self._template

    def sql_server(self):
        if self._sql_server is None:
            self._sql_server = SqlServer(self.template(), self.folder / "sql").start()
        return self._sql_server

    def end(self):
        if self._sql_server is not None:
            self._sql_server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
