// A client of Sluice that buys exactly once over a network that fails. See ../README.md.
import Redis from 'ioredis';

// What the values behind an outcome are.
const NAMES = {
  'BUY OK': ['order_id', 'remaining', 'durability'],
  'BUY SOLDOUT': ['remaining'],
  'BUY LIMIT': ['bought', 'order_id'],
  'BUY CANCELLED': ['order_id'],
  'BUY NOTSTARTED': ['start_ms'],
  'BUY ENDED': ['end_ms'],
  'CANCEL OK': ['remaining'],
  'ORDER FOUND': ['order_id', 'user', 'quantity', 'status', 'durability'],
  'WAITDB DEADLETTER': ['code', 'text'],
};
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;

// No answer in time: the outcome is not known. Ask later, with the same REQ.
export class Undecided extends Error {}
// Sluice's -ERR, -NOPERM, …: the caller's mistake; the same again would say the same.
export class Refused extends Error {}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Sluice {
  #redis;
  #patienceMs;

  constructor(host, port, patienceMs) {
    // What was under way when the connection broke fails at once, and is sent again below, where
    // REQ makes that safe.
    this.#redis = new Redis({
      host, port, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false,
      connectTimeout: 2000, commandTimeout: 3000,
      retryStrategy: (times) => Math.min(50 * times, 500),
    });
    this.#redis.on('error', () => {});  // each command gets its own error
    this.#patienceMs = patienceMs;
  }

  buy(item, user, req) {
    return this.#untilDecided(['BUY', item, user, 'REQ', req],
                              ['ORDER', item, user, 'REQ', req]);
  }

  pay(item, user, orderId) {
    return this.#untilDecided(['PAY', item, user, orderId, 'REQ', `pay-${orderId}`]);
  }

  cancel(item, user, orderId) {
    return this.#untilDecided(['CANCEL', item, user, orderId, 'REQ', `cancel-${orderId}`]);
  }

  // which: an order's id, or 'REQ' and the click's.
  order(item, user, ...which) {
    return this.#untilDecided(['ORDER', item, user, ...which]);
  }

  // WAITDB, as one that shares its connection with others asks it: by polling.
  async waitForMysql(item, user, orderId, waitMs) {
    const deadline = Date.now() + waitMs;
    for (;;) {
      const found = await this.order(item, user, orderId);
      const over = found.outcome !== 'FOUND' || found.status === 'deadletter' ||
                   found.durability === 'database';
      if (over || Date.now() >= deadline) return found;
      await sleep(50);
    }
  }

  async #untilDecided(words, inquiry) {
    const deadline = Date.now() + this.#patienceMs;
    let pauseMs = FIRST_PAUSE_MS;
    let last;
    while (Date.now() < deadline) {
      try {
        return await this.#ask(words);
      } catch (error) {
        last = error;
        const prefix = error.name === 'ReplyError' ? error.message.split(' ')[0] : 'LOST';
        if (prefix === 'UNKNOWNSTATE') {
          const found = await this.#found(inquiry);
          if (found) return found;
        } else if (!['BUSY', 'LOADING', 'LOST'].includes(prefix)) {
          throw new Refused(error.message);
        }
      }
      await sleep(pauseMs * (0.5 + Math.random() / 2));
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
    throw new Undecided(last?.message);
  }

  // The order of a purchase whose outcome was not known; undefined: ask or buy again.
  async #found(inquiry) {
    if (!inquiry) return undefined;
    const found = await this.#ask(inquiry).catch(() => ({}));
    if (found.outcome !== 'FOUND') return undefined;
    const undone = ['cancelled', 'expired'].includes(found.status);
    return { outcome: undone ? 'CANCELLED' : 'OK', order_id: found.order_id };
  }

  async #ask([verb, ...words]) {
    const [outcome, ...values] = await this.#redis.call(`SECKILL.${verb}`, ...words);
    const names = NAMES[`${verb} ${outcome}`] ?? [];
    return { outcome, ...Object.fromEntries(names.map((name, n) => [name, values[n]])) };
  }
}
