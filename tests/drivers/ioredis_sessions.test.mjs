// ioredis with default options, as an application uses it: SLUICE_PORT is a proxy's port.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import Redis from 'ioredis';

const port = Number(process.env.SLUICE_PORT);
const opened = [];
const connect = (options = {}) => {
  const client = new Redis(port, options);
  opened.push(client);
  return client;
};
let redis, other;
before(() => { redis = connect(); other = connect(); });
after(() => opened.forEach((client) => client.disconnect()));

test('WATCH: a transaction that lost its race is null, the next one runs', async () => {
  await redis.set('io:w', 1);
  await redis.watch('io:w');
  await other.set('io:w', 2);
  assert.equal(await redis.multi().set('io:w', 3).exec(), null);
  assert.deepEqual(await redis.multi().incr('io:w').get('io:w').exec(), [[null, 3], [null, '3']]);
});

test('an error within a transaction, and one that aborts it', async () => {
  await redis.set('io:s', 'text');
  const [[error], [, after]] = await redis.multi().incr('io:s').get('io:s').exec();
  assert.match(error.message, /not an integer/);
  assert.equal(after, 'text');
  await assert.rejects(redis.multi().call('NOSUCH').set('io:s', 'x').exec(), /EXECABORT/);
  assert.equal(await redis.get('io:s'), 'text');
});

test('a blocking pop waits for another client, or for its time', async () => {
  const popped = redis.blpop('io:q', 5);
  await other.rpush('io:q', 'one');
  assert.deepEqual(await popped, ['io:q', 'one']);
  assert.equal(await redis.blpop('io:q', 0.05), null);
  assert.equal(await redis.get('io:none'), null);
});

test('XREAD BLOCK', async () => {
  const read = redis.xread('BLOCK', 5000, 'STREAMS', 'io:x', '0');
  await other.xadd('io:x', '1-1', 'field', 'value');
  assert.deepEqual(await read, [['io:x', [['1-1', ['field', 'value']]]]]);
});

test('publish and subscribe, channels and patterns, and back to commands', async () => {
  const subscriber = connect();
  assert.equal(await subscriber.subscribe('io:news', 'io:more'), 2);
  assert.equal(await subscriber.psubscribe('io:n*'), 3);
  const message = once(subscriber, 'message');
  const matched = once(subscriber, 'pmessage');
  assert.equal(await other.publish('io:news', 'hello'), 2);
  assert.deepEqual(await message, ['io:news', 'hello']);
  assert.deepEqual(await matched, ['io:n*', 'io:news', 'hello']);
  await subscriber.unsubscribe('io:news', 'io:more');
  await subscriber.punsubscribe('io:n*');
  assert.equal(await subscriber.set('io:k', 'v'), 'OK');
});

test('a script that Redis does not know yet is sent after NOSCRIPT', async () => {
  redis.defineCommand('addUp', {
    numberOfKeys: 1,
    lua: `return redis.call('INCRBY', KEYS[1], ARGV[1]) -- ${Date.now()}`,
  });
  assert.equal(await redis.addUp('io:sum', 5), 5);
  assert.equal(await redis.addUp('io:sum', 5), 10);
});

test('databases are kept apart', async () => {
  const fifth = connect({ db: 5 });
  await fifth.set('io:db', 'five');
  assert.equal(await redis.get('io:db'), null);
  assert.equal(await fifth.get('io:db'), 'five');
});

test('binary values, SCAN streams and large values', async () => {
  const bytes = Buffer.from([0, 13, 10, 255, 36]);
  await redis.set('io:bin', bytes);
  assert.deepEqual(await redis.getBuffer('io:bin'), bytes);
  const large = 'x'.repeat(5_000_000);
  await redis.set('io:large', large);
  assert.equal((await redis.get('io:large')).length, large.length);
  await redis.mset(Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`io:scan:${n}`, n])));
  const found = new Set();
  for await (const keys of redis.scanStream({ match: 'io:scan:*' })) {
    keys.forEach((k) => found.add(k));
  }
  assert.equal(found.size, 500);
});

test('MONITOR shows what others do', async () => {
  // Not by monitor(): a line of others in the packet of MONITOR's OK is more than ioredis can bear,
  // whichever server it comes from. It reports an error then, and connects again.
  const monitor = connect().duplicate({ monitor: true, lazyConnect: false });
  opened.push(monitor);
  monitor.on('error', () => {});
  await new Promise((resolve) => monitor.once('monitoring', resolve));
  const seen = new Promise((resolve) => monitor.on('monitor', (time, args) => {
    if (args[1] === 'io:monitored') resolve(args);
  }));
  await other.set('io:monitored', 1);
  assert.deepEqual(await seen, ['set', 'io:monitored', '1']);
});

test('a connection that the operator kills is made again', async () => {
  const client = connect();
  const id = await client.client('ID');
  const again = once(client, 'reconnecting');
  assert.equal(await other.client('KILL', 'ID', id), 1);
  await again;
  assert.equal(await client.set('io:again', 1), 'OK');
  assert.notEqual(await client.client('ID'), id);
});
