"""TLS for clients: who gets in, who does not, and that nothing else changes.

A proxy with listen.tls_cert_file serves over TLS 1.2 and 1.3 what a plain one serves; certificates
are read anew on SIGHUP without a client noticing; whoever does not come through the handshake in
time is cut, and disturbs nobody."""

import itertools
import random
import signal
import socket
import ssl
import subprocess
import time
import warnings

import pytest
import redis

from harness.resp import encode
from harness.tls import Authority, TlsClient
from harness.waiting import until

HANDSHAKE_S = 1.0  # limits.login_timeout of the tests that wait for it


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


@pytest.fixture
def secured(lab):
    return Secured(lab)


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


# ---- What is served.

def test_redis_cli_and_a_driver_work_as_over_a_plain_connection(secured):
    """Strings, transactions, blocking pops, subscriptions, RESP3 and purchases, all over TLS."""
    assert secured.cli("SET", "greeting", "hello").stdout == "OK\n"
    assert secured.cli("-3", "GET", "greeting").stdout == "hello\n"
    assert "errors: 0, replies: 2" in secured.cli(
        "--pipe", stdin="SET a 1\r\nSET b 2\r\n").stdout
    client = secured.driver()
    with client.pipeline(transaction=True) as transaction:
        assert transaction.set("k", "v").incr("n").execute() == [True, 1]
    listener = client.pubsub()
    listener.subscribe("news")
    until(lambda: client.publish("news", "x") == 1, 10, "the subscription")
    until(lambda: (listener.get_message(timeout=1) or {}).get("data") == "x", 10, "the message")
    client.rpush("list", "1")
    assert client.blpop("list", timeout=5) == ("list", "1")
    with secured.client() as raw:
        assert raw("HELLO", 3)["proto"] == 3
        assert raw("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert raw("SECKILL.BUY", "phone", "ann")[0] == "OK"
    listener.close()
    client.close()


def test_the_unix_socket_stays_plain(secured):
    client = redis.Redis(unix_socket_path=str(secured.unix_socket))
    assert client.ping()
    client.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(secured, version):
    context = secured.authority.client_context()
    context.minimum_version = context.maximum_version = version
    with secured.client(context) as client:
        assert client("PING") == "PONG"
        assert client.sock.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(secured, version):
    context = secured.authority.client_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # without it the client itself would not
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL"):
        secured.client(context)
    until(lambda: secured.failed_handshakes() == 1, 10, "the count of failed handshakes")


def test_a_resumed_session_is_served(secured):
    context = secured.authority.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # there the ticket is known at once
    with secured.client(context) as client:
        assert client("PING") == "PONG"
        session = client.sock.session
    sock = context.wrap_socket(plain_socket(secured.port), server_hostname="127.0.0.1",
                               session=session)
    sock.sendall(encode("PING"))
    assert sock.recv(100) == b"+PONG\r\n"
    assert sock.session_reused
    sock.close()


# ---- Bytes, records and what is on its way.

def test_every_cut_of_the_records_gives_the_same_replies(secured):
    """Handshake and commands sent a byte at a time, in odd pieces, and in one."""
    context = secured.authority.client_context()
    request = encode("SET", "k", "v" * 100) + encode("GET", "k") + encode("ECHO", "end")
    expected = b"+OK\r\n$100\r\n" + b"v" * 100 + b"\r\n$3\r\nend\r\n"
    for piece in (1, 7, 1000, 1 << 20):
        client = InMemory(secured.port, context)
        client.run(client.tls.do_handshake, piece)
        client.run(lambda: client.tls.write(request), piece)
        assert client.read(len(expected)) == expected, piece
        client.sock.close()


def test_a_record_a_byte_and_a_value_over_many_records(secured):
    """Each byte of a command in a record of its own; then a value of 32 MiB there and back."""
    with secured.client() as client:
        for byte in encode("ECHO", "slow"):
            client.sock.sendall(bytes([byte]))
        assert client.read() == "slow"
        value = random.Random(1).randbytes(32 << 20)
        assert client("SET", "big", value) == "OK"
        assert client("GET", "big") == value


def test_a_large_pipeline_comes_back_whole_and_in_order(secured):
    """100,000 commands sent while nothing is read before the end; then all replies, in order."""
    count = 100_000
    request = b"".join(encode("ECHO", n) for n in range(count))
    with secured.client(timeout_s=60) as client:
        client.sock.settimeout(0)
        at, replies = 0, bytearray()
        expected = b"".join(b"$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(count))
        deadline = time.monotonic() + 60
        while len(replies) < len(expected):
            assert time.monotonic() < deadline, (at, len(replies))
            try:
                if at < len(request):
                    at += client.sock.send(request[at:at + (1 << 16)])
                    continue
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            try:
                replies += client.sock.recv(1 << 16)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
        assert bytes(replies) == expected


def test_a_client_that_does_not_read_holds_only_itself_up(secured):
    """500 replies of 1 MiB to one that reads nothing: another is served meanwhile, the proxy holds
    a few of them, and all arrive unharmed once they are read."""
    value = "x" * (1 << 20)
    with secured.client() as lazy, secured.client() as other:
        assert other("SET", "big", value) == "OK"
        for _ in range(12):  # so that the proxy knows the size of its replies
            assert lazy("GET", "big") == value
        before = secured.proxy.process.resident_bytes()
        lazy.send_raw(encode("GET", "big") * 500)
        for _ in range(200):
            assert other("PING") == "PONG"
        assert secured.proxy.process.resident_bytes() - before < 160 << 20
        for _ in range(500):
            assert lazy.read() == value


@pytest.mark.parametrize("size", [100, 2047, 2048, 2049, 16384, 65536, 300_000])
def test_replies_come_after_the_client_has_said_goodbye(secured, size):
    """close_notify behind a pipeline of that many bytes, as `openssl s_client` sends it at the end
    of its input: all is answered, then the proxy closes. The client leaves its socket open."""
    client = InMemory(secured.port, secured.authority.client_context())
    client.run(client.tls.do_handshake)
    text = b"x" * (2 * (size - 50) + 50 - len(encode("ECHO", b"x" * (size - 50))))
    request = encode("ECHO", text)
    assert len(request) == size
    client.tls.write(request)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    client.send(client.outgoing.read(), 1 << 20)
    received = 0
    while got := client.sock.recv(1 << 16):
        received += len(got)
    assert received > len(text)
    client.sock.close()


def test_the_proxy_says_goodbye_before_it_closes(secured):
    """QUIT: a close_notify, not a bare end that clients must take for an attack."""
    client = InMemory(secured.port, secured.authority.client_context())
    client.run(client.tls.do_handshake)
    client.run(lambda: client.tls.write(encode("QUIT")))
    assert client.read(5) == b"+OK\r\n"
    assert client.run(lambda: client.tls.read(1)) == b""  # a bare end would be an EOFError
    client.sock.close()


# ---- Client certificates.

def test_with_a_ca_file_clients_must_show_a_certificate(lab):
    authority = Authority(lab.folder / "clients-ca")
    stranger = Authority(lab.folder / "stranger-ca", "stranger")
    secured = Secured(lab, listen__tls_ca_file=str(authority.ca))

    def answer(certificate):
        try:
            with secured.client(secured.authority.client_context(certificate)) as client:
                return client("PING")
        except (ssl.SSLError, ConnectionError, EOFError) as refusal:
            return str(refusal)

    assert answer(authority.issue("shop")) == "PONG"
    assert "CERTIFICATE_REQUIRED" in answer(None)
    assert "UNKNOWN_CA" in answer(stranger.issue("intruder"))
    assert "EXPIRED" in answer(authority.issue("old", days=-1))
    assert until(lambda: secured.failed_handshakes() == 3, 10, "three failed handshakes")
    assert answer(authority.issue("shop2")) == "PONG"


# ---- Whoever does not come through.

@pytest.mark.parametrize("text", [b"PING\r\n", encode("SET", "k", "v"), b"GET / HTTP/1.1\r\n\r\n",
                                  b"\x16\x03\x01\xff\xff" + b"\x00" * 64, bytes(5000)])
def test_what_is_not_tls_is_cut_and_reaches_nobody(secured, text):
    sock = plain_socket(secured.port)
    sock.sendall(text)
    answer = b""
    try:
        while got := sock.recv(1 << 16):
            answer += got
    except ConnectionError:
        pass
    assert b"PONG" not in answer and b"+OK" not in answer and b"-" not in answer[:1]
    sock.close()
    with secured.client() as client:
        assert client("EXISTS", "k") == 0
    assert secured.failed_handshakes() == 1


def half_hello(secured):
    client = InMemory(secured.port, secured.authority.client_context())
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    hello = client.outgoing.read()
    client.sock.sendall(hello[:len(hello) // 2])
    return client.sock


def whole_hello(secured):
    sock = half_hello(secured)
    sock.close()
    client = InMemory(secured.port, secured.authority.client_context())
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.sock.sendall(client.outgoing.read())
    return client.sock


@pytest.mark.parametrize("begin", [lambda secured: plain_socket(secured.port), half_hello,
                                   whole_hello], ids=["nothing", "half", "hello"])
def test_an_unfinished_handshake_is_cut_after_the_limit_and_not_before(lab, begin):
    secured = Secured(lab, limits__login_timeout=f"{int(HANDSHAKE_S * 1000)}ms")
    begun = time.monotonic()
    sock = begin(secured)
    sock.settimeout(20)
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    took = time.monotonic() - begun
    assert HANDSHAKE_S - 0.05 <= took < HANDSHAKE_S + 10
    sock.close()
    until(lambda: secured.clients() == 0, 10, "the end of the session")


def test_a_slow_handshake_within_the_limit_is_served_and_the_limit_is_over_then(lab):
    secured = Secured(lab, limits__login_timeout=f"{int(HANDSHAKE_S * 1000)}ms")
    client = InMemory(secured.port, secured.authority.client_context())
    time.sleep(HANDSHAKE_S / 2)
    client.run(client.tls.do_handshake)
    time.sleep(HANDSHAKE_S)
    client.run(lambda: client.tls.write(encode("PING")))
    assert client.read(7) == b"+PONG\r\n"
    client.sock.close()


def test_unfinished_handshakes_count_as_clients_and_disturb_nobody(lab):
    """300 that stop in the handshake: another client is served; one too many is closed."""
    secured = Secured(lab, limits__clients=301, limits__login_timeout="60s")
    waiting = [half_hello(secured) for _ in range(300)]
    with secured.client() as client:
        assert client("PING") == "PONG"
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            secured.client()
        for sock in waiting:
            sock.close()
        until(lambda: secured.clients() == 1, 10, "the end of the 300")
        assert client("PING") == "PONG"


def test_clients_that_vanish_at_any_byte_leave_nothing_behind(secured):
    """A conversation cut after each of its first hundreds of bytes, by a reset: the proxy closes
    its side each time."""
    context = secured.authority.client_context()
    for length in itertools.chain(range(0, 520, 13), [600, 700]):
        client = InMemory(secured.port, context)
        try:
            client.tls.do_handshake()
        except ssl.SSLWantReadError:
            client.sock.sendall(client.outgoing.read()[:length])
        if length > 520:
            client.run(client.tls.do_handshake)
            client.tls.write(encode("ECHO", "x" * 2000))
            client.sock.sendall(client.outgoing.read()[:length])
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sock.close()
    until(lambda: secured.clients() == 0, 10, "the end of all sessions")


# ---- Reload.

def served_serial(secured):
    sock = ssl.create_default_context(cafile=str(secured.authority.ca)).wrap_socket(
        plain_socket(secured.port), server_hostname="127.0.0.1")
    serial = int(sock.getpeercert()["serialNumber"], 16)
    sock.close()
    return serial


def replace(secured, certificate):
    secured.certificate.cert.write_bytes(certificate.cert.read_bytes())
    secured.certificate.key.write_bytes(certificate.key.read_bytes())


def test_sighup_brings_in_a_new_certificate_under_traffic(secured):
    """Clients in mid-pipeline see nothing of it; those that come afterwards see the new one."""
    clients = [secured.client() for _ in range(8)]
    first = served_serial(secured)
    sums = [0] * len(clients)

    def traffic():
        for n, client in enumerate(clients):
            sums[n] += 50
            assert client.pipeline([("INCR", f"n{n}")] * 50)[-1] == sums[n]

    for turn in range(5):
        fresh = secured.authority.issue(f"server{turn}")
        replace(secured, fresh)
        for client in clients:
            client.send("PING")  # under way while the signal comes
        secured.proxy.process.send(signal.SIGHUP)
        for client in clients:
            assert client.read() == "PONG"
        until(lambda: served_serial(secured) == fresh.serial(), 10, "the new certificate")
        traffic()
    assert first != served_serial(secured)
    for client in clients:
        client.close()


@pytest.mark.parametrize("damage", ["no key", "garbage", "key of another", "gone", "empty"])
def test_a_bad_file_at_sighup_is_logged_and_the_old_certificate_stays(secured, damage):
    first = served_serial(secured)
    with secured.client() as client:
        assert client("PING") == "PONG"
        if damage == "no key":
            secured.certificate.key.unlink()
        elif damage == "garbage":
            secured.certificate.cert.write_text("-----BEGIN CERTIFICATE-----\nZZZZ\n")
        elif damage == "key of another":
            other = secured.authority.issue("other")
            secured.certificate.key.write_bytes(other.key.read_bytes())
        elif damage == "gone":
            secured.certificate.cert.unlink()
        else:
            secured.certificate.cert.write_text("")
        secured.proxy.process.send(signal.SIGHUP)
        key = "tls_key_file" if "key" in damage else "tls_cert_file"
        until(lambda: "certificates not reloaded" in secured.proxy.process.log(), 10, "the log")
        line = next(text for text in secured.proxy.process.log().splitlines()
                    if "certificates not reloaded" in text)
        assert f"listen.{key}" in line and str(secured.authority.folder) in line
        assert client("PING") == "PONG"
    assert served_serial(secured) == first


def test_a_removed_authority_shuts_its_clients_out_after_sighup(lab):
    """A tls_ca_file that another authority replaced: tickets of the time before do not help."""
    old, new = Authority(lab.folder / "old", "old"), Authority(lab.folder / "new", "new")
    trusted = lab.folder / "trusted.crt"
    trusted.write_bytes(old.ca.read_bytes())
    secured = Secured(lab, listen__tls_ca_file=str(trusted))
    context = secured.authority.client_context(old.issue("shop"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with secured.client(context) as client:
        assert client("PING") == "PONG"
        session = client.sock.session
        trusted.write_bytes(new.ca.read_bytes())
        secured.proxy.process.send(signal.SIGHUP)
        until(lambda: "configuration reloaded" in secured.proxy.process.log(), 10, "the reload")
        with secured.client(secured.authority.client_context(new.issue("shop"))) as other:
            assert other("PING") == "PONG"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain_socket(secured.port), server_hostname="127.0.0.1",
                                session=session).recv(1)
        assert client("PING") == "PONG"  # who is in stays in


def test_the_end_of_the_certificate_is_told(lab):
    """In a metric, in the log, and as a warning when it is near."""
    secured = Secured(lab)
    end = secured.proxy.metrics()['sluice_tls_certificate_end_seconds{section="listen"}']
    assert 29 * 86400 < end - time.time() < 31 * 86400
    assert "listen.tls_cert_file is valid until" in secured.proxy.process.log()
    replace(secured, secured.authority.issue("soon", days=5))
    secured.proxy.process.send(signal.SIGHUP)
    until(lambda: "listen.tls_cert_file ends at" in secured.proxy.process.log(), 10, "the warning")


# ---- What refuses to start.

@pytest.mark.parametrize("settings, key", [
    ({"listen.tls_cert_file": None}, "listen.tls_cert_file"),
    ({"listen.tls_key_file": None}, "listen.tls_key_file"),
    ({"listen.tls_cert_file": "absent.crt"}, "listen.tls_cert_file"),
    ({"listen.tls_key_file": "ca.crt"}, "listen.tls_key_file"),
    ({"listen.tls_key_file": "locked.key"}, "listen.tls_key_file"),
    ({"listen.tls_ca_file": "server.key"}, "listen.tls_ca_file"),
    ({"listen.address": "", "listen.unix_socket": "/tmp/x"}, "listen.tls_cert_file"),
    ({"redis.tls_ca_file": "ca.crt"}, "redis.tls"),
    ({"redis.tls": True, "redis.tls_ca_file": "absent.crt"}, "redis.tls_ca_file"),
    ({"redis.tls": True, "redis.tls_cert_file": "server.crt"}, "redis.tls_key_file"),
    ({"redis.tls": True, "redis.servers": ["/tmp/redis.sock"]}, "redis.tls"),
])
def test_a_wrong_file_is_named_with_its_key(lab, settings, key):
    """Exit 2 before anything starts; a key with a passphrase asks nobody for it."""
    authority = Authority(lab.folder / "ca")
    made = authority.issue("server")
    subprocess.run(["openssl", "ec", "-in", made.key, "-aes128", "-passout", "pass:secret", "-out",
                    authority.folder / "locked.key"], check=True, capture_output=True)
    proxy = lab.proxy(lab.redis(), start=False, listen__tls_cert_file=str(made.cert),
                      listen__tls_key_file=str(made.key))
    for name, value in settings.items():
        is_file = isinstance(value, str) and value.endswith((".crt", ".key"))
        proxy.settings[name] = str(authority.folder / value) if is_file else value
    proxy.write_config()
    proxy.process.start()
    assert proxy.process.wait(10) == 2
    assert f"{key}:" in proxy.process.log()
    assert not lab.journal.exists()
