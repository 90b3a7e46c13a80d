"""The files of certificates and keys: read anew on SIGHUP without a client noticing, and named with
their key where they are wrong."""

import signal
import ssl
import subprocess
import time

import pytest

from harness.tls import Authority
from harness.waiting import until
from tls_fixture import Secured, plain_socket


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
