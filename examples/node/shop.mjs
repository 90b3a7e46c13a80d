// A shop before Sluice: POST /buy, /pay, /cancel, GET /order. See README.md.
import http from 'node:http';
import { Refused, Sluice, Undecided } from './sluice.mjs';

const [, host, port] = /^(.*):(\d+)$/.exec(process.env.SLUICE_ADDRESS ?? '127.0.0.1:6479');
const patienceMs = Number(process.env.SHOP_PATIENCE_MS ?? 10000);
const shopPort = Number(process.env.SHOP_PORT ?? 8080);
const BODY_BYTES_MAX = 4096;
const sluice = new Sluice(host, Number(port), patienceMs);

class Missing extends Error {}

// The form's value; a page that sends none is answered 400.
function need(form, name) {
  const value = form.get(name);
  if (!value) throw new Missing(`missing: ${name}`);
  return value;
}

const routes = {
  'POST /buy': (form) => sluice.buy(need(form, 'item'), need(form, 'user'), need(form, 'req')),
  'POST /pay': (form) =>
      sluice.pay(need(form, 'item'), need(form, 'user'), need(form, 'order_id')),
  'POST /cancel': (form) =>
      sluice.cancel(need(form, 'item'), need(form, 'user'), need(form, 'order_id')),
  'GET /order': (form) => {
    const [item, user] = [need(form, 'item'), need(form, 'user')];
    if (form.has('req')) return sluice.order(item, user, 'REQ', form.get('req'));
    const orderId = need(form, 'order_id');
    return form.has('wait') ? sluice.waitForMysql(item, user, orderId, Number(form.get('wait')))
                            : sluice.order(item, user, orderId);
  },
};

async function answer(request) {
  const url = new URL(request.url, 'http://shop');
  const route = routes[`${request.method} ${url.pathname}`];
  if (!route) return [404, { error: 'no such page' }];
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > BODY_BYTES_MAX) return [413, { error: 'too long' }];
  }
  const form = new URLSearchParams([...url.searchParams, ...new URLSearchParams(body)]);
  try {
    return [200, await route(form)];
  } catch (error) {
    if (error instanceof Undecided) {
      return [503, { error: `not known yet, ask with the same req: ${error.message}` }];
    }
    if (error instanceof Refused || error instanceof Missing) {
      return [400, { error: error.message }];
    }
    throw error;
  }
}

http.createServer(async (request, response) => {
  try {
    const [status, told] = await answer(request);
    const headers = { 'Content-Type': 'application/json' };
    if (status === 503) headers['Retry-After'] = '1';
    response.writeHead(status, headers).end(JSON.stringify(told));
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
}).listen(shopPort, '127.0.0.1', () => {
  console.log(`shop: http://127.0.0.1:${shopPort}, Sluice at ${host}:${port}`);
});
