"""One ACL file for the proxy and for the server behind it: whatever a user of the file sends, both
answer the same bytes, be the server a Redis or a Valkey, old or new. What only some servers know (a
category, databases) is in the file if this one does; the answers are compared all the same.

Left out is what docs/users.md names as different: scripts by category, ACL LIST and GETUSER of
several rules before Redis 7.2, and the words of HELLO's and AUTH's own errors."""
import random

import pytest

from passthrough_fixture import Stack, command, wait_for
from users_fixture import UsersStack

BASE = """\
user default off
user admin on nopass ~* &* +@all
user app on nopass ~app:* %R~ro:* %W~wo:* &news.* +@read +@write +@connection +@pubsub \
+@transaction +@blocking -@dangerous +config|get +select|0
user few on nopass ~* &* +get +set +mget +select +publish +acl|whoami
user most on nopass ~* &* +@all -@dangerous -get -config +config|get
user parts on nopass +get +ping ~a* (+set +copy ~b*) (%W~c:* +del +mset) (&only +subscribe +publish)
user slow on nopass ~* &* -@all +@slow -@scripting
user fast on nopass ~* resetchannels -@all +@fast -@keyspace +acl
user sets on nopass ~s* +@set +@sortedset +@hash +@list +@stream -@blocking
user none on nopass
"""
# By servers that have databases in their ACL.
DATABASES = """\
user zero on nopass ~* &* +@all -@scripting db=0
user some on nopass ~* &* +@all -@scripting DB=3,1,1
user nodb on nopass ~* &* +@all -@scripting resetdbs
user every on nopass ~* +@all -@scripting resetdbs alldbs
user dbparts on nopass +get +select ~* db=0 (+set +copy +move +swapdb +flushall ~* db=0,1)
user alldb on nopass ~* +@all -@scripting -get db=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
"""
WORDS = [b"app:1", b"ro:1", b"wo:1", b"a1", b"b1", b"c:1", b"s1", b"x", b"0", b"1", b"2", b"-1",
         b"GET", b"SET", b"STORE", b"STREAMS", b"KEYS", b"BY", b"w_*", b"COUNT", b"LIMIT", b"",
         b"news.1", b"only", b"u8", b"DB", b"REPLACE", b"NX", b"99", b"GROUP", b"NOSUCH"]
# They end or change the connection, wait, or their answers differ by what they tell of.
NOT_RUN = {b"shutdown", b"monitor", b"psync", b"sync", b"quit", b"reset", b"hello", b"auth",
           b"client", b"subscribe", b"psubscribe", b"ssubscribe", b"unsubscribe", b"punsubscribe",
           b"sunsubscribe", b"debug", b"info", b"replconf", b"slaveof", b"replicaof", b"failover",
           b"cluster", b"time", b"lastsave", b"role", b"latency", b"slowlog", b"memory", b"module",
           b"save", b"bgsave", b"bgrewriteaof", b"wait", b"waitaof", b"config", b"command",
           b"multi", b"exec", b"discard", b"watch", b"unwatch", b"randomkey", b"spop",
           b"srandmember", b"hrandfield", b"zrandmember", b"vrandmember", b"xadd", b"xautoclaim",
           b"xclaim", b"xinfo", b"xreadgroup", b"script", b"function", b"lolwut", b"scan", b"keys",
           b"object", b"dump", b"acl", b"eval", b"eval_ro", b"evalsha", b"evalsha_ro", b"fcall",
           b"fcall_ro", b"migrate", b"restore", b"restore-asking", b"asking", b"pfdebug",
           b"pfselftest", b"readonly", b"readwrite", b"pubsub", b"swapdb", b"move", b"commandlog",
           b"hgetall", b"hkeys", b"hvals", b"smembers", b"sscan", b"hscan", b"zscan", b"ping"}


def elements(reply):
    return reply.split(b"\r\n")[2::2]


def server_has_databases():
    stack = Stack()
    try:
        return b"\r\nacl_access_denied_db:" in stack.direct().ask("INFO", "stats")
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def stack():
    things = UsersStack(BASE + (DATABASES if server_has_databases() else ""))
    # A connection that does not wait for a reply to its login.
    things.names = [line.split()[1] for line in things.reference_text.splitlines()][1:]
    admin = login(things, "admin")[0]
    wait_for(lambda: admin.ask("GET", "x") == b"$-1\r\n", "the commands of Redis are known")
    yield things
    things.stop()


def login(stack, user, protocol="2"):
    pair = [stack.via(), stack.reference()]
    for connection in pair:
        connection.ask("HELLO", protocol, "AUTH", user, "x")
    return pair


