"""The users file: read before Redis is reached, judged by what Redis has once it is, read again at
once; a file that is wrong changes nothing."""
import pytest

from passthrough_fixture import FakeRedis, command, free_port, wait_for
from users_fixture import FILE, UsersStack


def test_a_reload_takes_effect_at_once_and_a_bad_file_changes_nothing():
    stack = UsersStack()
    try:
        admin, reader, limited = (stack.login(u) for u in ("admin", "reader", "limited"))
        subscriber = stack.login("reader")
        subscriber.ask("SUBSCRIBE", "news.1")
        stack.write(FILE + "user wrong ++get\n")
        reply = admin.ask("ACL", "LOAD")
        assert reply.startswith(b"-ERR ") and b":8: word 3" in reply, reply
        assert reader.ask("GET", "app:1") == b"$-1\r\n"
        stack.write(FILE.replace("+config|get +select|0", "-get").replace("user limited on",
                                                                         "user limited off"))
        assert admin.ask("ACL", "LOAD") == b"+OK\r\n"
        wait_for(lambda: reader.ask("GET", "app:1").startswith(b"-NOPERM"), "new rules")
        assert limited.until_closed() == b"", "its user is off"
        assert subscriber.until_closed() == b"", "its rules have changed"
        assert stack.via().ask("AUTH", "limited", "l1m").startswith(b"-WRONGPASS")
        stack.write("user default on nopass ~* &* +@all\n")
        stack.proxy.send_signal(1)
        assert reader.until_closed() == b"", "its user is gone"
        assert admin.until_closed() == b""
        fresh = stack.via()
        assert fresh.ask("SET", "x", "y") == b"+OK\r\n"
        assert fresh.ask("AUTH", "x") == (
            b"-ERR AUTH <password> called without any password configured for the default user. "
            b"Are you sure your configuration is correct?\r\n")
        stack.write(FILE)
        stack.proxy.send_signal(1)
        assert fresh.until_closed() == b"", "the default user needs a login now"
    finally:
        stack.stop()


def test_a_file_as_windows_editors_write_it():
    stack = UsersStack()
    try:
        admin = stack.login("admin")
        stack.write("\ufeff" + FILE.replace("\n", "\r\n"))
        assert admin.ask("ACL", "LOAD") == b"+OK\r\n"
        assert stack.login("reader").ask("GET", "app:1") == b"$-1\r\n"
    finally:
        stack.stop()


def test_commands_wait_for_redis_no_longer_than_it_is_down():
    port = free_port()
    stack = UsersStack(redis_port=port)
    try:
        reader = stack.login("reader")
        assert b"is not reachable" in reader.ask("GET", "app:1")
        assert reader.ask("SECKILL.BUY", "x", "u").startswith(b"-NOPERM")
        assert stack.via().ask("GET", "x").startswith(b"-NOAUTH")
        stack.start_redis()
        wait_for(lambda: reader.ask("GET", "app:1") == b"$-1\r\n", "Redis is reached")
        assert reader.ask("GET", "x").startswith(b"-NOPERM")
    finally:
        stack.stop()


def test_a_redis_that_does_not_tell_its_commands_is_asked_again():
    reply = (b"*1\r\n*6\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n")
    answers = [b"-BUSY Redis is busy running a script.\r\n", reply]

    def script(data):
        if b"$7\r\nCOMMAND" in data:
            return answers.pop(0) if len(answers) > 1 else answers[0]
        return b"$5\r\nvalue\r\n" if b"GET" in data else b"+OK\r\n"

    redis = FakeRedis(script)
    stack = UsersStack("user default on nopass +get ~app:*\n", redis_port=redis.port, io_threads=1)
    try:
        client = stack.via()
        wait_for(lambda: "does not tell its commands" in stack.log_text(), "the refusal")
        assert b"-ERR Sluice: the commands of Redis are not known" in client.ask("GET", "app:1")
        wait_for(lambda: client.ask("GET", "app:1") == b"$5\r\nvalue\r\n", "the second answer")
        # A Redis before 7.0 tells first and last key only.
        assert client.ask("GET", "x").startswith(b"-NOPERM")
    finally:
        stack.stop()
        redis.stop()


def test_a_rule_on_a_command_that_redis_does_not_have_is_told():
    stack = UsersStack("user default on nopass ~* &* +@all -flushal\n")
    try:
        wait_for(lambda: "user default: -flushal names no command" in stack.log_text(), "the log")
        assert stack.log_text().count("-flushal") == 1
    finally:
        stack.stop()


def test_a_rule_on_a_category_that_redis_does_not_have_is_told_and_has_no_effect():
    stack = UsersStack("user default on nopass ~* &* +@read -@nothing +@seckill-admin\n")
    try:
        wait_for(lambda: "user default: -@nothing names no category" in stack.log_text(), "the log")
        assert stack.log_text().count("@nothing") == 1 and "@seckill" not in stack.log_text()
        client = stack.via()
        assert client.ask("GET", "x") == b"$-1\r\n"
        assert client.ask("SET", "x", "y").startswith(b"-NOPERM")
    finally:
        stack.stop()


@pytest.mark.parametrize("rule, noun", [("-@nothing", "category"), ("+flushal", "command"),
                                        ("-config|gte", "command")])
def test_acl_load_refuses_what_redis_does_not_have_and_changes_nothing(rule, noun):
    stack = UsersStack()
    try:
        admin, reader = stack.login("admin"), stack.login("reader")
        assert reader.ask("GET", "app:1") == b"$-1\r\n"  # so the commands of Redis are known
        stack.write(FILE.replace("+select|0", f"-get {rule}"))
        expected = f"-ERR auth.users_file: {stack.file}: user reader: {rule} names no {noun} "
        # It may be another I/O thread's connection that has told them to all.
        wait_for(lambda: admin.ask("ACL", "LOAD").startswith(expected.encode()), "the refusal")
        assert reader.ask("GET", "app:1") == b"$-1\r\n"
        stack.proxy.send_signal(1)
        wait_for(lambda: "users not reloaded" in stack.log_text(), "SIGHUP is refused too")
        assert reader.ask("GET", "app:1") == b"$-1\r\n"
        stack.write(FILE.replace("+select|0", "-get"))
        assert admin.ask("ACL", "LOAD") == b"+OK\r\n"
        wait_for(lambda: reader.ask("GET", "app:1").startswith(b"-NOPERM"), "new rules")
    finally:
        stack.stop()


def test_databases_of_a_user_hold_before_every_server():
    stack = UsersStack("user default on nopass ~* &* +@all db=1\n")
    try:
        client = stack.via()
        refused = b"-NOPERM No permissions to access database\r\n"
        assert client.ask("SET", "x", "y") == refused
        assert client.ask("SELECT", "2") == refused
        assert client.ask("SELECT", "1") == b"+OK\r\n"
        assert client.ask("SET", "x", "y") == b"+OK\r\n"
        assert client.ask("FLUSHALL") == refused
        assert b"databases\r\n$4\r\ndb=1\r\n" in client.ask("ACL", "GETUSER", "default")
        client.send(command("MULTI") + command("SELECT", "0") + command("GET", "x") +
                    command("EXEC") + command("GET", "x"))
        replies = [client.reply() for _ in range(5)]
        assert replies[1] == refused and replies[3].startswith(b"-EXECABORT")
        assert replies[2] == b"+QUEUED\r\n" and replies[4] == b"$1\r\ny\r\n"
        assert b"NOITEM" in client.ask("SECKILL.STOCK", "none")
    finally:
        stack.stop()
