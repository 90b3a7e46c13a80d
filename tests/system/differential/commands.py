"""Commands of every data type whose replies depend on nothing but the stream before them.

Left out, because two runs against one Redis differ too: what draws random numbers (SRANDMEMBER and
SPOP of a part, RANDOMKEY), tells the time or a remaining one (TTL, TIME, XADD *, idle times, DUMP
of a stream, the number of keys while one has expired unseen), tells counters of the server (INFO,
LASTSAVE) or speaks of the connection (CLIENT ID).
"""


def strings(v):
    key, n = v.key("s"), v.number
    return v.rng.choice([
        lambda: ("SET", key, v.value()),
        lambda: ("SET", key, v.value(), *v.some("NX", "GET", "KEEPTTL")),
        lambda: ("SET", key, v.value(), "EXAT", v.choice(9999999999, 0)),
        lambda: ("GET", key), lambda: ("GETDEL", key), lambda: ("GETSET", key, v.value()),
        lambda: ("SETNX", key, v.value()), lambda: ("APPEND", key, b"a%d" % v.rng.randrange(9)),
        lambda: ("STRLEN", key), lambda: ("GETRANGE", key, n(), n()), lambda: ("GETEX", key),
        lambda: ("GETEX", key, "PXAT", 99999999999999), lambda: ("EXPIRETIME", key),
        lambda: ("SETRANGE", key, v.rng.randrange(40), v.member()),
        lambda: ("MGET", *v.keys("s", 5)), lambda: ("MSET", *pairs(v)),
        lambda: ("MSETNX", *pairs(v)), lambda: ("LCS", key, v.key("s"), *v.some("LEN", "IDX")),
        lambda: ("INCR", v.key("n")), lambda: ("DECRBY", v.key("n"), n()),
        lambda: ("INCRBY", v.key("n"), n()), lambda: ("INCRBYFLOAT", v.key("n"), v.score()),
        lambda: ("DECR", v.key("n")), lambda: ("GET", v.key("n")), lambda: ("DEL", v.key("n")),
    ])()


def pairs(v):
    out = []
    for key in v.keys("s"):
        out += [key, v.value()]
    return out


def lists(v):
    key, n = v.key("l"), v.number
    return v.rng.choice([
        lambda: ("RPUSH", key, *v.values()), lambda: ("LPUSH", key, *v.values()),
        lambda: ("LPUSHX", key, v.value()), lambda: ("RPUSHX", key, v.value()),
        lambda: ("LPOP", key), lambda: ("RPOP", key, v.rng.randrange(4)), lambda: ("LLEN", key),
        lambda: ("LRANGE", key, n(), n()), lambda: ("LRANGE", key, 0, 20),
        lambda: ("LINDEX", key, n()), lambda: ("LSET", key, n(), v.value()),
        lambda: ("LINSERT", key, v.choice("BEFORE", "AFTER", "BY"), v.value(), v.value()),
        lambda: ("LREM", key, n(), v.value()), lambda: ("LTRIM", key, 0, v.rng.randrange(30)),
        lambda: ("RPOPLPUSH", key, v.key("l")), lambda: ("LPOS", key, v.value(), "COUNT", 0),
        lambda: ("LMOVE", key, v.key("l"), v.choice("LEFT", "RIGHT"), v.choice("LEFT", "RIGHT")),
        lambda: ("LMPOP", 2, key, v.key("l"), v.choice("LEFT", "RIGHT"), "COUNT", 2),
        lambda: ("DEL", key),
    ])()


def hashes(v):
    key, field = v.key("h"), v.field()
    return v.rng.choice([
        lambda: ("HSET", key, field, v.value()), lambda: ("HSET", key, field, v.value(), b"o"),
        lambda: ("HMSET", key, field, v.value(), v.field(), v.value()),
        lambda: ("HGET", key, field), lambda: ("HSETNX", key, field, v.value()),
        lambda: ("HMGET", key, field, v.field()),
        lambda: ("HGETALL", key), lambda: ("HKEYS", key), lambda: ("HVALS", key),
        lambda: ("HLEN", key), lambda: ("HSTRLEN", key, field), lambda: ("HDEL", key, field),
        lambda: ("HEXISTS", key, field), lambda: ("HINCRBY", key, field, v.number()),
        lambda: ("HINCRBYFLOAT", key, field, v.score()), lambda: ("HSCAN", key, 0, "COUNT", 5),
        lambda: ("HRANDFIELD", key, 100, "WITHVALUES"), lambda: ("DEL", key),
    ])()


