"""TLS towards Redis and MySQL: all works as in clear, and nothing is sent to a server that cannot
prove who it is."""

import signal
import socket
import threading

import pytest
import redis

from harness import daemons, invariants
from harness.load import Load, Request
from harness.sql_server import PASSWORD, USER, Database
from harness.resp import RespError
from harness.tls import Authority, TlsRedis
from harness.waiting import until


@pytest.fixture
def authority(lab):
    return Authority(lab.folder / "ca")


def tls_redis(lab, authority, certificate, **kwargs):
    server = TlsRedis(lab.folder / "redis", authority, certificate, **kwargs)
    lab.processes.append(server.process)  # ends with the test
    return server.start()


def through_tls(authority, **more):
    return {"redis__tls": True, "redis__tls_ca_file": str(authority.ca), **more}


def names(proxy, reason):
    return until(lambda: reason in proxy.process.log(), 20, f"{reason!r} in the log")


# ---- Redis.

def test_everything_works_through_a_redis_that_speaks_only_tls(lab, authority):
    """Shared and pinned connections, RESP3, large values both ways, and a sale; then Redis is
    killed and comes back."""
    server = tls_redis(lab, authority, authority.issue("redis"))
    proxy = lab.proxy(server, **through_tls(authority))
    client = redis.Redis(port=proxy.port)
    value = bytes(range(256)) * (80 << 10)  # 20 MiB
    assert client.set("big", value) and client.get("big") == value
    with client.pipeline(transaction=True) as transaction:
        assert transaction.set("k", "v").get("big").incr("n").execute() == [True, value, 1]
    client.rpush("list", "1")
    assert client.blpop("list", timeout=5) == (b"list", b"1")
    listener = client.pubsub()
    listener.subscribe("news")
    until(lambda: client.publish("news", value) == 1, 10, "the subscription")
    until(lambda: (listener.get_message(timeout=1) or {}).get("data") == value, 10, "the message")
    with client.pipeline(transaction=False) as pipeline:
        for n in range(20_000):
            pipeline.echo(str(n))
        assert pipeline.execute() == [str(n).encode() for n in range(20_000)]
    with proxy.client() as raw:
        assert raw("HELLO", 3)["proto"] == 3
        assert raw("HGETALL", "none") == {}
        assert raw("SECKILL.CREATE", "phone", "STOCK", 500, "LIMIT", 1) == "OK"
        load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(800)], window=4)
        load.start().finish(within_s=60)
        assert load.outcomes() == {"OK": 500, "SOLDOUT": 300}
        server.kill()
        until(lambda: isinstance(raw("GET", "k"), RespError), 20, "an error")
        server.start()
        until(lambda: raw("GET", "k") == "v", 20, "Redis's return")
        def sold_out():
            reply = raw("SECKILL.BUY", "phone", "late")
            return not isinstance(reply, RespError) and reply[0] == "SOLDOUT"
        until(sold_out, 20, "the sale's return")
    listener.close()
    client.close()


