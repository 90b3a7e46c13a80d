"""Certificates from an authority of the tests' own, and clients and servers that use them."""

import dataclasses
import datetime
import pathlib
import ssl
import subprocess

from .redis_server import RedisServer
from .resp import Client


CA_CONFIG = """
[ca]
default_ca = tests
[tests]
database = {folder}/index.txt
new_certs_dir = {folder}
default_md = sha256
rand_serial = yes
policy = any
[any]
commonName = supplied
"""


def _openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 0, f"openssl {' '.join(map(str, words))}: {done.stdout}"
    return done.stdout


@dataclasses.dataclass
class Certificate:
    cert: pathlib.Path
    key: pathlib.Path

    def serial(self):
        told = _openssl("x509", "-in", self.cert, "-noout", "-serial")  # serial=0A1B…
        return int(told.strip().split("=")[1], 16)


class Authority:
    """Makes certificates in `folder`; its own is `ca`."""

    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.name = name
        self.ca = self.folder / f"{name}.crt"
        self.key = self.folder / f"{name}.key"
        _openssl("req", "-x509", *_new_key(self.key), "-out", self.ca, "-days", 30, "-subj",
                 f"/CN=Test authority {name}", "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, san="IP:127.0.0.1,DNS:localhost", days=30):
        """days < 0: it has ended that long ago; `openssl x509` refuses to make that from 3.5 on."""
        made = Certificate(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={san}\nauthorityKeyIdentifier=keyid\n")
        _openssl("req", *_new_key(made.key), "-out", request, "-subj", f"/CN={name}")
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        begin = end - datetime.timedelta(days=abs(days) + 1)
        (self.folder / "index.txt").write_text("")
        config = self.folder / "ca.conf"
        config.write_text(CA_CONFIG.format(folder=self.folder))
        _openssl("ca", "-batch", "-notext", "-config", config, "-in", request,
                 "-cert", self.ca, "-keyfile", self.key, "-startdate", f"{begin:%Y%m%d%H%M%SZ}",
                 "-enddate", f"{end:%Y%m%d%H%M%SZ}", "-extfile", extensions, "-out", made.cert)
        return made

    def client_context(self, certificate=None):
        """For clients that trust this authority, and show `certificate`.

        As strict as RFC 5280, which is Python's default from 3.13 on.
        """
        context = ssl.create_default_context(cafile=str(self.ca))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        if certificate is not None:
            context.load_cert_chain(certificate.cert, certificate.key)
        return context


def _new_key(path):
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path]


class TlsClient(Client):
    """A Client over TLS; `context` is Authority.client_context()."""

    def __init__(self, port, context, host="127.0.0.1", timeout_s=20):
        super().__init__(port, host, timeout_s)
        self.reader.close()
        self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self.reader = self.sock.makefile("rb", buffering=1 << 16)


class TlsRedis(RedisServer):
    """A redis-server that speaks nothing but TLS, with `certificate` from `authority`."""

    def __init__(self, folder, authority, certificate, options=(), **kwargs):
        self.authority = authority
        super().__init__(folder, options=["--port", 0, "--tls-auth-clients", "no", *options],
                         **kwargs)
        self.process.argv += ["--tls-port", str(self.port)]
        self.use(certificate)

    def use(self, certificate):
        """From the next start on; remembered as what client() shows, too."""
        self.certificate = certificate
        argv = self.process.argv
        if "--tls-cert-file" in argv:
            del argv[argv.index("--tls-cert-file"):]
        argv += ["--tls-cert-file", str(certificate.cert), "--tls-key-file", str(certificate.key),
                 "--tls-ca-cert-file", str(self.authority.ca)]

    def client(self):
        context = self.authority.client_context(self.certificate)
        # Certificates that no client should accept are what some tests are about.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return TlsClient(self.port, context)