def sets(v):
    key = v.key("t")
    return v.rng.choice([
        lambda: ("SADD", key, *v.members()), lambda: ("SREM", key, *v.members()),
        lambda: ("SADD", key, *(v.rng.randrange(50) for _ in range(3))),
        lambda: ("SMEMBERS", key), lambda: ("SCARD", key), lambda: ("SISMEMBER", key, v.member()),
        lambda: ("SMISMEMBER", key, *v.members()), lambda: ("SMOVE", key, v.key("t"), v.member()),
        lambda: ("SINTER", *v.keys("t")), lambda: ("SUNION", *v.keys("t")),
        lambda: ("SDIFF", *v.keys("t")), lambda: ("SINTERCARD", 2, key, v.key("t"), "LIMIT", 3),
        lambda: ("SUNIONSTORE", v.key("t"), *v.keys("t")), lambda: ("SRANDMEMBER", key, 1000),
        lambda: ("SDIFFSTORE", v.key("t"), *v.keys("t")), lambda: ("SSCAN", key, 0),
        lambda: ("SPOP", key, 1000),
    ])()


def sorted_sets(v):
    key, n = v.key("z"), v.number
    return v.rng.choice([
        lambda: ("ZADD", key, *v.some("NX", "XX", "CH"), v.score(), v.member()),
        lambda: ("ZADD", key, v.rng.randrange(9), v.member(), v.rng.randrange(9), v.member()),
        lambda: ("ZADD", key, *v.some("GT"), "INCR", n(), v.member()),
        lambda: ("ZINCRBY", key, v.score(), v.member()), lambda: ("ZCARD", key),
        lambda: ("ZSCORE", key, v.member()), lambda: ("ZMSCORE", key, *v.members()),
        lambda: ("ZRANK", key, v.member()), lambda: ("ZREVRANK", key, v.member()),
        lambda: ("ZRANGE", key, 0, -1, *v.some("REV", "WITHSCORES")),
        lambda: ("ZRANGE", key, v.score(), v.score(), "BYSCORE", *v.some("WITHSCORES")),
        lambda: ("ZRANGEBYLEX", key, "-", "[m2"), lambda: ("ZREVRANGE", key, n(), n()),
        lambda: ("ZRANGEBYSCORE", key, v.score(), v.score(), "WITHSCORES", "LIMIT", 0, 3),
        lambda: ("ZCOUNT", key, v.score(), v.score()), lambda: ("ZLEXCOUNT", key, "-", "+"),
        lambda: ("ZREM", key, *v.members()), lambda: ("ZREMRANGEBYRANK", key, n(), n()),
        lambda: ("ZPOPMIN", key), lambda: ("ZPOPMAX", key, 2), lambda: ("ZSCAN", key, 0),
        lambda: ("ZUNION", 2, key, v.key("z"), "WEIGHTS", n(), 1, "WITHSCORES"),
        lambda: ("ZINTER", 2, key, v.key("z"), "AGGREGATE", "MAX", "WITHSCORES"),
        lambda: ("ZDIFF", 2, key, v.key("z")), lambda: ("ZRANDMEMBER", key, 1000, "WITHSCORES"),
        lambda: ("ZUNIONSTORE", v.key("z"), 1, key), lambda: ("ZMPOP", 1, key, "MIN"),
        lambda: ("ZRANGESTORE", v.key("z"), key, 0, 3), lambda: ("DEL", key),
    ])()