def same(pair, words, note=""):
    ours, theirs = (connection.ask(*words) for connection in pair)
    assert ours == theirs, (note, words, ours, theirs)
    return ours


def choices():
    seed = random.randrange(1 << 32)
    print("seed", seed)
    return random.Random(seed)


def draw(choose, names):
    return [choose.choice(names)] + [choose.choice(WORDS) for _ in range(choose.randint(0, 6))]


def overlooked(reference, words, ours, theirs):
    """Arguments that make no sense: the server finds no key at all, we the one named before. Of
    SORT ... STORE STORE x it judges x, but writes to STORE, which is what we judge."""
    if words[0].lower() == b"sort" and any(one == next_one == b"STORE"
                                           for one, next_one in zip(words, words[1:])):
        return True
    return (theirs != ours and b"key" in ours and
            reference.ask("COMMAND", "GETKEYS", *words).startswith(b"-"))


@pytest.mark.parametrize("database", ["0", "1"])
def test_dry_runs(stack, database):
    choose = choices()
    admin, reference = pair = login(stack, "admin")
    same(pair, ("SELECT", database))
    names = [name for name in elements(reference.ask("COMMAND", "LIST"))
             if not name.startswith((b"eval", b"fcall"))]
    judged = 0
    for _ in range(6_000):
        user, words = choose.choice(stack.names), draw(choose, names)
        ours, theirs = (one.ask("ACL", "DRYRUN", user, *words) for one in pair)
        if overlooked(reference, words, ours, theirs):
            continue
        assert ours == theirs, (user, words)
        judged += 1
    assert judged > 5_000


@pytest.mark.parametrize("protocol", ["2", "3"])
def test_commands_of_every_user(stack, protocol):
    choose = choices()
    reference = login(stack, "admin")[1]
    names = [name for name in elements(reference.ask("COMMAND", "LIST"))
             if name.lower() not in NOT_RUN]
    refused = 0
    for user in stack.names:
        if user == "admin":
            continue
        pair = login(stack, user, protocol)
        for _ in range(120):
            words = draw(choose, names)
            if words[0].lower().startswith((b"b", b"flush")):  # they may wait, or take too much
                words = [b"GET", choose.choice(WORDS)]
            ours, theirs = (one.ask(*words) for one in pair)
            if overlooked(reference, words, ours, theirs):
                continue
            if ours.startswith(b"-NOPERM") or theirs.startswith(b"-NOPERM"):
                assert ours == theirs, (user, words)
                refused += 1
    assert refused > 100


ASKED = [("ACL", "WHOAMI"), ("ACL", "WHOAMI", "x"), ("ACL", "USERS"), ("ACL", "USERS", "x"),
         ("ACL",), ("ACL", "NOTHING"), ("ACL", "NOTHING", "x"), ("ACL", "GETUSER"),
         ("ACL", "GETUSER", "nobody"), ("ACL", "GETUSER", "admin"), ("ACL", "GETUSER", "none"),
         ("ACL", "GETUSER", "default"), ("ACL", "GETUSER", "a", "b"), ("ACL", "LIST", "x"),
         ("ACL", "CAT", "nothing"), ("ACL", "CAT", "a", "b"), ("ACL", "GENPASS", "x"),
         ("ACL", "GENPASS", "0"),
         ("ACL", "GENPASS", "9999"), ("ACL", "GENPASS", "1", "2"), ("ACL", "HELP"),
         ("ACL", "HELP", "x"), ("ACL", "LOG", "x"), ("ACL", "LOG", "1", "2"), ("ACL", "LOAD", "x"),
         ("ACL", "SAVE", "x"), ("ACL", "SETUSER"), ("ACL", "DELUSER"), ("ACL", "DRYRUN"),
         ("ACL", "DRYRUN", "none"), ("ACL", "DRYRUN", "nobody", "GET", "x"),
         ("ACL", "DRYRUN", "none", "NOTHING"), ("ACL", "DRYRUN", "none", "NOTHING", "x"),
         ("ACL", "DRYRUN", "none", "GET"), ("ACL", "DRYRUN", "none", "CONFIG"),
         ("ACL", "DRYRUN", "none", "CONFIG", "NOTHING"), ("ACL", "DRYRUN", "none", "CONFIG", "GET"),
         ("ACL", "DRYRUN", "none", "CONFIG|GET", "x"), ("ACL", "DRYRUN", "none", "get", "x"),
         ("ACL", "DRYRUN", "admin", "FLUSHALL"), ("ACL", "DRYRUN", "default", "AUTH", "x")]


