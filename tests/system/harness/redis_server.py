"""A real redis-server, killed and started again on the same port and folder."""

from .ports import free_port
from .process import Process
from .resp import Client
from .waiting import until


class RedisServer:
    """appendfsync: "always", "everysec", "no", or None for no append-only file at all."""

    def __init__(self, folder, appendfsync="always", options=()):
        self.folder = folder
        self.folder.mkdir()
        self.port = free_port()
        persistence = ["--appendonly", "no"]
        if appendfsync is not None:
            persistence = ["--appendonly", "yes", "--appendfsync", appendfsync]
        self.process = Process(
            "redis-server",
            ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", folder,
             "--save", "", "--maxmemory-policy", "noeviction", *persistence, *options],
            folder / "redis.log")

    def start(self):
        self.process.start()
        until(self._answers, 20, f"redis-server on port {self.port}")
        return self

    def _answers(self):
        assert self.process.alive(), self.process.log_tail()
        with self.client() as client:
            return client("PING") == "PONG"

    def client(self):
        return Client(self.port)

    def kill(self):
        self.process.kill()

    def stop(self):
        return self.process.stop()
