// ioredis with default options against Sluice. SLUICE_PORT: a proxy with the item "phone" on sale.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Redis from 'ioredis';

let redis;
before(() => { redis = new Redis(Number(process.env.SLUICE_PORT)); });
after(() => redis.disconnect());

test('a purchase, and the same again by its REQ', async () => {
  const [outcome, orderId, remaining, durability] =
      await redis.call('SECKILL.BUY', 'phone', 'io-ann', 'REQ', 'r1');
  assert.equal(outcome, 'OK');
  assert.equal(typeof orderId, 'string');
  assert.equal(typeof remaining, 'number');
  assert.equal(durability, 'disk');
  const again = await redis.call('SECKILL.BUY', 'phone', 'io-ann', 'REQ', 'r1');
  assert.equal(again[1], orderId);
  const found = await redis.call('SECKILL.ORDER', 'phone', 'io-ann', orderId);
  assert.deepEqual(found.slice(0, 5), ['FOUND', orderId, 'io-ann', 1, 'placed']);
});

test('a command that it makes of a name without the dot', async () => {
  redis.addBuiltinCommand?.('seckillbuy');
  const reply = await redis.call('SECKILLBUY', 'phone', 'io-bob');
  assert.equal(reply[0], 'OK');
});

test('a pipeline of 1,000 commands', async () => {
  const pipeline = redis.pipeline();
  for (let n = 0; n < 500; n++) {
    pipeline.call('SECKILL.BUY', 'phone', `io-p${n}`);
    pipeline.set(`io:${n}`, n);
  }
  const replies = await pipeline.exec();
  assert.equal(replies.length, 1000);
  replies.forEach(([error, reply], n) => {
    assert.equal(error, null);
    assert.equal(n % 2 === 0 ? reply[0] : reply, 'OK');
  });
});

test('GET, SET, HSET, EVAL of its own', async () => {
  assert.equal(await redis.set('io:k', 'v'), 'OK');
  assert.equal(await redis.get('io:k'), 'v');
  assert.equal(await redis.hset('io:h', { a: 1, b: 2 }), 2);
  assert.deepEqual(await redis.hgetall('io:h'), { a: '1', b: '2' });
  assert.deepEqual(await redis.eval('return {KEYS[1], ARGV[1]}', 1, 'io:k', 'x'), ['io:k', 'x']);
  const lua = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
  redis.defineCommand('addTo', { numberOfKeys: 1, lua });
  assert.equal(await redis.addTo('io:n', 5), 5);
});

test('MULTI', async () => {
  const replies = await redis.multi().incr('io:t').incr('io:t').exec();
  assert.deepEqual(replies, [[null, 1], [null, 2]]);
});

test('a wrong argument is an error that names it', async () => {
  await assert.rejects(redis.call('SECKILL.BUY', 'phone', 'io-ann', 'QTY', '0'), /QTY must/);
});