def streams(v):
    key, group = v.key("x"), b"g%d" % v.rng.randrange(2)
    return v.rng.choice([
        lambda: ("XADD", key, v.stream_id(), v.field(), v.value()), lambda: ("XLEN", key),
        lambda: ("XADD", key, "MAXLEN", "=", 10, b"%d-*" % v.rng.randrange(60), "a", v.value()),
        lambda: ("XRANGE", key, "-", "+", "COUNT", 4), lambda: ("XREVRANGE", key, "+", "-"),
        lambda: ("XREAD", "COUNT", 2, "STREAMS", key, v.key("x"), v.stream_id(), 0),
        lambda: ("XREAD", "BLOCK", 1, "STREAMS", key, v.choice("$", "0", "99")),
        lambda: ("XDEL", key, v.stream_id()), lambda: ("XTRIM", key, "MAXLEN", 5),
        lambda: ("XGROUP", "CREATE", key, group, "0", *v.some("MKSTREAM")),
        lambda: ("XGROUP", "DESTROY", key, group), lambda: ("XACK", key, group, v.stream_id()),
        lambda: ("XREADGROUP", "GROUP", group, "block", "COUNT", 2, "STREAMS", key, ">"),
        lambda: ("XREADGROUP", "GROUP", group, "c", "STREAMS", key, 0),
        lambda: ("XPENDING", key, group), lambda: ("XSETID", key, v.stream_id()),
        lambda: ("XINFO", "STREAM", key), lambda: ("XINFO", "GROUPS", key), lambda: ("DEL", key),
        lambda: ("XAUTOCLAIM", key, group, "d", 0, 0, "JUSTID"),
        lambda: ("XCLAIM", key, group, "e", 0, v.stream_id()),
    ])()


def bits_and_places(v):
    bits, places, count = v.key("b"), v.key("g"), v.key("p")
    return v.rng.choice([
        lambda: ("SETBIT", bits, v.rng.randrange(99), v.choice(0, 1, 2)),
        lambda: ("GETBIT", bits, v.number()), lambda: ("BITCOUNT", bits, 0, -1, *v.some("BIT")),
        lambda: ("BITPOS", bits, v.choice(0, 1)), lambda: ("BITOP", "XOR", bits, *v.keys("b")),
        lambda: ("BITFIELD", bits, "INCRBY", "u3", v.rng.randrange(20), 1, "GET", "i8", 0),
        lambda: ("BITFIELD_RO", bits, "GET", v.choice("u8", "u64"), 0), lambda: ("GET", bits),
        lambda: ("GEOADD", places, 13.361389, 38.115556, v.member(), 15.087269, 37.502669, "Cat"),
        lambda: ("GEOADD", places, v.score(), v.score(), v.member()),
        lambda: ("GEODIST", places, v.member(), "Cat", v.choice("km", "mi", "parsec")),
        lambda: ("GEOPOS", places, *v.members()), lambda: ("GEOHASH", places, *v.members()),
        lambda: ("GEOSEARCH", places, "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "ASC",
                 *v.some("WITHCOORD", "WITHDIST", "WITHHASH")),
        lambda: ("PFADD", count, *v.members()), lambda: ("PFCOUNT", *v.keys("p")),
        lambda: ("PFMERGE", count, *v.keys("p")), lambda: ("GET", count),
    ])()


def keyspace(v):
    key, own = v.key(), v.own_key()
    return v.rng.choice([
        lambda: ("TYPE", key), lambda: ("EXISTS", *v.keys(None, 5)), lambda: ("DEL", *v.keys(None)),
        lambda: ("UNLINK", key), lambda: ("RENAME", key, key), lambda: ("TOUCH", key, v.key()),
        lambda: ("RENAMENX", own, v.own_key()),
        lambda: ("COPY", own, v.own_key(), *v.some("REPLACE")),
        lambda: ("PERSIST", key), lambda: ("PTTL", v.prefix + b"none"), lambda: ("DUMP", own),
        lambda: ("OBJECT", "ENCODING", key), lambda: ("OBJECT", "REFCOUNT", v.prefix + b"none"),
        lambda: ("EXPIREAT", key, v.choice(1, 9999999999)), lambda: ("PEXPIRETIME", key),
        lambda: ("EXPIREAT", key, 9999999999, v.choice("NX", "XX", "GT", "LT")),
        lambda: ("SORT", key, *v.some("ALPHA", "DESC"), "LIMIT", 0, 5), lambda: ("SORT_RO", key),
        lambda: ("SORT", key, "BY", "nosort", "STORE", v.key("l")), lambda: ("MOVE", key, 11),
        lambda: ("RESTORE", key, 0, v.value()), lambda: ("MEMORY", "USAGE", v.prefix + b"none"),
    ])()


