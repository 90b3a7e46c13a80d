"""redis-benchmark's default list, in RESP2 and RESP3, alone and pipelined: every test, no error."""
import re
import subprocess

import pytest

# The default list of redis-benchmark 7.0; newer ones and Valkey's have more.
TESTS = {"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP",
         "SADD", "HSET", "SPOP", "ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)",
         "LRANGE_100 (first 100 elements)", "LRANGE_300 (first 300 elements)",
         "LRANGE_500 (first 500 elements)", "LRANGE_600 (first 600 elements)", "MSET (10 keys)"}


@pytest.mark.parametrize("options", [
    ("-n", "2000"), ("-3", "-n", "2000"), ("-n", "5000", "-P", "16"),
    ("-3", "-n", "2000", "-P", "16", "-r", "1000", "-k", "0", "-d", "100"),
    ("-n", "2000", "--threads", "2", "--dbnum", "3"),
], ids=" ".join)
def test_default_list(stack, options):
    """The same tests, and as many, as before the server itself."""
    direct, via = names(stack.redis_port, options), names(stack.port, options)
    assert via == direct and TESTS <= set(via)


def names(port, options):
    """The tests that redis-benchmark has a result of, in its order."""
    done = subprocess.run(["redis-benchmark", "-p", str(port), "-q", "-c", "20", *options],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0 and "rror" not in done.stdout, done.stdout
    lines = [line for line in re.split(r"[\r\n]+", done.stdout) if "requests per second" in line]
    return [line.split(": ")[0] for line in lines]
