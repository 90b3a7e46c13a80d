// node-redis with default options against Sluice. SLUICE_PORT: a proxy that has "phone" on sale.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createClient } from 'redis';

let client;
before(async () => {
  client = createClient({ url: `redis://127.0.0.1:${process.env.SLUICE_PORT}` });
  client.on('error', (error) => console.error(error));
  await client.connect();
});
after(() => client.close());

test('a purchase, and the same again by its REQ', async () => {
  const words = ['SECKILL.BUY', 'phone', 'nr-ann', 'REQ', 'r1'];
  const [outcome, orderId, remaining, durability] = await client.sendCommand(words);
  assert.equal(outcome, 'OK');
  assert.equal(typeof orderId, 'string');
  assert.equal(typeof remaining, 'number');
  assert.equal(durability, 'disk');
  assert.equal((await client.sendCommand(words))[1], orderId);
  const found = await client.sendCommand(['SECKILL.ORDER', 'phone', 'nr-ann', orderId]);
  assert.deepEqual(found.slice(0, 5), ['FOUND', orderId, 'nr-ann', 1, 'placed']);
});

test('a pipeline of 1,000 commands', async () => {
  const commands = [];
  for (let n = 0; n < 500; n++) {
    commands.push(client.sendCommand(['SECKILL.BUY', 'phone', `nr-p${n}`]));
    commands.push(client.set(`nr:${n}`, String(n)));
  }
  const replies = await Promise.all(commands);
  assert.equal(replies.length, 1000);
  replies.forEach((reply, n) => assert.equal(n % 2 === 0 ? reply[0] : reply, 'OK'));
});

test('GET, SET, HSET, EVAL of its own', async () => {
  assert.equal(await client.set('nr:k', 'v'), 'OK');
  assert.equal(await client.get('nr:k'), 'v');
  assert.equal(await client.hSet('nr:h', { a: '1', b: '2' }), 2);
  assert.deepEqual({ ...(await client.hGetAll('nr:h')) }, { a: '1', b: '2' });
  const values = { keys: ['nr:k'], arguments: ['x'] };
  const reply = await client.eval('return {KEYS[1], ARGV[1]}', values);
  assert.deepEqual(reply, ['nr:k', 'x']);
});

test('MULTI', async () => {
  assert.deepEqual(await client.multi().incr('nr:t').incr('nr:t').exec(), [1, 2]);
});

test('a wrong argument is an error that names it', async () => {
  const words = ['SECKILL.BUY', 'phone', 'nr-ann', 'QTY', '0'];
  await assert.rejects(client.sendCommand(words), /QTY must/);
});
