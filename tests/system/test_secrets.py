"""Passwords that change while the daemons run: read again at SIGHUP and when they are refused, and
never told."""

import pymysql

from harness import admin, sql_program
from harness.resp import Client, RespError
from harness.sql_server import Database
from harness.waiting import until


def guarded(lab):
    """(redis, its operator's client, the password's file, a proxy that sells)."""
    redis = lab.redis()
    operator = Client(redis.port)
    assert operator("CONFIG", "SET", "requirepass", "first-one") == "OK"
    assert operator("AUTH", "first-one") == "OK"
    path = lab.folder / "redis.password"
    path.write_text("first-one\n")
    return redis, operator, path, lab.proxy(redis, redis__password_file=str(path))


def change(operator, password):
    """Everybody has to log in anew, as after a restart of Redis or a failover."""
    assert operator("CONFIG", "SET", "requirepass", password) == "OK"
    operator("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def test_a_redis_password_that_was_changed_is_found_without_a_restart(lab):
    """Its file is written before or after Redis has it: the sale goes on by itself, and so do all
    other commands."""
    _, operator, path, proxy = guarded(lab)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 9) == "OK"
        path.write_text("second-one\n")
        change(operator, "second-one")
        until(lambda: client("SECKILL.BUY", "phone", "ann", "REQ", "1")[0] == "OK"
              if proxy.get("/readyz").status == 200 else False, 10, "it sells with the second one")
        until(lambda: client("SET", "k", "v") == "OK", 10, "other commands")
        change(operator, "third-one")
        until(lambda: "refused the password" in proxy.get("/readyz").text, 10, "it is refused")
        assert isinstance(client("SECKILL.BUY", "phone", "bob"), RespError)
        path.write_text("third-one\n")
        until(lambda: proxy.get("/readyz").status == 200, 10, "it sells with the third one")
        assert client("SECKILL.BUY", "phone", "bob")[0] == "OK"
        until(lambda: client("GET", "k") == "v", 10, "other commands")
    log = proxy.process.log()
    assert "Redis refused the password" in log
    assert "redis.password_file: there is another secret now" in log
    assert not any(f"{word}-one" in log for word in ("first", "second", "third"))


def test_sighup_reads_passwords_again_and_says_what_it_could_not_read(lab):
    """Without waiting for a refusal; a file that is gone leaves the password and is an error."""
    _, _, path, proxy = guarded(lab)
    path.write_text("second-one\n")
    proxy.process.send(1)
    until(lambda: "redis.password_file: there is another secret now" in proxy.process.log(), 5,
          "read again")
    assert proxy.metrics()["sluice_reload_failed"] == 0
    path.unlink()
    proxy.process.send(1)
    until(lambda: proxy.metrics()["sluice_reload_failed"] == 1, 5, "not reloaded")
    assert "the secret before stays: redis.password_file: cannot read" in proxy.process.log()
    assert "configuration reloaded\n" not in proxy.process.log().split("cannot read")[1]


def test_a_mysql_password_that_was_changed_is_found_without_a_restart(lab):
    """It is read at each connect: while it is wrong nothing is drained, and that is said."""
    server = lab.sql_server()
    root = pymysql.connect(**sql_program.connect_arguments(server.socket, server.port), user="root")
    with root.cursor() as cursor:
        cursor.execute("CREATE USER 'drain'@'%' IDENTIFIED BY 'first-one'")
        cursor.execute("GRANT ALL ON *.* TO 'drain'@'%'")
    root.close()
    path = lab.folder / "drain.password"
    path.write_text("first-one\n")
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(Database(server, "shop").create(), mysql__user="drain",
                          mysql__password_file=str(path))
    server.query("ALTER USER 'drain'@'%' IDENTIFIED BY 'second-one'")
    for number, in server.query("SELECT id FROM information_schema.processlist "
                                "WHERE user = 'drain'"):
        server.query(f"KILL {number}")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 9) == "OK"
    blocked = 'sluice_blocked{destination="mysql",reason="access"}'
    until(lambda: flusher.metrics()[blocked] == 1, 15, "refused")
    assert flusher.metrics()["sluice_mysql_connected"] == 0
    path.write_text("second-one\n")
    until(lambda: flusher.metrics()["sluice_backlog_records"] == 0, 20, "drained")
    assert flusher.metrics()[blocked] == 0 and flusher.metrics()["sluice_mysql_connected"] == 1
    assert "-one" not in flusher.process.log()


def post(port, token):
    return admin.request("POST", port, "/pause", {"Authorization": f"Bearer {token}"}).status


def test_tokens_of_the_admin_listeners_are_read_again(lab):
    """Of both daemons, and what the proxy shows to the flusher."""
    path = lab.folder / "token"
    path.write_text("first-one\n")
    _, _, proxy, flusher = lab.stack(
        proxy={"admin__token_file": str(path), "flusher__admin_token_file": str(path)},
        flusher={"admin__token_file": str(path)})
    for daemon in (flusher, proxy):
        assert (post(daemon.admin_port, "first-one"), post(daemon.admin_port, "x")) == (200, 401)
    path.write_text("\ufeffsecond-one\r\n")
    assert post(flusher.admin_port, "first-one") == 200
    flusher.process.send(1)
    until(lambda: "there is another secret now" in flusher.process.log(), 5, "read again")
    assert post(proxy.admin_port, "first-one") == 200, "it asks the flusher with the second one"
    proxy.process.send(1)
    until(lambda: "configuration reloaded" in proxy.process.log(), 5, "read again")
    for daemon in (flusher, proxy):
        assert (post(daemon.admin_port, "second-one"), post(daemon.admin_port, "first-one")) == \
            (200, 401)
    path.write_text("")
    flusher.process.send(1)
    until(lambda: flusher.metrics()["sluice_reload_failed"] == 1, 5, "not reloaded")
    assert post(flusher.admin_port, "second-one") == 200
    for daemon in (proxy, flusher):
        assert "-one" not in daemon.process.log()


def test_what_config_set_had_set_is_told_when_a_reload_undoes_it(lab):
    proxy = lab.proxy(lab.redis(), limits__clients=500)
    with proxy.client() as client:
        assert client("CONFIG", "SET", "sluice.limits.clients", "123") == "OK"
        proxy.process.send(1)
        undone = "limits.clients: CONFIG SET had made it 123, the file says 500; it is 500"
        until(lambda: undone in proxy.process.log(), 5, "told")
        assert client("CONFIG", "GET", "sluice.limits.clients") == ["sluice.limits.clients", "500"]
        proxy.process.send(1)
        until(lambda: proxy.process.log().count("configuration reloaded") == 2, 5, "again")
        assert proxy.process.log().count(undone) == 1