WRONG = {
    "another authority": (lambda lab, own: Authority(lab.folder / "other", "other").issue("redis"),
                          "self-signed certificate in certificate chain|"
                          "unable to get local issuer"),
    "another address": (lambda lab, own: own.issue("redis", san="IP:127.0.0.2,DNS:redis"),
                        "IP address mismatch"),
    "ended": (lambda lab, own: own.issue("redis", days=-1), "certificate has expired"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_redis_that_cannot_prove_who_it_is_gets_nothing(lab, authority, wrong):
    """Not connected to, with the reason in the log; the right certificate, and all is well."""
    make, reasons = WRONG[wrong]
    server = tls_redis(lab, authority, make(lab, authority))
    secret = lab.folder / "redis.password"
    secret.write_text("s3cret\n")
    proxy = lab.proxy(server, start=False, **through_tls(
        authority, redis__password_file=str(secret), redis__username="shop"))
    proxy.start(wait=False)
    proxy.wait_listening()
    until(lambda: any(reason in proxy.process.log() for reason in reasons.split("|")), 20,
          "the reason in the log")
    with proxy.client() as client:
        reply = client("GET", "k")
        assert isinstance(reply, RespError), reply
        assert "s3cret" not in proxy.process.log()
        with server.client() as direct:
            assert direct("CLIENT", "LIST").count(" addr=") == 1  # no connection but this one
            assert direct("ACL", "LOG") == []  # and nobody has tried to log in
        server.kill()
        server.use(authority.issue("right"))
        server.start()
        with server.client() as direct:
            assert direct("ACL", "SETUSER", "shop", "on", ">s3cret", "~*", "&*", "+@all") == "OK"
            assert direct("SET", "k", "v") == "OK"
        until(lambda: client("GET", "k") == "v", 20, "Redis's return")


def test_the_name_that_is_verified_is_the_configured_one(lab, authority):
    """A certificate for DNS:localhost alone serves "localhost", not "127.0.0.1"."""
    server = tls_redis(lab, authority, authority.issue("redis", san="DNS:localhost"))
    proxy = lab.proxy(server, redis__servers=[f"localhost:{server.port}"],
                      **through_tls(authority))
    with proxy.client() as client:
        assert client("PING") == "PONG"
    other = lab.proxy(server, start=False, journal=lab.folder / "journal2",
                      **through_tls(authority))
    other.start(wait=False)
    names(other, "IP address mismatch")


def test_redis_that_asks_for_a_certificate_gets_the_configured_one(lab, authority):
    server = tls_redis(lab, authority, authority.issue("redis"),
                       options=["--tls-auth-clients", "yes"])
    bare = lab.proxy(server, start=False, journal=lab.folder / "journal2", **through_tls(authority))
    bare.start(wait=False)
    names(bare, "certificate required")
    own = authority.issue("proxy")
    proxy = lab.proxy(server, redis__tls_cert_file=str(own.cert), redis__tls_key_file=str(own.key),
                      **through_tls(authority))
    with proxy.client() as client:
        assert client("SET", "k", "v") == "OK"


def test_without_a_ca_file_the_systems_authorities_decide(lab, authority):
    """SSL_CERT_FILE stands for the system's store: with the authority in it, and without."""
    server = tls_redis(lab, authority, authority.issue("redis"))
    proxy = lab.proxy(server, start=False, redis__tls=True)
    proxy.process.env["SSL_CERT_FILE"] = str(authority.ca)
    proxy.start()
    with proxy.client() as client:
        assert client("PING") == "PONG"
    stranger = lab.proxy(server, start=False, journal=lab.folder / "journal2", redis__tls=True)
    stranger.start(wait=False)
    until(lambda: "certificate is not accepted" in stranger.process.log(), 20, "the refusal")


def test_a_redis_in_clear_is_not_talked_to_in_clear(lab, authority):
    server = lab.redis()
    proxy = lab.proxy(server, start=False, **through_tls(authority))
    proxy.start(wait=False)
    names(proxy, "no answer to the TLS handshake")
    with server.client() as direct:
        calls = str(direct("INFO", "commandstats"))
        assert "cmdstat_auth" not in calls and "cmdstat_hello" not in calls, calls


def test_a_handshake_that_redis_does_not_answer_is_given_up(lab, authority):
    """A listener that accepts and stays silent: an error for clients, and another attempt."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        attempts = []

        def accept():
            while True:
                try:
                    attempts.append(listener.accept()[0])
                except OSError:
                    return
        threading.Thread(target=accept, daemon=True).start()
        proxy = lab.proxy(lab.redis(), start=False, **through_tls(
            authority, redis__servers=[f"127.0.0.1:{listener.getsockname()[1]}"]))
        proxy.start(wait=False)
        proxy.wait_listening()
        with proxy.client() as client:
            assert isinstance(client("GET", "k"), RespError)
        first = len(attempts)
        until(lambda: len(attempts) > first, 20, "another attempt")
        assert proxy.stop() == 0
    for sock in attempts:
        sock.close()


def test_a_sighup_brings_in_the_proxys_new_certificate_for_redis(lab, authority):
    """The one shown at the start has ended; the files are replaced, and Redis lets the proxy in."""
    server = tls_redis(lab, authority, authority.issue("redis"),
                       options=["--tls-auth-clients", "yes"])
    own, fresh = authority.issue("proxy", days=-1), authority.issue("fresh")
    proxy = lab.proxy(server, start=False, redis__tls_cert_file=str(own.cert),
                      redis__tls_key_file=str(own.key), **through_tls(authority))
    proxy.start(wait=False)
    names(proxy, "certificate expired")
    names(proxy, "redis.tls_cert_file has ended at")
    own.cert.write_bytes(fresh.cert.read_bytes())
    own.key.write_bytes(fresh.key.read_bytes())
    proxy.process.send(signal.SIGHUP)
    proxy.wait_ready()


def test_both_sides_encrypted_sell_and_reconcile(lab, authority):
    """Clients, Redis and MySQL over TLS at a time; sluice-ctl reads the same files."""
    redis_server = tls_redis(lab, authority, authority.issue("redis"))
    database = Database(mysql(lab, authority.issue("mysql")), "shop").create()
    proxy = lab.proxy(redis_server, **through_tls(authority))
    flusher = lab.flusher(database, mysql__tls="on", mysql__tls_ca_file=str(authority.ca),
                          mysql__user="secure")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 50) == "OK"
        load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(80)])
        load.start().finish(within_s=60)
        assert load.outcomes() == {"OK": 50, "SOLDOUT": 30}
        invariants.wait_rows(database, "phone", 50)
        invariants.check_sold_out_once(database, client, "phone", load, 50)
    words = ("reconcile", "--config", proxy.config, "--config", flusher.config)
    done = lab.ctl(*words)
    assert done.returncode == 0 and "agree" in done.stdout, done
    stranger = Authority(lab.folder / "other", "other")
    done = lab.ctl(*words, "--set", f"redis.tls_ca_file={stranger.ca}")
    assert done.returncode == 1 and "certificate is not accepted" in done.stderr, done
    done = lab.ctl(*words, "--set", "redis.tls=false")
    assert done.returncode == 1, done
    done = lab.ctl(*words, "--set", "redis.tls_ca_file=/absent.crt")
    assert done.returncode == 2 and "redis.tls_ca_file" in done.stderr, done


# ---- MySQL.

def mysql(lab, certificate, *options, require="SSL"):
    """A server with a user "secure" who may log in over TLS only, as `require` says."""
    server = lab.sql_server(start=False, options=[
        f"--ssl-cert={certificate.cert}", f"--ssl-key={certificate.key}",
        f"--ssl-ca={lab.folder / 'ca' / 'ca.crt'}", *options])
    with open(server.folder / "accounts.sql", "a") as accounts:
        accounts.write(f"CREATE USER IF NOT EXISTS 'secure'@'%' IDENTIFIED BY '{PASSWORD}' "
                       f"REQUIRE {require};\nGRANT ALL ON *.* TO 'secure'@'%';\n")
    return server.start()


def apply_schema(lab, port, user="secure", **settings):
    """sluice-ctl schema apply with these keys of [mysql]."""
    password = lab.folder / "password"
    password.write_text(PASSWORD)
    config = lab.folder / "ctl.toml"
    config.write_text(daemons.toml({
        "mysql.host": "127.0.0.1", "mysql.port": port, "mysql.user": user,
        "mysql.password_file": str(password), "mysql.database": "shop",
        **{f"mysql.{key}": value if isinstance(value, list) else str(value)
           for key, value in settings.items()}}))
    return lab.ctl("schema", "apply", "--config", config)


def test_mysql_is_verified_like_redis(lab, authority):
    """Refused by the server in clear; by us with another authority, with the system's, and for a
    name that the certificate does not have; accepted for those that it has.

    127.0.0.2, since Connector/C 3.4 compares no name with 127.0.0.1: docs/tls.md."""
    server = mysql(lab, authority.issue("mysql", san="DNS:localhost"),
                   "--bind-address=127.0.0.1,127.0.0.2")
    stranger = Authority(lab.folder / "other", "other")
    done = apply_schema(lab, server.port)
    assert done.returncode == 1 and "set mysql.tls" in done.stderr, done
    for settings, reason in [({}, "an authority that the system trusts"),
                             ({"host": "127.0.0.2"}, "an authority that the system trusts"),
                             ({"tls_ca_file": stranger.ca}, "certificate"),
                             ({"tls_ca_file": authority.ca, "host": "127.0.0.2"},
                              "must be valid for 127.0.0.2")]:
        done = apply_schema(lab, server.port, tls="on", **settings)
        assert done.returncode == 1 and reason in done.stderr, (settings, done)
    done = apply_schema(lab, server.port, tls="on", host="localhost", tls_ca_file=authority.ca)
    assert done.returncode == 0, done
    # Of several each is verified by its own name.
    for hosts, code in [(["127.0.0.2", "localhost"], 0), (["127.0.0.2"], 1)]:
        done = apply_schema(lab, server.port, tls="on", hosts=hosts, tls_ca_file=authority.ca)
        assert done.returncode == code, done


def test_mysql_may_be_certified_by_an_authority_that_the_system_trusts(lab, authority, monkeypatch):
    """SSL_CERT_FILE is OpenSSL's own way to say which those are."""
    server = mysql(lab, authority.issue("mysql"))
    stranger = Authority(lab.folder / "other", "other")
    for trusted, code in [(stranger, 1), (authority, 0)]:
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted.ca))
        done = apply_schema(lab, server.port, tls="on")
        assert done.returncode == code, done


