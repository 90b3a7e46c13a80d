"""Real drivers, default options: a purchase, a pipeline of 1,000 commands, data of their own."""

import os
import pathlib
import subprocess

import pytest
import redis as redis_py

DRIVERS = pathlib.Path(__file__).resolve().parents[1] / "drivers"
README = DRIVERS.parents[1] / "README.md"
VERSION = tuple(int(part) for part in redis_py.__version__.split(".")[:2])


@pytest.fixture
def proxy(lab):
    front = lab.proxy(lab.redis())
    with front.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5000) == "OK"
    return front


def cli(proxy, *words, stdin=None):
    done = subprocess.run(["redis-cli", "-p", str(proxy.port), *words], input=stdin, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_redis_cli_one_command_a_call(proxy):
    lines = cli(proxy, "SECKILL.BUY", "phone", "ann", "REQ", "r1").split()
    assert lines[0] == "OK" and lines[2:] == ["4999", "disk"]
    assert cli(proxy, "SECKILL.ORDER", "phone", "ann", lines[1]).split()[:2] == ["FOUND", lines[1]]
    assert cli(proxy, "SET", "k", "v") == "OK\n" and cli(proxy, "GET", "k") == "v\n"
    assert cli(proxy, "HSET", "h", "f", "1") == "1\n"
    assert cli(proxy, "EVAL", "return ARGV[1]", "0", "hello") == "hello\n"
    assert "redis_version" in cli(proxy, "INFO")
    assert "sluice" in cli(proxy, "INFO", "sluice").lower()


def test_redis_cli_session_resp3_and_pipe(proxy):
    """A session on stdin, the same with -3, and --pipe with 1,000 commands."""
    session = ("SET a 1\nINCR a\nMULTI\nINCR a\nINCR a\nEXEC\n"
               "SECKILL.BUY phone bob\nSELECT 0\nPING\n")
    for options in ((), ("-3",)):
        shown = cli(proxy, *options, stdin=session)
        assert "QUEUED" in shown and "PONG" in shown and "disk" in shown, shown
    mass = "".join(f"SET key:{n} {n}\r\n" for n in range(1000))
    assert "errors: 0, replies: 1000" in cli(proxy, "--pipe", stdin=mass)


@pytest.mark.parametrize("options", [{}, {"protocol": 3}], ids=["defaults", "RESP3"])
def test_redis_py(proxy, options):
    """python3-redis of the distribution, 4.3 or newer; RESP3 where it has it."""
    if options and VERSION < (5, 0):
        pytest.skip(f"redis-py {redis_py.__version__} speaks RESP2 only; 5.0 has RESP3")
    driver = redis_py.Redis(port=proxy.port, decode_responses=True, **options)
    outcome, order, remaining, durability = driver.execute_command(
        "SECKILL.BUY", "phone", "ann", "REQ", "r1")
    assert (outcome, remaining, durability) == ("OK", 4999, "disk")
    assert driver.execute_command("SECKILL.BUY", "phone", "ann", "REQ", "r1")[1] == order
    assert driver.set("k", "v") and driver.get("k") == "v"
    assert driver.hset("h", mapping={"a": 1, "b": 2}) == 2
    assert driver.hgetall("h") == {"a": "1", "b": "2"}
    assert driver.eval("return {KEYS[1], ARGV[1]}", 1, "k", "x") == ["k", "x"]
    script = driver.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert script(keys=["n"], args=[5]) == 5
    pipe = driver.pipeline(transaction=False)
    for n in range(500):
        pipe.execute_command("SECKILL.BUY", "phone", f"p{n}")
        pipe.set(f"k{n}", n)
    replies = pipe.execute()
    assert len(replies) == 1000
    assert all(reply[0] == "OK" for reply in replies[::2]) and all(replies[1::2])
    with driver.pipeline(transaction=True) as transaction:
        assert transaction.incr("t").incr("t").execute() == [1, 2]
    with driver.pipeline() as watched:
        watched.watch("t")
        driver.set("t", 100)
        watched.multi()
        watched.incr("t")
        with pytest.raises(redis_py.WatchError):
            watched.execute()
    with pytest.raises(redis_py.ResponseError, match="QTY must"):
        driver.execute_command("SECKILL.BUY", "phone", "ann", "QTY", 0)
    assert [len(batch) for batch in (list(driver.scan_iter("k*", count=100)),)][0] >= 500
    assert driver.client_setname("checkout") and driver.client_getname() == "checkout"
    assert driver.info()["redis_version"]


def test_the_readme_shows_redis_py_as_it_works(proxy):
    snippet = README.read_text().split("**redis-py**\n\n```python\n")[1].split("```")[0]
    names = {"redis": redis_py, "user": "ann", "request_id": "r1"}
    exec(snippet.replace("port=6479", f"port={proxy.port}"), names)
    assert names["outcome"] == "OK" and names["rest"][1:] == [4999, "disk"]


@pytest.mark.parametrize("program", ["ioredis.test.mjs", "node_redis.test.mjs"])
def test_node_drivers(proxy, program):
    """ioredis and node-redis, newest at the time of the lock file, default options (RESP3)."""
    assert (DRIVERS / "node_modules").is_dir(), "run `npm ci` in tests/drivers (make test does)"
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", str(DRIVERS / program)],
        env=dict(os.environ, SLUICE_PORT=str(proxy.port)), text=True, timeout=90,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert "# fail 0" in done.stdout and "# pass 0" not in done.stdout, done.stdout
