"""A real redis-server and sluice-proxy on free ports, and raw connections to both."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from harness.ports import free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build"))
PROXY = os.path.join(BUILD, "bin", "sluice-proxy")


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("timed out: " + what)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Raw:
    """One connection; bytes in and out."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(10)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def read(self, size):
        while len(self.buffer) < size:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def line(self):
        while b"\r\n" not in self.buffer:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        end = self.buffer.index(b"\r\n") + 2
        out, self.buffer = self.buffer[:end], self.buffer[end:]
        return out

    def reply(self):
        """The bytes of one whole reply, RESP2 or RESP3."""
        head = self.line()
        kind, rest = head[:1], head[1:-2]
        if kind in b"$=!":
            return head if rest == b"-1" else head + self.read(int(rest) + 2)
        if kind in b"*~>":
            return head + b"".join(self.reply() for _ in range(max(0, int(rest))))
        if kind == b"%":
            return head + b"".join(self.reply() for _ in range(2 * int(rest)))
        return head

    def ask(self, *words):
        self.send(command(*words))
        return self.reply()

    def until_closed(self):
        out = self.buffer
        try:
            while True:
                data = self.socket.recv(1 << 16)
                if not data:
                    return out
                out += data
        except ConnectionError:
            return out

    def close(self):
        self.socket.close()


def command(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Stack:
    """Redis, and a proxy in front of it."""

    def __init__(self, io_threads=2, sets=(), redis_port=None, redis_options=()):
        self.dir = tempfile.mkdtemp(prefix="sluice-pass-")
        self.redis_port, self.port = redis_port or free_port(), free_port()
        self.redis = self.proxy = None
        self.redis_options = redis_options
        if redis_port is None:
            self.start_redis()
        config = os.path.join(self.dir, "proxy.toml")
        with open(config, "w") as file:
            file.write(f'[redis]\nservers = ["127.0.0.1:{self.redis_port}"]\n'
                       f'[listen]\naddress = "127.0.0.1:{self.port}"\n'
                       f'unix_socket = "{self.dir}/proxy.sock"\n'
                       f'[admin]\naddress = ""\n[journal]\ndir = "{self.dir}/journal"\n'
                       f'[proxy]\nio_threads = {io_threads}\n')
        self.config = config
        self.sets = [word for item in sets for word in ("--set", item)]
        self.start_proxy()

    def start_redis(self):
        self.redis = subprocess.Popen(
            ["redis-server", "--port", str(self.redis_port), "--save", "", "--dir", self.dir,
             *self.redis_options],
            stdout=subprocess.DEVNULL)
        wait_for(lambda: accepts(self.redis_port), "redis-server accepts")

    def kill_redis(self):
        self.redis.kill()
        self.redis.wait()

    def start_proxy(self):
        self.log = open(os.path.join(self.dir, "proxy.log"), "a+")
        self.proxy = subprocess.Popen([PROXY, "--config", self.config] + self.sets, stderr=self.log)
        wait_for(lambda: self.proxy.poll() is not None or accepts(self.port), "proxy accepts")
        assert self.proxy.poll() is None, self.log_text()

    def log_text(self):
        with open(os.path.join(self.dir, "proxy.log")) as file:
            return file.read()

    def resident_bytes(self):
        with open(f"/proc/{self.proxy.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def direct(self):
        return Raw(self.redis_port)

    def via(self):
        return Raw(self.port)

    def stop(self):
        code = None
        if self.proxy.poll() is None:
            self.proxy.send_signal(signal.SIGTERM)
            code = self.proxy.wait(10)
        if self.redis is not None:
            self.kill_redis()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        return code


class FakeRedis:
    """Greets like Redis, then answers each read with what `script(data)` returns; None closes."""

    def __init__(self, script):
        self.script = script
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            self.answer(connection)
        except ConnectionError:  # the proxy has dropped it
            connection.close()

    def answer(self, connection):
        while data := connection.recv(1 << 16):
            if b"INFO" in data or data in (command("PING"), command("CLIENT", "ID")):
                answer = b"+OK\r\n"
            else:
                answer = self.script(data)
            if answer is not None:
                connection.sendall(answer)
            if answer is None or answer.endswith(b"!"):
                break
        connection.close()

    def stop(self):
        self.listener.close()