def errors(v):
    word = v.rng.choice(["GET", "SET", "LPUSH", "HSET", "ZADD", "XADD", "EVAL", "CLIENT", "CONFIG",
                         "OBJECT", "SUBSCRIBE", "SELECT", "BLPOP", "PING", "EXPIRE",
                         "DEBUG", "SORT", "SCAN", "XREAD", "WATCH", "FUNCTION", "GEOADD"])
    return v.rng.choice([
        lambda: (v.member(), *v.values()), lambda: ("NO.SUCH", v.value()), lambda: (b"", b""),
        lambda: (b"x" * 200, b"y" * 200), lambda: (b"get\r\n", b"\r"), lambda: ("SECKILL.NOSUCH",),
        lambda: (word,), lambda: ("OBJECT", "NOSUCH", "a"), lambda: ("CONFIG", "NOSUCH"),
        lambda: ("GET", *v.values()), lambda: ("SELECT", v.choice("x", -1, 16, 99)),
        lambda: ("CLIENT", "NOSUCH", "a"), lambda: ("XGROUP", "NOSUCH"), lambda: ("\x00GET", "a"),
        lambda: ("CLUSTER", "INFO"), lambda: ("HELLO", v.choice(1, 4, "x")), lambda: ("EXEC",),
        lambda: ("DISCARD",), lambda: ("READONLY",), lambda: ("ASKING",), lambda: ("AUTH", "pw"),
    ])()


def server(v):
    return v.rng.choice([
        lambda: ("PING",), lambda: ("PING", v.value()), lambda: ("ECHO", v.value()),
        lambda: ("CONFIG", "GET", v.choice("maxmemory", "save", "*-max-listpack-*", "nosuch")),
        lambda: ("COMMAND", "INFO", "get", "nosuch", "XREADGROUP"),
        lambda: ("COMMAND", "GETKEYS", "EVAL", "x", 2, v.key(), v.key()),
        lambda: ("COMMAND", "DOCS", "get"), lambda: ("WAIT", 0, 1), lambda: ("ROLE",),
        lambda: ("PUBLISH", v.prefix + b"nobody", v.value()), lambda: ("PUBSUB", "HELP"),
        lambda: ("PUBSUB", "NUMSUB", v.prefix + b"c"), lambda: ("LOLWUT", "VERSION", 1, 5),
        lambda: ("MEMORY", "HELP"), lambda: ("MODULE", "LIST"), lambda: ("ACL", "CAT"),
        lambda: ("SLOWLOG", "HELP"), lambda: ("LATENCY", "HELP"), lambda: ("OBJECT", "HELP"),
    ])()


def blocking(v):
    """Answered at once, or after a millisecond."""
    key, other = v.key("l"), v.key("z")
    return v.rng.choice([
        lambda: ("BLPOP", key, v.key("l"), 0.001), lambda: ("BRPOP", key, "0.001"),
        lambda: ("BLMOVE", key, v.key("l"), "LEFT", "RIGHT", 0.001),
        lambda: ("BRPOPLPUSH", key, v.key("l"), 0.001), lambda: ("BZPOPMIN", other, 0.001),
        lambda: ("BLMPOP", 0.001, 1, key, "LEFT"), lambda: ("BZMPOP", 0.001, 1, other, "MAX"),
        lambda: ("BLPOP", key, "soon"), lambda: ("BLPOP", key, -1),
    ])()


PLAIN = [strings, lists, hashes, sets, sorted_sets, streams, bits_and_places, keyspace, errors,
         server]


def plain(v):
    return v.rng.choice(PLAIN)(v)
