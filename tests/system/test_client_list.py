"""CLIENT LIST and CLIENT KILL as the server behind knows them, of the clients of the proxy.

Expected: the filters that the server knows and no others, refused in its words; lines with its
fields; and no connection of the proxy to the server is ever listed or killed.
"""
import pytest

from passthrough_fixture import wait_for

# Those of every server: which of them the one behind knows, it says itself.
FILTERS = [("ID", 1, 2), ("ID", 1, "NAME", "n"), ("TYPE", "normal"), ("TYPE", "primary"),
           ("USER", "default"), ("USER", "nobody"), ("ADDR", "x:1"), ("LADDR", "x:1"),
           ("IP", "x"), ("NAME", "n"), ("MAXAGE", 1000), ("MAXAGE", 0), ("IDLE", 1000),
           ("IDLE", "x"), ("FLAGS", "P"), ("FLAGS", "?"), ("DB", 3), ("DB", "x"), ("CAPA", "r"),
           ("CAPA", "z"), ("LIB-NAME", "n"), ("LIB-VER", "n"), ("SKIPME", "yes", "TYPE", "normal"),
           ("SKIPME", "x"), ("NOT-ID", 1), ("NOT-TYPE", "normal", "NOT-USER", "default"),
           ("NOT-FLAGS", "N"), ("NOT-NAME", "", "NAME", ""), ("COLOUR", "red"), ("ID",), ("TYPE",)]


@pytest.mark.parametrize("verb", ["LIST", "KILL"])
@pytest.mark.parametrize("words", FILTERS, ids=lambda words: " ".join(map(str, words)))
def test_filters_are_those_of_the_server(stack, verb, words):
    """Refused as by the server, or taken as by the server: whom they find, unit tests show."""
    words = ("CLIENT", verb, *words, *(("ADDR", "nobody:1") if verb == "KILL" else ()))
    direct, via = stack.direct().ask(*words), stack.via().ask(*words)
    assert via[:1] == direct[:1] == b"$" or via == direct


def test_killing_is_for_the_clients_of_the_proxy_alone(stack):
    """The server is asked whether the words are right, and kills nobody."""
    direct, via, victim = stack.direct(), stack.via(), stack.via()
    number = int(victim.ask("CLIENT", "ID")[1:])
    before = direct.ask("CLIENT", "ID")
    assert via.ask("CLIENT", "KILL", "TYPE", "normal", "ID", number) == b":1\r\n"
    assert via.ask("CLIENT", "KILL", "ID", 999_999, "SKIPME", "no") == b":0\r\n"
    assert victim.until_closed() == b""
    assert direct.ask("CLIENT", "ID") == before and via.ask("PING") == b"+PONG\r\n"


def test_client_list_has_the_fields_of_redis(stack):
    via, direct, other = stack.via(), stack.direct(), stack.via()

    def fields(client):
        return dict(word.split("=", 1) for word in client.ask("CLIENT", "INFO").decode()
                    .split("\r\n")[1].split())

    def listed():
        line = via.ask("CLIENT", "LIST", "ID", number).decode().split("\r\n")[1]
        return dict(word.split("=", 1) for word in line.split())

    shown = list(fields(via))
    # The library is shown also where the server does not know CLIENT SETINFO.
    assert [name for name in shown if not name.startswith("lib-")] == [
        name for name in fields(direct) if not name.startswith("lib-")]
    assert {"lib-name", "lib-ver"} <= set(shown)
    assert fields(via)["cmd"] == fields(direct)["cmd"] == "client|info"
    number = int(other.ask("CLIENT", "ID")[1:])
    other.ask("GET", "key")
    assert listed()["cmd"] == "get"
    other.ask("SUBSCRIBE", "a")
    other.ask("PSUBSCRIBE", "b*")
    wait_for(lambda: (listed()["sub"], listed()["psub"], listed()["flags"]) == ("1", "1", "P"),
             "it is seen to subscribe")
    other.ask("UNSUBSCRIBE")
    assert (listed()["sub"], listed()["psub"], listed()["cmd"]) == ("0", "1", "unsubscribe")
    other.ask("RESET")
    for line, queued in ((("MULTI",), "0"), (("GET", "a"), "1"), (("CLIENT", "ID"), "2")):
        other.ask(*line)
        assert listed()["multi"] == queued
    other.ask("DISCARD")
    assert listed()["multi"] == "-1"
    other.ask("x\r\ny=1")
    assert listed()["cmd"] == "x??y?1"


def test_counts_of_a_client_are_of_its_connection_to_the_proxy(stack):
    """Where the server counts: WATCHed keys, bytes in and out, commands."""
    via, other = stack.via(), stack.via()
    number = int(other.ask("CLIENT", "ID")[1:])

    def listed():
        line = via.ask("CLIENT", "LIST", "ID", number).decode().split("\r\n")[1]
        return {name: int(value) for name, value in (word.split("=", 1) for word in line.split())
                if name in ("watch", "tot-net-in", "tot-net-out", "tot-cmds")}

    before = listed()
    direct = stack.direct().ask("CLIENT", "INFO").decode()
    assert set(before) == {name for name in ("watch", "tot-net-in", "tot-net-out", "tot-cmds")
                           if f" {name}=" in direct}
    other.ask("WATCH", "a", "b")
    other.ask("ECHO", "x" * 1000)
    # What was sent is counted just after it has left.
    wait_for(lambda: listed().get("tot-net-out", 1 << 40) > before.get("tot-net-out", 0) + 1000,
             "it is counted")
    after = listed()
    assert after.get("watch", 2) == 2
    if "tot-cmds" in after:
        assert after["tot-cmds"] == before["tot-cmds"] + 2
        assert 1000 < after["tot-net-in"] - before["tot-net-in"] < 1200
        assert 1000 < after["tot-net-out"] - before["tot-net-out"] < 1100
    other.ask("UNWATCH")
    assert listed().get("watch", 0) == 0
