"""Shelves with more items than Lua's stack has room for."""

from harness.waiting import until

ITEMS = 6000


def pipeline(client, commands):
    for at in range(0, len(commands), 500):
        assert set(client.pipeline(commands[at:at + 500])) == {"OK"}


def test_a_shelf_of_thousands_of_items_is_brought_back(lab):
    redis = lab.redis()
    proxy = lab.proxy(redis, sale__shelves=1)
    names = [f"i{number}" for number in range(ITEMS)]
    with proxy.client() as client, redis.client() as direct:
        pipeline(client, [("SECKILL.CREATE", name, "STOCK", 1) for name in names])
        pipeline(client, [("SECKILL.CLOSE", name) for name in names])
        direct("FLUSHALL")
        until(lambda: client("SECKILL.BUY", names[-1], "u") == ["CLOSED"], 20, "the rebuild")
        until(proxy.ready, 20, "readiness")