def test_a_mysql_certificate_for_an_address_is_accepted_and_one_that_ended_is_not(lab, authority):
    server = mysql(lab, authority.issue("mysql", san="IP:127.0.0.1"))
    done = apply_schema(lab, server.port, tls="on", tls_ca_file=authority.ca)
    assert done.returncode == 0, done
    server = mysql(lab, authority.issue("old", days=-1))
    done = apply_schema(lab, server.port, tls="on", tls_ca_file=authority.ca)
    assert done.returncode == 1 and "certificate has expired" in done.stderr, done


def test_mysql_without_tls_is_not_talked_to_in_clear(lab, authority):
    """A server that offers none: no login, which would show the user's name and a digest."""
    server = lab.sql_server()
    done = apply_schema(lab, server.port, user=USER, tls="on", tls_ca_file=authority.ca)
    assert done.returncode == 1 and "SSL" in done.stderr, done
    assert server.query("SELECT COUNT(*) FROM information_schema.schemata "
                        "WHERE schema_name = 'shop'") == ((0,),)


def test_mysql_that_asks_for_a_certificate_gets_the_configured_one(lab, authority):
    server = mysql(lab, authority.issue("mysql"), require="X509")
    own = authority.issue("flusher")
    done = apply_schema(lab, server.port, tls="on", tls_ca_file=authority.ca)
    assert done.returncode == 1 and "error 1045" in done.stderr, done
    done = apply_schema(lab, server.port, tls="on", tls_ca_file=authority.ca,
                        tls_cert_file=own.cert, tls_key_file=own.key)
    assert done.returncode == 0, done


