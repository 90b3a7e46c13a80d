// node-redis, RESP2 and RESP3, as an application uses it: SLUICE_PORT is a proxy's port.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { createClient, defineScript } from 'redis';

const url = `redis://127.0.0.1:${process.env.SLUICE_PORT}`;
const opened = [];
async function connect(options = {}) {
  const client = createClient({ url, ...options });
  client.on('error', () => {});
  opened.push(client);
  return client.connect();
}
after(() => opened.forEach((client) => client.isOpen && client.destroy()));

for (const RESP of [2, 3]) {
  const at = (name) => `nr${RESP}:${name}`;

  describe(`RESP${RESP}`, () => {
    test('WATCH: a transaction that lost its race throws, the next one runs', async () => {
      const client = await connect({ RESP });
      const other = await connect({ RESP });
      await client.set(at('w'), '1');
      await client.watch(at('w'));
      await other.set(at('w'), '2');
      await assert.rejects(client.multi().set(at('w'), '3').exec(), /watched keys/);
      assert.deepEqual(await client.multi().incr(at('w')).get(at('w')).exec(), [3, '3']);
    });

    test('a blocking pop waits for another client, or for its time', async () => {
      const client = await connect({ RESP });
      const other = await connect({ RESP });
      const popped = client.blPop(at('q'), 5);
      await other.rPush(at('q'), 'one');
      assert.deepEqual({ ...(await popped) }, { key: at('q'), element: 'one' });
      assert.equal(await client.blPop(at('q'), 0.05), null);
      const lowest = client.bzPopMin(at('z'), 5);
      await other.zAdd(at('z'), { score: 1.5, value: 'm' });
      assert.deepEqual({ ...(await lowest) }, { key: at('z'), score: 1.5, value: 'm' });
    });

    test('publish and subscribe, channels, patterns and shards', async () => {
      const subscriber = await connect({ RESP });
      const other = await connect({ RESP });
      const messages = [];
      let enough;
      const all = new Promise((resolve) => { enough = resolve; });
      const heard = (message, channel) => {
        messages.push(`${channel} ${message}`);
        if (messages.length === 3) enough();
      };
      await subscriber.subscribe(at('news'), heard);
      await subscriber.pSubscribe(at('n*'), heard);
      await subscriber.sSubscribe(at('shard'), heard);
      assert.equal(await other.publish(at('news'), 'hello'), 2);
      assert.equal(await other.sPublish(at('shard'), 'here'), 1);
      await all;
      assert.deepEqual(messages.sort(), [at('news hello'), at('news hello'), at('shard here')]);
      await subscriber.unsubscribe();
      await subscriber.pUnsubscribe();
      await subscriber.sUnsubscribe();
      // In RESP2 this driver itself takes the last confirmation for the reply.
      if (RESP === 3) assert.equal(await subscriber.set(at('k'), 'v'), 'OK');
      assert.equal(await other.publish(at('news'), 'nobody'), 0);
    });

    test('a script that Redis does not know yet is sent after NOSCRIPT', async () => {
      const addUp = defineScript({
        NUMBER_OF_KEYS: 1,
        SCRIPT: `return redis.call('INCRBY', KEYS[1], ARGV[1]) -- ${RESP} ${Date.now()}`,
        parseCommand(parser, key, by) { parser.pushKey(key); parser.push(String(by)); },
        transformReply: (reply) => reply,
      });
      const client = await connect({ RESP, scripts: { addUp } });
      assert.equal(await client.addUp(at('sum'), 5), 5);
      assert.equal(await client.addUp(at('sum'), 5), 10);
    });

    test('every type, databases and names', async () => {
      const client = await connect({ RESP, database: 4, name: 'checkout' });
      assert.equal(await client.clientGetName(), 'checkout');
      await client.hSet(at('h'), { a: '1', b: '2' });
      assert.deepEqual({ ...(await client.hGetAll(at('h'))) }, { a: '1', b: '2' });
      await client.zAdd(at('zz'), [{ score: 1, value: 'a' }, { score: 2.5, value: 'b' }]);
      const scores = await client.zRangeWithScores(at('zz'), 0, -1);
      assert.deepEqual(scores.map((one) => ({ ...one })),
                       [{ value: 'a', score: 1 }, { value: 'b', score: 2.5 }]);
      await client.sAdd(at('set'), ['x', 'y']);
      assert.deepEqual([...(await client.sMembers(at('set')))].sort(), ['x', 'y']);
      await client.xAdd(at('x'), '1-1', { field: 'value' });
      assert.equal((await client.xRange(at('x'), '-', '+')).length, 1);
      const keys = [];
      for await (const found of client.scanIterator({ MATCH: at('*') })) keys.push(...found);
      assert.equal(keys.length, 4);
      const first = await connect({ RESP });
      assert.equal(await first.exists(at('h')), 0);
    });

    test('a connection that the operator kills is made again', async () => {
      const client = await connect({ RESP });
      const other = await connect({ RESP });
      const id = await client.clientId();
      const again = new Promise((resolve) => client.once('ready', resolve));
      assert.equal(await other.clientKill({ filter: 'ID', id }), 1);
      await again;
      assert.equal(await client.set(at('again'), '1'), 'OK');
    });
  });
}

test('client-side caching: what another client changes is asked for again', async () => {
  const client = await connect({ RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100 } });
  const other = await connect();
  await other.set('nr:cached', 'old');
  assert.equal(await client.get('nr:cached'), 'old');
  assert.equal(await client.get('nr:cached'), 'old');
  await other.set('nr:cached', 'new');
  const deadline = Date.now() + 10_000;
  while (await client.get('nr:cached') !== 'new') {
    assert.ok(Date.now() < deadline, 'still cached');
    await new Promise(setImmediate);  // a cached reply alone lets no message in
  }
});
