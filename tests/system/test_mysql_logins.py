"""How the flusher and sluice-ctl prove that they know the password, and to whom."""

import socket
import threading

import pymysql
import pytest
from harness import daemons, sql_program
from harness.sql_server import PASSWORD, USER

SECRET = "a secret of 27 characters.."
LACKS = "probably caching_sha2_password, would show the password"


def packet(sequence, payload):
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


class Impostor:
    """Answers in a server's place: whatever plugin it is offered, it asks for `plugin` instead, and
    keeps all that it is sent."""

    def __init__(self, plugin, more=()):
        self.heard = b""
        self._plugin, self._more = plugin.encode(), more
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(10)
                try:
                    self._talk(peer)
                except OSError:
                    pass

    def _talk(self, peer):
        capabilities = 0x000fffff & ~0x800  # all of the usual ones but TLS
        peer.sendall(packet(0, b"\x0a8.4.0\0" + bytes(4) + b"12345678\0"
                            + (capabilities & 0xffff).to_bytes(2, "little") + b"\x2d\x02\0"
                            + (capabilities >> 16).to_bytes(2, "little") + b"\x15" + bytes(10)
                            + b"123456789012\0mysql_native_password\0"))
        self.heard += peer.recv(65536)
        peer.sendall(packet(2, b"\xfe" + self._plugin + b"\0" + b"1234567890" * 2 + b"\0"))
        self.heard += peer.recv(65536)
        for number, payload in enumerate(self._more):
            peer.sendall(packet(4 + 2 * number, payload))
            self.heard += peer.recv(65536)

    def end(self):
        self._listener.close()


def apply_schema(lab, password=PASSWORD, **settings):
    """sluice-ctl schema apply with these keys of [mysql]."""
    secret = lab.folder / "secret"
    secret.write_text(password)
    config = lab.folder / "ctl.toml"
    config.write_text(daemons.toml({
        "mysql.user": USER, "mysql.password_file": str(secret), "mysql.database": "shop",
        "mysql.connect_timeout": "2s",
        **{f"mysql.{key}": value for key, value in settings.items()}}))
    return lab.ctl("schema", "apply", "--config", config)


@pytest.mark.parametrize("plugin, more", [
    ("mysql_clear_password", ()),
    ("dialog", ()),
    ("sha256_password", ()),
    ("caching_sha2_password", (b"\x01\x04",)),  # "I do not know you yet: tell me more"
], ids=lambda value: value if isinstance(value, str) else "")
def test_an_impostor_is_told_nothing_that_shows_the_password(lab, plugin, more):
    """Nor is it asked for a key, under which it could read the password."""
    impostor = Impostor(plugin, more)
    try:
        done = apply_schema(lab, SECRET, port=impostor.port)
    finally:
        impostor.end()
    assert done.returncode == 1 and LACKS in done.stderr, done
    assert USER.encode() in impostor.heard
    # The name of the plugin and an empty answer at the most.
    assert SECRET.encode() not in impostor.heard and len(impostor.heard) < 400


def account(server, plugin):
    root = pymysql.connect(**sql_program.connect_arguments(server.socket, server.port), user="root")
    with root.cursor() as cursor:
        cursor.execute(f"CREATE USER other@'%' IDENTIFIED WITH {plugin} BY '{PASSWORD}'")
        cursor.execute("GRANT ALL ON *.* TO other@'%'")
    root.close()


def test_mysqls_default_needs_tls_a_socket_or_a_permission(lab):
    """Each time with an account that the server has not seen yet, since it then wants the password
    itself."""
    if sql_program.IS_MARIADB:
        pytest.skip("caching_sha2_password is MySQL's")
    server = lab.sql_server()
    account(server, "caching_sha2_password")
    for allowed in (False, True, False):
        done = apply_schema(lab, port=server.port, user="other",
                            allow_public_key_retrieval=allowed)
        assert done.returncode == (0 if allowed else 1), done
        assert allowed or LACKS in done.stderr, done
        server.query("FLUSH PRIVILEGES")  # it forgets who has logged in
    done = apply_schema(lab, unix_socket=str(server.socket), user="other")
    assert done.returncode == 0, done


def test_mysqls_own_certificate_is_refused_with_the_reason(lab):
    """It names no host."""
    if sql_program.IS_MARIADB:
        pytest.skip("MariaDB makes no certificate that an authority has signed")
    server = lab.sql_server()
    done = apply_schema(lab, port=server.port, tls="on", tls_ca_file=str(server.data / "ca.pem"))
    assert done.returncode == 1 and "those that MySQL makes for itself name no host" in done.stderr


def test_another_way_that_shows_nothing_is_taken(lab):
    """ed25519, by an account of MariaDB's; MySQL's default stands for it in the test above."""
    if not sql_program.IS_MARIADB:
        pytest.skip("ed25519 is MariaDB's")
    server = lab.sql_server()
    server.query("SELECT 1")
    root = pymysql.connect(**sql_program.connect_arguments(server.socket, server.port), user="root")
    with root.cursor() as cursor:
        cursor.execute("INSTALL SONAME 'auth_ed25519'")
        cursor.execute(f"CREATE USER other@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')")
        cursor.execute("GRANT ALL ON *.* TO other@'%'")
    root.close()
    done = apply_schema(lab, port=server.port, user="other")
    assert done.returncode == 0, done
