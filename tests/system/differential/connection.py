"""Commands about the connection itself, in and out of transactions and subscriptions.

Left out, because their replies tell what differs by nature: ids, addresses and ages of connections.
"""

from .commands import strings


def connection(v):
    key, n = v.key(), v.number
    return v.rng.choice([
        lambda: ("CLIENT", "GETNAME"),
        lambda: ("cLIENT", "setname", v.choice("me", "a b", "", "x")),
        lambda: ("CLIENT", "NO-EVICT", v.choice("on", "off", "x")),
        lambda: ("CLIENT", "TRACKINGINFO"), lambda: ("CLIENT", "NO-TOUCH", v.choice("on", "off")),
        lambda: ("CLIENT", "GETREDIR"), lambda: ("CLIENT", "TRACKING", v.choice("OFF", "x")),
        lambda: ("CLIENT", "CACHING", "YES"),
        lambda: ("CLIENT", "TRACKING", "ON", "REDIRECT", v.choice("x", 0, 999_999_999)),
        lambda: ("CLIENT", "TRACKING", "ON", v.choice("FOO", "PREFIX"), "a"),
        lambda: ("CLIENT", "TRACKING", "ON", "OPTIN", "OPTOUT"), lambda: ("CLIENT", "REPLY", "ON"),
        lambda: ("CLIENT", "REPLY", "x"),
        lambda: ("CLIENT", "UNBLOCK", 999_999_999, *v.some("ERROR")),
        lambda: ("CLIENT", "UNBLOCK", n()), lambda: ("CLIENT", "PAUSE", v.choice("x", -1, 0)),
        lambda: ("CLIENT", "PAUSE", 0, v.choice("WRITE", "ALL", "x")),
        lambda: ("CLIENT", "UNPAUSE"),
        lambda: ("CLIENT", "KILL", "ID", v.choice(0, "x", 999_999_999)),
        lambda: ("CLIENT", "HELP"), lambda: ("CLIENT", "KILL", "nobody:1"),
        lambda: ("CLIENT", "KILL", "ADDR"),
        lambda: ("CLIENT", "LIST", v.choice("ID", "TYPE", "x")), lambda: ("CLIENT", "INFO", "x"),
        lambda: ("CLIENT", "LIST", "ID", 999_999_999), lambda: ("CLIENT", "SETINFO", "LIB-NAME"),
        lambda: ("AUTH", "x"), lambda: ("AUTH", "default", "x"),
        lambda: ("AUTH", "a", "b", "c"), lambda: ("HELLO", v.choice(2, 3)),
        lambda: ("HELLO", v.choice(1, "x"), "FOO"), lambda: ("SELECT", v.rng.randrange(16)),
        lambda: ("SELECT", v.choice(16, "x", -1)), lambda: ("ACL", "WHOAMI"),
        lambda: ("ACL", "CAT", "x"), lambda: ("WAIT", 0, 0), lambda: ("WAIT", "x", 0),
        lambda: ("OBJECT", "FREQ", key), lambda: ("MEMORY", "USAGE", v.prefix + b"none"),
        lambda: ("LATENCY", "HISTORY", "x"), lambda: ("LATENCY", "NOSUCH"),
        lambda: ("SLOWLOG", "GET", "x"), lambda: ("CONFIG", "GET", "port"),
        lambda: ("COMMAND", "LIST", "FILTERBY", "PATTERN", "ge*"),
        lambda: ("COMMAND", "COUNT", "x"), lambda: ("COMMAND", "GETKEYSANDFLAGS", "SET", key, "a"),
        lambda: ("FUNCTION", "HELP"), lambda: ("REPLCONF",), lambda: ("REPLCONF", "ack", 1, "x"),
        lambda: ("SHUTDOWN", "ABORT"), lambda: ("FAILOVER", "ABORT"), lambda: ("DEBUG",),
        lambda: ("PSYNC",), lambda: ("SCRIPT", "KILL"), lambda: ("FUNCTION", "KILL"),
        lambda: ("INFO", "nosuch"), lambda: ("READWRITE",),
    ])()


def transaction(v, plain):
    """Subscribing has a transaction of its own: with some of the others Sluice refuses it."""
    lines = [("MULTI",)]
    if v.rng.random() < 0.15:
        channel = v.prefix + b"multi"
        return lines + [strings(v), ("SUBSCRIBE", channel), ("PING",), ("EXEC",),
                        ("UNSUBSCRIBE", channel)]
    for _ in range(v.rng.randrange(1, 7)):
        line = connection(v) if v.rng.random() < 0.7 else plain()
        if line[0] not in ("PSYNC", "DEBUG", "WATCH"):
            lines.append(line)
    return lines + [v.rng.choice([("EXEC",), ("EXEC",), ("EXEC",), ("DISCARD",), ("RESET",)])]


def subscriber(v, plain):
    """What a subscriber may do and what not, by the protocol at hand; ends as RESP2."""
    channel = v.prefix + b"odd"
    lines = [("SUBSCRIBE", channel)]
    lines += [v.rng.choice([connection(v), plain(), ("PUBLISH", channel, v.value())])
              for _ in range(v.rng.randrange(5))]
    if v.rng.random() < 0.3:
        lines += [("MULTI",), ("PUBLISH", channel, v.value()), connection(v), ("EXEC",)]
    if v.rng.random() < 0.5:
        lines += [("HELLO", 2), ("PUBLISH", channel, "x"), ("UNSUBSCRIBE", channel)]
    return lines + [("RESET",)]


def large(v):
    """Values too large to share a connection."""
    key, size = v.prefix + b"s0", v.rng.choice([1 << 20, (1 << 20) + 1, 1_500_000])
    value = v.rng.randbytes(100) * (size // 100)
    lines = [("SET", key, value), ("STRLEN", key), ("APPEND", key, value), ("GETRANGE", key, 0, 9)]
    if v.rng.random() < 0.5:
        lines = [("MULTI",), *lines, ("CLIENT", "GETNAME"), ("EXEC",)]
    return [*lines, ("CLIENT", "REPLY", "SKIP"), ("SET", key, value), ("STRLEN", key), ("DEL", key)]
