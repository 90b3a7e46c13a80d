"""What the proxy asks the server before it carries out a command about the connection, attacked.

Expected: asking has no effect on the server, shows it no password, costs little however long the
command is; no answer is taken for that to another command; where the server does not judge, what is
wrong by every server's rules is refused all the same.
"""
import re
import time

import pytest

from harness.ports import free_port
from passthrough_fixture import FakeRedis, command, wait_for

MIB = 1024 * 1024


def entry(name, arity):
    """A command as a server before 7.0 tells of it: without subcommands."""
    return b"*7\r\n$%d\r\n%b\r\n:%d\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n" % (len(name), name, arity)


@pytest.mark.parametrize("words", [
    ("GETUSER",), ("DRYRUN",), ("DRYRUN", "ann"), ("DRYRUN", "ann" * 40, "get", "k")], ids=len)
def test_acl_of_a_server_without_subcommands_reads_no_argument_that_is_not_there(
        made, tmp_path, words):
    def script(data):
        if b"COMMAND" in data:
            return b"*2\r\n" + entry(b"acl", -2) + entry(b"get", 2)
        return b"-ERR refused by the server\r\n"

    users = tmp_path / "users.acl"
    users.write_text("user default off\nuser ann on >pw +acl ~*\n")
    fake = FakeRedis(script)
    stack = made(f"auth.users_file={users}", redis_port=fake.port, io_threads=1)
    client = stack.via()
    assert client.ask("AUTH", "ann", "pw") == b"+OK\r\n"
    stack.via().ask("AUTH", "ann", "a password that lies in the buffer of this thread now")
    said = client.ask("ACL", *words)
    assert said.startswith(b"-ERR ") and b"password" not in said, said
    assert stack.via().ask("AUTH", "ann", "pw") == b"+OK\r\n", "the proxy lives"
    fake.stop()


@pytest.mark.parametrize("options, database", [(("--rename-command", "CONFIG", ""), 99),
                                               (("--cluster-enabled", "yes", "--cluster-port"), 5)])
def test_a_select_that_may_fail_opens_no_other_database(made, tmp_path, options, database):
    """The users file keeps ann to one database; SELECT of it fails, and she is still in 0."""
    users = tmp_path / "users.acl"
    users.write_text("user default on nopass ~* &* +@all\n"
                     f"user ann on >pw +get +select +multi +exec ~* db={database}\n")
    if options[-1] == "--cluster-port":
        options += (str(free_port()),)
    stack = made(f"auth.users_file={users}", redis_options=options)
    stack.direct().ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_for(lambda: stack.direct().ask("SET", "k", "secret") == b"+OK\r\n", "Redis serves")
    client = stack.via()
    assert client.ask("AUTH", "ann", "pw") == b"+OK\r\n"
    wait_for(lambda: client.ask("GET", "k").startswith(b"-NOPERM "), "the commands are known")
    client.send(b"".join(command(*words) for words in (
        ("MULTI",), ("SELECT", database), ("GET", "k"), ("EXEC",))))
    said = [client.reply() for _ in range(4)]
    assert b"secret" not in b"".join(said), said


@pytest.fixture
def without_client(made):
    """Before a server whose CLIENT may not be asked."""
    return made(redis_options=("--rename-command", "CLIENT", ""))


@pytest.mark.parametrize("words", [
    ("SETNAME", "x user=admin\nid=999 name=forged"), ("SETINFO", "lib-name", "a b"),
    ("SETINFO", "foo", "x"), ("REPLY", "FOO"), ("PAUSE", "abc"), ("PAUSE", 2**63 - 1),
    ("PAUSE", 10, "FOO"), ("UNBLOCK", "x"), ("NO-EVICT", "x"), ("KILL", "MAXAGE", "abc"),
    ("KILL", "FOO", 1), ("KILL", "ID", 1, "TYPE"), ("LIST", "DB", "x")], ids=str)
def test_what_is_wrong_is_refused_where_the_server_is_not_asked(without_client, words):
    other, client = without_client.via(), without_client.via()
    other.ask("PING")
    assert client.ask("CLIENT", *words).startswith(b"-ERR Sluice: ")
    assert b"forged" not in client.ask("CLIENT", "LIST")
    assert other.ask("GET", "k") == b"$-1\r\n"


