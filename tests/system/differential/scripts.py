"""Scripts and functions of a command stream: every type of reply, errors, both protocols."""

import hashlib

BODIES = [
    b"return {1, 'a', {2, false, {}}, redis.status_reply('FINE')}",
    b"return redis.error_reply('MY own error')",
    b"return redis.call('SET', KEYS[1], ARGV[1])",
    b"return redis.call('LPUSH', KEYS[1], unpack(ARGV))",
    b"return redis.pcall('HGETALL', KEYS[1])",
    b"redis.setresp(3); return redis.call('HGETALL', KEYS[1])",
    b"redis.setresp(3); return {map={a=1}, double=2}",
    b"redis.setresp(3); return {double=3.5}",
    b"redis.setresp(3); return {set={x=true}}",
    b"redis.setresp(3); return {big_number='123456789012345678901234567890'}",
    b"redis.setresp(3); return {verbatim_string={format='txt', string='plain'}}",
    b"redis.setresp(3); return true", b"return nil", b"return false", b"return 3.99",
    b"return #ARGV[1]", b"return ARGV[1]", b"syntax error here", b"return undefined_name",
    b"return cjson.encode({1, 2})", b"return redis.sha1hex(ARGV[1])",
    b"local t = {} for i = 1, 500 do t[i] = i end return t",
    b"return string.rep('x', 70000)", b"return {ok='a\\r\\nb'}", b"return {err='a\\r\\nb'}",
    b"return cmsgpack.pack({1, 'x'})", b"return redis.call('NOSUCH')", b"return bit.tohex(255)",
]

LIBRARY = b"""#!lua name=%s
redis.register_function('%s_set', function(keys, args)
  return redis.call('SET', keys[1], args[1] or 'none') end)
redis.register_function{function_name='%s_get', flags={'no-writes'},
  callback=function(keys, args) return redis.call('GET', keys[1]) end}
"""


def known(v):
    """Bodies are made the stream's own, so that streams side by side know none of each other's."""
    return b"--" + v.prefix + b"\n" + v.rng.choice(BODIES)


def sha(body):
    return hashlib.sha1(body).hexdigest()


def arguments(v):
    return [1, v.key("s"), v.value(), v.member()]


def script(v):
    body = known(v)
    return v.rng.choice([
        lambda: ("EVAL", body, *arguments(v)), lambda: ("EVAL", body, 0),
        lambda: ("EVAL_RO", body, *arguments(v)), lambda: ("EVALSHA", sha(body), *arguments(v)),
        lambda: ("EVALSHA", sha(body).upper(), *arguments(v)), lambda: ("EVALSHA", "ab", 0),
        lambda: ("EVALSHA_RO", sha(body), *arguments(v)), lambda: ("SCRIPT", "LOAD", body),
        lambda: ("SCRIPT", "EXISTS", sha(body), sha(known(v))), lambda: ("EVAL", body, "x"),
        lambda: ("EVAL", body, -1), lambda: ("EVAL", body, 9, "a"), lambda: ("SCRIPT", "NOSUCH"),
    ])()


def function(v):
    name = v.prefix.replace(b":", b"_") + b"lib%d" % v.rng.randrange(2)
    code = LIBRARY.replace(b"%s", name)
    return v.rng.choice([
        lambda: ("FUNCTION", "LOAD", code), lambda: ("FUNCTION", "LOAD", "REPLACE", code),
        lambda: ("FCALL", name + b"_set", 1, v.key("s"), v.value()),
        lambda: ("FCALL_RO", name + b"_get", 1, v.key("s")),
        lambda: ("FCALL_RO", name + b"_set", 1, v.key("s")), lambda: ("FCALL", "nosuch", 0),
        lambda: ("FUNCTION", "LIST", "LIBRARYNAME", name, "WITHCODE"),
        lambda: ("FUNCTION", "DELETE", name), lambda: ("FUNCTION", "LOAD", v.value()),
    ])()