@pytest.mark.parametrize("settings, key", [
    ({"tls": "on", "tls_ca_file": "/absent.crt"}, "mysql.tls_ca_file"),
    ({"tls_ca_file": "{ca}"}, "mysql.tls_ca_file"),
    ({"tls": "on", "tls_cert_file": "{ca}"}, "mysql.tls_key_file"),
    ({"tls": "on", "unix_socket": "/tmp/my.sock"}, "mysql.tls"),
])
def test_wrong_tls_settings_of_mysql_are_named_before_anything_starts(lab, authority, settings,
                                                                      key):
    settings = {name: value.format(ca=authority.ca) for name, value in settings.items()}
    done = apply_schema(lab, 1, **settings)
    assert done.returncode == 2 and key in done.stderr, done
    config = lab.folder / "flusher.toml"
    config.write_text((lab.folder / "ctl.toml").read_text())
    done = daemons.run("sluice-flusher", "--config", config, "--check")
    assert done.returncode == 2 and key in done.stderr, done


def test_the_flusher_waits_for_a_mysql_that_proves_who_it_is(lab, authority):
    """A stranger's certificate first: nothing is drained and /status says why. Then the right one:
    everything is there, once."""
    stranger = Authority(lab.folder / "other", "other")
    database = Database(mysql(lab, stranger.issue("mysql")), "shop").create()
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(database, start=False, mysql__user="secure", mysql__tls="on",
                          mysql__tls_ca_file=str(authority.ca))
    flusher.start(wait=False)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 50) == "OK"
        load = Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(50)])
        load.start().finish(within_s=60)
        until(lambda: "certificate" in flusher.get("/status").text, 20, "the reason in /status")
        assert database.query("SHOW TABLES") == ()
        right, server = authority.issue("right"), database.server
        server.stop()
        server.process.argv += [f"--ssl-cert={right.cert}", f"--ssl-key={right.key}"]
        server.start()
        until(lambda: database.query("SHOW TABLES LIKE 'orders'"), 30, "the tables")
        invariants.wait_rows(database, "phone", 50)
        invariants.check_sold_out_once(database, client, "phone", load, 50)
