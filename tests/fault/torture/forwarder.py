"""A TCP link that can be held up, cut, and pointed at another server.

As a program: forwards connections to 127.0.0.1:PORT to a target port, and obeys one word a line on
its control port, each answered with "ok":

    target PORT   cuts all connections; new ones go to PORT
    hold          nothing is passed on any more; what comes meanwhile waits here
    flow          passes on what waited, and all that follows
    cut           closes all connections; what waited is lost

It runs as a process of its own so that the load on it does not slow the orchestrator.
"""

import asyncio
import pathlib
import socket
import sys

CHUNK_BYTES = 1 << 16


class Link:
    def __init__(self, target):
        self.target = target
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.writers = set()

    async def connected(self, reader, writer):
        self.writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            self._close(writer)
            return
        self.writers.add(far_writer)
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader, writer):
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                await self.flowing.wait()
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        self._close(writer)

    def _close(self, writer):
        self.writers.discard(writer)
        writer.close()

    def cut(self):
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    def obey(self, words):
        if words[0] == "target":
            self.target = int(words[1])
            self.cut()
        elif words[0] == "hold":
            self.flowing.clear()
        elif words[0] == "flow":
            self.flowing.set()
        elif words[0] == "cut":
            self.cut()
        else:
            raise ValueError(words)

    async def control(self, reader, writer):
        while line := await reader.readline():
            self.obey(line.decode().split())
            writer.write(b"ok\n")
            await writer.drain()
        writer.close()


async def serve(port, control_port, target):
    link = Link(target)
    await asyncio.start_server(link.connected, "127.0.0.1", port, reuse_address=True)
    server = await asyncio.start_server(link.control, "127.0.0.1", control_port)
    await server.serve_forever()


class Forwarder:
    """The orchestrator's handle of one forwarder process."""

    def __init__(self, process_class, free_port, until, name, folder, target):
        self.port = free_port()
        self._control_port = free_port()
        self._until = until
        self.process = process_class(
            name, [sys.executable, pathlib.Path(__file__), self.port, self._control_port, target],
            folder / f"{name}.log")
        self._socket = None

    def start(self):
        self.process.start()
        self._until(self._connect, 10, self.process.name)
        return self

    def _connect(self):
        self._socket = socket.create_connection(("127.0.0.1", self._control_port), timeout=10)
        return True

    def tell(self, *words):
        self._socket.sendall((" ".join(map(str, words)) + "\n").encode())
        answer = self._socket.recv(16)
        assert answer == b"ok\n", (words, answer)


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:4])))