def test_asking_leaves_nothing_on_the_server(stack):
    direct = stack.direct()
    direct.ask("ACL", "LOG", "RESET")
    for words in (("HELLO", 3, "SETNAME", "x", "FOO"), ("HELLO", 3, "AUTH", "ann", "pw", "FOO"),
                  ("CLIENT", "SETNAME", b"a\0b"), ("CLIENT", "SETINFO", "lib-name", b"x\0y"),
                  ("HELLO", 3, "SETNAME", b"a\0b"), ("AUTH", "a", "b", "c")):
        assert stack.via().ask(*words).startswith(b"-ERR "), words
    lines = direct.ask("CLIENT", "LIST").decode().splitlines()
    assert all(" name= " in line for line in lines if "id=" in line), lines
    assert direct.ask("ACL", "LOG") == b"*0\r\n"
    # The option is named, not the user whom it never came to.
    assert stack.via().ask("HELLO", 3, "AUTH", "ann", "pw", "FOO") == (
        b"-ERR Syntax error in HELLO option 'FOO'\r\n")


def test_a_long_command_is_asked_about_in_few_words(own_stack):
    before = own_stack.resident_bytes()
    clients = [own_stack.via() for _ in range(6)]
    for client in clients:
        said = client.ask("CLIENT", "SETNAME", b"n" * 20 * MIB + b" ")
        assert said.startswith(b"-ERR Client names cannot contain spaces"), said[:100]
    assert own_stack.resident_bytes() - before < 60 * MIB  # one of them, and what malloc keeps


def test_an_odd_word_is_refused_as_by_the_server(stack):
    for words in (("KILL", "ID", 999_999, "TYPE"), ("KILL", "TYPE", "normal", "ADDR"),
                  ("KILL", "LADDR", "x:1", "USER")):
        assert stack.via().ask("CLIENT", *words) == stack.direct().ask("CLIENT", *words)


def test_a_busy_server_is_asked_again(made):
    """The first CLIENT comes while a script runs: what cannot be learned then is learned later."""
    stack = made(io_threads=1, redis_options=("--busy-reply-threshold", "20"))
    runs, direct, client = stack.direct(), stack.direct(), stack.via()
    assert client.ask("PING") == b"+PONG\r\n"
    runs.send(command("EVAL", "while true do end", 0))
    wait_for(lambda: direct.ask("PING").startswith(b"-BUSY "), "the script runs")
    client.ask("CLIENT", "LIST")
    assert direct.ask("SCRIPT", "KILL") == b"+OK\r\n"
    wait_for(lambda: direct.ask("PING") == b"+PONG\r\n", "the script has ended")

    def fields(line):
        return [word.split(b"=")[0] for word in line.split(b"\r\n")[1].split()
                if not word.startswith(b"lib-")]

    assert fields(client.ask("CLIENT", "INFO")) == fields(direct.ask("CLIENT", "INFO"))
    other = stack.via()
    assert client.ask("CLIENT", "PAUSE", 60_000, "WRITE") == b"+OK\r\n"
    began = time.monotonic()
    assert other.ask("GET", "k") == b"$-1\r\n"
    assert time.monotonic() - began < 5, "a read waits for the end of a pause of writes"
    assert client.ask("CLIENT", "UNPAUSE") == b"+OK\r\n"


def test_an_answer_is_for_the_command_that_was_asked_about(made):
    """The connection breaks while the question is out; the next command is asked about anew."""
    asked = []

    def script(data):
        """One reply for each command of what was read; closes at the first question."""
        replies = b""
        for one in re.findall(rb"\*\d+\r\n\$[^*]*", data):
            if b"LADDR" in one:
                asked.append(one)
                if len(asked) == 1:
                    return None
            replies += (b":0\r\n" if b"LADDR" in one else
                        b"-ERR no\r\n" if b"COMMAND" in one else b"+OK\r\n")
        return replies

    fake = FakeRedis(script)
    stack = made(io_threads=1, redis_port=fake.port)
    client = stack.via()
    client.ask("CLIENT", "KILL", "TYPE", "pubsub")
    wait_for(lambda: client.ask("PING") == b"+OK\r\n", "Redis is reached again")
    assert client.ask("CLIENT", "KILL", "TYPE", "pubsub") == b":0\r\n"
    assert len(asked) == 2
    fake.stop()
