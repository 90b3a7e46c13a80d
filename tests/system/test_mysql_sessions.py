"""A server whose settings, or whose init_connect, make another session of what a client expects:
what is stored is what buyers wrote, and nothing that they wrote is carried out."""

import json

import pymysql
import pytest
from harness import sql_program
from harness.sql_server import PASSWORD, Database
from harness.waiting import until

MARIADB = sql_program.PROGRAM == "mariadbd"
CHINESE = "使é😀 it's \\ \"5\" \n\0"
# In GBK the first two bytes are one character, and the third ends a literal.
INJECTION = b"\xbf\x5c'), (99, 'phone', current_user(), 1, 'placed', NULL, NOW(3), NOW(3), NULL, x'"

GLOBALS = {
    "sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
    "completion_type": "'RELEASE'",
    "sql_select_limit": "1",
    "max_join_size": "1",
    "sql_safe_updates": "1",
    "time_zone": "'+05:30'",
    "autocommit": "1",
    "foreign_key_checks": "0",
    "lock_wait_timeout": "1",
    "tx_isolation" if MARIADB else "transaction_isolation": "'READ-UNCOMMITTED'",
}
SERVERS = {
    "gbk by init_connect": (["--init-connect=SET NAMES gbk"], {}),
    "latin1 by init_connect": (["--init-connect=SET NAMES latin1"], {}),
    "latin1 without a handshake": (["--character-set-server=latin1"]
                                   + ["--skip-character-set-client-handshake"] * MARIADB, {}),
    "everything else": (["--init-connect=SET " + ", ".join(
        f"{name} = {value}" for name, value in GLOBALS.items())] if MARIADB else [], GLOBALS),
}


def make_user(server, password):
    """One without privileges of the server's, whom init_connect does not spare."""
    root = pymysql.connect(**sql_program.connect_arguments(server.socket, server.port), user="root")
    with root.cursor() as cursor:
        cursor.execute("CREATE USER plain@'%%' IDENTIFIED BY %s", (password,))
        cursor.execute("GRANT ALL ON shop.* TO plain@'%'")
    root.close()


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("column", ["VARBINARY(255)", "VARCHAR(255) CHARACTER SET utf8mb4"])
def test_no_setting_of_the_server_changes_what_is_stored(lab, name, column):
    options, values = SERVERS[name]
    server = lab.sql_server(options=options)
    database = Database(server, "shop").create()
    make_user(server, PASSWORD)
    flusher = lab.flusher(database, start=False, mysql__user="plain",
                          orders__columns={"note": "note"})
    assert lab.ctl("schema", "apply", "--config", flusher.config).returncode == 0
    database.query(f"ALTER TABLE orders ADD COLUMN note {column}")
    for key, value in values.items():
        server.query(f"SET GLOBAL {key} = {value}")
    proxy = lab.proxy(lab.redis())
    notes = {"ann": CHINESE.encode(), "eve": INJECTION, "bob": b"plain"}
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100, "LIMIT", 1) == "OK"
        for user, note in notes.items():
            assert client("SECKILL.BUY", "phone", user, "FIELDS", "note", note, "more",
                          note)[0] == "OK"
    done = flusher.once()
    assert done.returncode == 0, done.stderr
    for key, value in values.items():  # for the eyes of this test
        server.query(f"SET GLOBAL {key} = DEFAULT")
    rows = dict(database.query("SELECT user_id, CAST(note AS BINARY) FROM orders"))
    letters = database.query("SELECT user_id FROM sluice_dead_letter")
    if "VARCHAR" in column:  # it is no text
        assert letters == (("eve",),)
        del notes["eve"]
    assert rows == notes
    more = database.one("SELECT HEX(CONVERT(JSON_UNQUOTE(JSON_EXTRACT(fields, '$.more')) USING "
                        "utf8mb4)) FROM orders WHERE user_id = 'ann'")
    assert bytes.fromhex(more[0]).decode() == CHINESE
    assert database.one("SELECT sold FROM items") == (len(notes),)


def test_a_password_is_read_again_at_each_connect(lab):
    """It is changed on the server and in the file; the flusher goes on without a restart, and says
    meanwhile that it is not connected."""
    server = lab.sql_server()
    database = Database(server, "shop").create()
    make_user(server, "old")
    secret = lab.folder / "secret"
    secret.write_text("old\n")
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(database, mysql__user="plain", mysql__password_file=str(secret),
                          trigger__max_age="100ms")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100) == "OK"
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
        until(lambda: database.query("SELECT user_id FROM orders") == (("ann",),), 20, "ann")
        server.query("ALTER USER plain@'%' IDENTIFIED BY 'new'")
        for (thread,) in server.query("SELECT id FROM information_schema.processlist "
                                      "WHERE user = 'plain'"):
            server.query(f"KILL {thread}")
        assert client("SECKILL.BUY", "phone", "bob")[0] == "OK"

        def refused():
            mysql = json.loads(flusher.get("/status").text)["mysql"]
            return not mysql["connected"] and "1045" in mysql["error"]
        until(refused, 20, "a refused login")
        secret.write_text("new\n")
        until(lambda: len(database.query("SELECT user_id FROM orders")) == 2, 20, "bob")
    until(lambda: json.loads(flusher.get("/status").text)["mysql"] == {
        "connected": True, "error": ""}, 20, "nothing in the way")
