"""TLS for clients: a proxy with listen.tls_cert_file serves over TLS 1.2 and 1.3 what a plain one
serves, however the bytes are cut into records."""

import random
import ssl
import subprocess
import time
import warnings

import pytest
import redis

from harness.daemons import ROOT
from harness.resp import encode
from harness.tls import Authority, TlsClient
from harness.waiting import until
from tls_fixture import InMemory, Secured, plain_socket


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

    def client(certificate):
        return secured.client(secured.authority.client_context(certificate))

    def refusal(certificate):
        """Reads before it has written: what arrives at a closed socket may overtake the alert."""
        with pytest.raises(ssl.SSLError) as refused, client(certificate) as caller:
            caller.sock.recv(1)
        return str(refused.value)

    with client(authority.issue("shop")) as shop:
        assert shop("PING") == "PONG"
    assert "CERTIFICATE_REQUIRED" in refusal(None)
    assert "UNKNOWN_CA" in refusal(stranger.issue("intruder"))
    assert "EXPIRED" in refusal(authority.issue("old", days=-1))
    assert until(lambda: secured.failed_handshakes() == 3, 10, "three failed handshakes")
    with client(authority.issue("shop2")) as shop:
        assert shop("PING") == "PONG"


def test_certificates_made_as_the_manual_says_are_accepted_by_strict_clients(lab):
    """The commands of docs/tls.md, for this machine's address."""
    manual = (ROOT / "docs" / "tls.md").read_text().split("## Certificates of one's own authority")
    commands = manual[1].split("```\n")[1].replace("IP:10.0.0.5", "IP:127.0.0.1")
    subprocess.run(["bash", "-e", "-c", commands], cwd=lab.folder, check=True, timeout=60,
                   capture_output=True)
    made = {name: lab.folder / name for name in ("ca.crt", "proxy.crt", "proxy.key")}
    proxy = lab.proxy(lab.redis(), listen__tls_cert_file=str(made["proxy.crt"]),
                      listen__tls_key_file=str(made["proxy.key"]))
    context = ssl.create_default_context(cafile=str(made["ca.crt"]))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with TlsClient(proxy.port, context) as client:
        assert client("PING") == "PONG"