@pytest.mark.parametrize("protocol", ["2", "3"])
def test_questions_about_users(stack, protocol):
    pair = login(stack, "admin", protocol)
    for words in ASKED:
        same(pair, words)
    for words in ASKED:
        same(pair, ("MULTI",))
        same(pair, words, "in MULTI")
        same(pair, ("EXEC",), words)
    # The order of commands is another one in each process of the server.
    pair = pair[0], stack.direct()
    same(pair, ("ACL", "CAT", "stream"))
    same(pair, ("ACL", "CAT", "STREAM"))
    ours, theirs = (one.ask("ACL", "CAT") for one in pair)
    assert elements(ours) == elements(theirs) + [b"purchase", b"seckill-admin"]
    for category in elements(theirs):
        ours, theirs = (elements(one.ask("ACL", "CAT", category)) for one in pair)
        assert theirs == [name for name in ours if not name.startswith(b"seckill.")]
        assert any(name.startswith(b"seckill.") for name in ours) == (
            category in (b"read", b"write", b"fast", b"admin", b"dangerous"))


def test_users_are_shown_as_the_server_shows_them(stack):
    """Before the words that name the user, the server did not keep the order of several rules."""
    pair = login(stack, "admin")
    keeps_order = b"User none" in pair[1].ask("ACL", "DRYRUN", "none", "PING")
    for user in stack.names:
        ours, theirs = (one.ask("ACL", "GETUSER", user) for one in pair)
        assert ours == theirs or not keeps_order, user
        assert ours.count(b"databases") == theirs.count(b"databases")
    ours, theirs = (one.ask("ACL", "LIST") for one in pair)
    assert not keeps_order or ours == theirs


def test_before_the_login(stack):
    pair = [stack.via(), stack.reference()]
    for words in [("GET", "x"), ("GET",), ("NOTHING",), ("NOTHING", "x"), ("CONFIG", "NOTHING"),
                  ("CONFIG",), ("ACL", "WHOAMI"), ("ACL", "NOTHING"), ("MULTI",), ("EXEC",),
                  ("SUBSCRIBE", "x"), ("SUBSCRIBE",), ("SELECT", "1"), ("RESET",), ("EVAL",),
                  (b"GET\0", "x"), (b"SUBSCRIBE\0x",), ("INFO",), ("COMMAND", "NOTHING")]:
        same(pair, words)


@pytest.mark.parametrize("user", ["zero", "some", "nodb", "dbparts", "alldb", "every"])
def test_databases(stack, user):
    if user not in stack.names:
        pytest.skip("this server has no databases in its ACL")
    pair = login(stack, user)
    for words in [("GET", "x"), ("SET", "x", "1"), ("SELECT", "1"), ("GET", "x"), ("SET", "x", "1"),
                  ("SELECT", "3"), ("SELECT", "2"), ("SELECT", "99"), ("SELECT", "-1"),
                  ("SELECT", "x"), ("SWAPDB", "1", "3"), ("SWAPDB", "1", "0"),
                  ("SWAPDB", "1", "99"),
                  ("COPY", "x", "y", "DB", "1"), ("COPY", "x", "y", "DB", "2", "REPLACE"),
                  ("COPY", "x", "y", "DB", "1", "DB", "2"), ("COPY", "x", "y", "NOTHING"),
                  ("COPY", "x", "y"), ("MOVE", "x", "1"), ("MOVE", "x", "2"), ("MOVE", "x", "99"),
                  ("FLUSHALL",), ("FLUSHDB",), ("KEYS", "zz*"), ("DBSIZE",), ("PING",), ("MULTI",),
                  ("SELECT", "3"), ("GET", "x"), ("EXEC",), ("MULTI",), ("SELECT", "0"),
                  ("GET", "x"), ("EXEC",), ("GET", "x"), ("MULTI",), ("SELECT", "1"),
                  ("SELECT", "99"), ("SET", "x", "1"), ("DISCARD",), ("GET", "x"), ("RESET",)]:
        same(pair, words, user)


def test_a_pipeline_of_databases(stack):
    if "dbparts" not in stack.names:
        pytest.skip("this server has no databases in its ACL")
    pair = login(stack, "some")
    data = b"".join(command(*words) for words in [
        ("GET", "x"), ("SELECT", "1"), ("GET", "x"), ("SELECT", "0"), ("GET", "x"), ("SELECT", "3"),
        ("GET", "x"), ("MULTI",), ("SELECT", "1"), ("SET", "x", "y"), ("EXEC",), ("GET", "x")])
    replies = []
    for connection in pair:
        connection.send(data)
        replies.append([connection.reply() for _ in range(12)])
    assert replies[0] == replies[1]
