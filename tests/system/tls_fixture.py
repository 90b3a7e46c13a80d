"""A proxy that speaks TLS to its clients, and clients that are in no hurry with the handshake."""

import socket
import ssl
import subprocess

import redis

from harness.tls import Authority, TlsClient


class Secured:
    """A proxy whose TCP listener speaks TLS, and the authority behind it."""

    def __init__(self, lab, **settings):
        self.authority = Authority(lab.folder / "ca")
        self.certificate = self.authority.issue("server")
        self.redis = lab.redis()
        self.unix_socket = lab.folder / "proxy.sock"
        self.proxy = lab.proxy(self.redis, **{
            "listen__tls_cert_file": str(self.certificate.cert),
            "listen__tls_key_file": str(self.certificate.key),
            "listen__unix_socket": str(self.unix_socket), **settings})
        self.port = self.proxy.port

    def client(self, context=None, **kwargs):
        return TlsClient(self.port, context or self.authority.client_context(), **kwargs)

    def driver(self, **kwargs):
        return redis.Redis(port=self.port, ssl=True, ssl_ca_certs=str(self.authority.ca),
                           ssl_check_hostname=False, decode_responses=True, **kwargs)

    def cli(self, *words, stdin=None):
        return subprocess.run(
            ["redis-cli", "-p", str(self.port), "--tls", "--cacert", str(self.authority.ca),
             *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=60)

    def failed_handshakes(self):
        return self.proxy.metrics()["sluice_tls_handshakes_failed_total"]

    def clients(self):
        return self.proxy.metrics()["sluice_connected_clients"]


def plain_socket(port):
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class InMemory:
    """A TLS client that leaves it to the test when which of its bytes are sent."""

    def __init__(self, port, context):
        self.sock = plain_socket(port)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")

    def send(self, raw, piece):
        for at in range(0, len(raw), piece):
            self.sock.sendall(raw[at:at + piece])

    def run(self, step, piece=1 << 20):
        """Runs `step` to its end, sending what it makes in pieces of that size."""
        while True:
            try:
                done = step()
                self.send(self.outgoing.read(), piece)
                return done
            except ssl.SSLWantReadError:
                self.send(self.outgoing.read(), piece)
                got = self.sock.recv(1 << 16)
                if not got:
                    raise EOFError("connection closed")
                self.incoming.write(got)

    def read(self, size):
        out = b""
        while len(out) < size:
            out += self.run(lambda: self.tls.read(size - len(out)))
        return out
