"""Drivers as applications use them: transactions, blocking pops, pub/sub, caching, scripts.

Expected: what the same program sees of Redis itself; also when Redis is restarted under it.
"""

import os
import pathlib
import subprocess
import threading

import pytest
import redis as redis_py

from passthrough_fixture import Stack, wait_for

DRIVERS = pathlib.Path(__file__).resolve().parents[1] / "drivers"


@pytest.mark.parametrize("through", ["redis", "sluice"])
@pytest.mark.parametrize("program", ["ioredis_sessions.test.mjs", "node_redis_sessions.test.mjs"])
def test_node_sessions(stack, program, through):
    """Before Redis itself too: a session that fails there shows nothing."""
    port = stack.port if through == "sluice" else stack.redis_port
    stack.direct().ask("FLUSHALL")
    done = subprocess.run(["node", "--test", "--test-reporter=tap", str(DRIVERS / program)],
                          env=dict(os.environ, SLUICE_PORT=str(port)), text=True, timeout=90,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert "# fail 0" in done.stdout and "# pass 0" not in done.stdout, done.stdout


def test_redis_py_blocks_until_another_client_pushes(stack):
    one, other = (redis_py.Redis(port=stack.port, decode_responses=True) for _ in range(2))
    got = []
    waiting = threading.Thread(target=lambda: got.append(one.brpop(["py:a", "py:b"], timeout=10)))
    waiting.start()
    wait_for(lambda: other.info("clients")["blocked_clients"] == 1, "BRPOP reached Redis")
    other.lpush("py:b", "x")
    waiting.join(10)
    assert got == [("py:b", "x")]


def test_redis_py_listens_in_a_thread_and_goes_on(stack):
    client = redis_py.Redis(port=stack.port, decode_responses=True)
    heard = []
    subscriber = client.pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe(**{"py:news": lambda message: heard.append(message["data"])})
    subscriber.psubscribe(**{"py:n*": lambda message: heard.append(message["channel"])})
    listener = subscriber.run_in_thread(sleep_time=0.01)
    wait_for(lambda: client.publish("py:news", "hello") == 2, "both subscriptions")
    wait_for(lambda: {"hello", "py:news"} <= set(heard), "both messages")
    listener.stop()
    listener.join(5)


def test_redis_py_locks_scripts_and_libraries(stack):
    client = redis_py.Redis(port=stack.port, decode_responses=True)
    with client.lock("py:lock", timeout=5):  # a script for its release
        assert not client.lock("py:lock").acquire(blocking=False)
    assert client.lock("py:lock").acquire(blocking=False)
    client.function_load("#!lua name=py\nredis.register_function('py_add', "
                         "function(k, a) return redis.call('INCRBY', k[1], a[1]) end)")
    assert client.fcall("py_add", 1, "py:n", 4) == 4
    client.script_flush()
    script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert script(keys=["py:n"], args=[6]) == 10
    with client.pipeline() as pipe:
        script(keys=["py:n"], args=[1], client=pipe)
        assert pipe.execute() == [11]


def test_redis_py_goes_on_after_redis_was_restarted():
    made = Stack()
    try:
        client = redis_py.Redis(port=made.port, decode_responses=True)
        assert client.set("py:before", 1)
        made.kill_redis()
        made.start_redis()

        def served():
            try:
                return client.set("py:after", 1)
            except (redis_py.ResponseError, redis_py.ConnectionError):
                return False

        wait_for(served, "the same client object is served again")
        with client.pipeline() as pipe:
            assert pipe.incr("py:after").incr("py:after").execute() == [2, 3]
    finally:
        made.stop()
