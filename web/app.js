'use strict';
// One status a second from /events into the page. What the server says is only ever text.

const REASONS = {
  soldout: 'sold out', limit: 'limit reached', notstarted: 'not started', ended: 'sale is over',
  closed: 'closed', noitem: 'no such item', busy: 'BUSY', error: 'wrong command',
};
const STEPS = {
  accept: 'Purchase, whole', redis: 'Redis call', fsync: 'Journal fsync', flush: 'MySQL commit',
};
const GUARDS = {OK: 'OK', DIFFERS: 'differs', OVERSOLD: 'OVERSOLD', UNKNOWN: 'not known'};
const SILENT_AFTER_MS = 4000;

const byId = (id) => document.getElementById(id);
const plots = new Plots();
let before = null;      // the status of a second ago
let heard = 0;          // when the last one came, monotonic
let source = null;
let goneSince = null;

function show(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function cell(tag, text, name) {
  const element = document.createElement(tag);
  if (tag === 'th') element.scope = 'row';
  if (name) element.className = name;
  element.append(text);
  return element;
}

// rows: arrays of cells; none: one line that says so.
function fill(id, rows, empty) {
  const table = byId(id), body = table.tBodies[0];
  if (rows.length === 0) {
    const line = cell('td', empty, 'empty');
    line.colSpan = table.tHead.rows[0].cells.length;
    rows = [[line]];
  }
  body.replaceChildren(...rows.map((cells) => {
    const row = document.createElement('tr');
    row.append(...cells);
    if (cells.mark) row.className = cells.mark;
    return row;
  }));
}

const sum = (object) => Object.values(object).reduce((all, n) => all + n, 0);
const seconds = (now) => Math.max((now.time_ms - before.time_ms) / 1000, 0.001);
// Per second since the last status; a proxy that began anew counts from 0.
const rate = (now, of) => before ? Math.max(of(now) - of(before), 0) / seconds(now) : 0;
const p99 = (latency) => latency && latency.count > 0 ? latency.p99 : null;

function showBanner(now) {
  const {name, reason, since_ms} = now.state;
  if (byId('banner').dataset.state !== name) byId('announce').textContent = name + ': ' + reason;
  byId('banner').dataset.state = name;
  show('state', name);
  show('reason', reason);
  show('since', 'since ' + format.time(since_ms));
  document.title = name + ' – Sluice ' + now.proxy_id;
}

function showTiles(now) {
  const {backlog, journal, rates} = now;
  show('accepted-rate', format.rate(rates.accepted));
  show('accepted-total', format.count(now.totals.accepted));
  show('refused-rate', format.rate(rates.refused));
  show('refused-total', format.count(sum(now.totals.refused)));
  show('drained-rate', format.rate(rates.drained));
  show('drained-total', format.count(now.totals.drained_records));
  show('backlog-rows', format.count(backlog.rows));
  show('backlog-bytes', format.bytes(backlog.bytes));
  show('backlog-age', format.span(backlog.oldest_age_seconds));
  show('drain-eta', backlog.rows === 0 ? 'empty'
    : now.drain.state === 'HOLDING' ? 'on hold' : format.span(backlog.drain_eta_seconds));
  show('next-drain', now.drain.next_scheduled_ms ? format.time(now.drain.next_scheduled_ms) : 'none');
  show('full-eta', journal.full_eta_seconds == null ? 'steady' : format.span(journal.full_eta_seconds));
  show('room', format.bytes(journal.room_bytes));
  show('dead-count', format.count(now.refused_orders.count));
  byId('dead-tile').classList.toggle('has-dead', now.refused_orders.count > 0);
}

function showGuard(now) {
  const all = now.top_items.map((item) => item.guard);
  const worst = now.oversold > 0 ? 'OVERSOLD'
    : ['OVERSOLD', 'DIFFERS', 'OK'].find((guard) => all.includes(guard)) || 'UNKNOWN';
  byId('guard-tile').dataset.guard = worst;
  show('guard', worst === 'UNKNOWN' ? (all.length ? '…' : 'no sales') : GUARDS[worst]);
  const named = now.top_items.filter((item) => item.guard === worst).map((item) => item.item);
  show('guard-why', worst === 'OK' ? named.length + (named.length === 1 ? ' item' : ' items') + ' looked at'
    : worst === 'UNKNOWN' ? 'since this proxy started' : named.slice(0, 3).join(', ') || 'see reconcile');
}

function showItems(now) {
  fill('items', now.top_items.map((item) => {
    const mark = cell('span', GUARDS[item.guard] || item.guard, 'mark');
    mark.dataset.guard = item.guard;
    const bar = cell('span', '', 'bar'), part = document.createElement('i');
    bar.setAttribute('aria-hidden', 'true');
    part.style.width = (item.stock > 0 ? Math.min(item.sold / item.stock, 1) * 100 : 0) + '%';
    bar.append(part);
    const way = item.sold != null && item.mysql_sold != null ? item.sold - item.mysql_sold : null;
    const guard = cell('td', mark);
    return [cell('th', item.item), cell('td', format.rate(item.sold_per_second), 'n'),
      cell('td', format.count(item.stock), 'n'), cell('td', format.count(item.sold), 'n'), cell('td', bar), cell('td', format.count(item.remaining), 'n'),
      cell('td', format.count(item.mysql_sold), 'n'), cell('td', format.count(way), 'n'), guard];
  }), 'Nothing has been sold since this proxy started.');
}

function showTables(now) {
  fill('quantiles', Object.entries(STEPS).map(([step, name]) => {
    const found = now.latency[step], there = found && found.count > 0;
    const row = [cell('th', name), ...['p50', 'p99', 'p999'].map((q) =>
      cell('td', there ? format.latency(found[q]) : format.unknown, 'n'))];
    row.mark = there ? '' : 'zero';
    return row;
  }));
  fill('refusals', Object.entries(REASONS).map(([reason, name]) => {
    const total = now.totals.refused[reason];
    const row = [cell('th', name), cell('td', format.rate(rate(now, (s) => s.totals.refused[reason])), 'n'),
      cell('td', format.count(total), 'n')];
    row.mark = total ? '' : 'zero';
    return row;
  }));
  fill('triggers', (now.drain.triggers || []).map((trigger) => {
    const row = [cell('th', trigger.name), cell('td', trigger.reason)];
    row.mark = trigger.fires ? 'fires' : '';
    return row;
  }), 'The flusher has not told.');
  fill('letters', now.refused_orders.shown.map((letter) => [
    cell('th', letter.order_id), cell('td', String(letter.code), 'n'), cell('td', letter.error)]), 'None.');
  byId('dead').hidden = now.refused_orders.count === 0;
}

function showDrain(now) {
  show('drain-state', now.drain.state);
  // While it holds, the table says why.
  show('drain-reason', now.drain.state === 'HOLDING' ? 'until a trigger fires' : now.drain.reason);
  byId('drain-error').hidden = !now.drain.error;
  show('drain-error', now.drain.error);
  setButton('drain-button', now.drain.state === 'PAUSED', 'drain');
  setButton('intake-button', now.intake === 'paused', 'intake');
}

function setButton(id, paused, what) {
  byId(id).dataset.action = (paused ? 'resume-' : 'pause-') + what;
  show(id, (paused ? 'Resume ' : 'Pause ') + what);
}

function showShelves(now) {
  const words = {open: 'sell', asleep: 'wait for a first sale', waiting: 'wait for other proxies',
    replaying: 'are brought back into Redis', unable: 'are refused by Redis', shut: 'are shut'};
  const parts = Object.entries(words).filter(([name]) => now.shelves[name] > 0)
    .map(([name, text]) => now.shelves[name] + ' ' + text);
  show('shelves', 'Of ' + sum(Object.fromEntries(Object.keys(words).map((n) => [n, now.shelves[n]]))) +
    ' shelves ' + parts.join(', ') + '.');
  byId('shelf-reasons').replaceChildren(...Object.entries(now.shelves.reasons)
    .map(([why, shelves]) => cell('li', shelves + ': ' + why)));
  fill('lanes', now.lanes.map((lane) => [cell('th', lane.proxy_id), cell('td', lane.journal_id),
    cell('td', lane.this ? 'this one' : 'sells too')]));
}

function showAll(now) {
  show('proxy', 'proxy ' + now.proxy_id);
  show('about', 'sluice-proxy ' + now.version + ', up ' + format.span(now.uptime_seconds) + ', ' +
    format.count(now.items) + ' items. ');
  showBanner(now);
  showTiles(now);
  showGuard(now);
  showItems(now);
  showTables(now);
  showDrain(now);
  showShelves(now);
  // The first one has none before it: the history that was fetched ends there.
  if (before) plots.add({
    time: now.time_ms / 1000, accepted: rate(now, (s) => s.totals.accepted),
    refused: rate(now, (s) => sum(s.totals.refused)), drained: rate(now, (s) => s.totals.drained_records),
    backlog: now.backlog.rows, accept: p99(now.latency.accept), redis: p99(now.latency.redis),
    fsync: p99(now.latency.fsync),
  });
  before = now;
}

// ---- The line to the proxy.

function linked(state, text) {
  byId('link').dataset.link = state;
  show('link-text', text);
  document.body.classList.toggle('is-gone', state === 'gone');
  byId('gone').hidden = state !== 'gone';
}

async function loadHistory() {
  try {
    plots.load(await (await fetch('/history')).json());
  } catch {
    // The next event begins a new one.
  }
}

async function heardFrom(event) {
  const is_back = goneSince !== null || heard === 0;
  heard = performance.now();
  if (is_back) {
    if (goneSince !== null) byId('announce').textContent = 'The proxy answers again.';
    goneSince = null;
    before = null;
    await loadHistory();
  }
  linked('live', 'live');
  showAll(JSON.parse(event.data));
}

function lost() {
  if (goneSince === null) {
    goneSince = Date.now();
    byId('announce').textContent = 'The proxy does not answer.';
  }
  const text = 'The proxy does not answer since ' + format.clock(goneSince) +
    '. What is shown is what it said last; this page goes on by itself.';
  show('gone', text);
  linked('gone', 'no answer');
}

function connect() {
  if (source) source.close();
  source = new EventSource('/events');
  source.onmessage = heardFrom;
  source.onerror = lost;
}

// A browser gives up on a refusal, and does not notice a machine that has gone silent.
setInterval(() => {
  const silent = heard !== 0 && performance.now() - heard > SILENT_AFTER_MS;
  if (silent) lost();
  if (source.readyState === EventSource.CLOSED || (silent && source.readyState === EventSource.OPEN)) connect();
}, 2000);

// ---- The theme: the system's, or the one that was chosen.

function setTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  show('theme', 'Theme: ' + theme);
  localStorage.setItem('theme', theme);
  plots.rebuild();
}

byId('theme').addEventListener('click', () => {
  const order = ['auto', 'light', 'dark'];
  setTheme(order[(order.indexOf(localStorage.getItem('theme')) + 1) % order.length]);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plots.rebuild());

const kept = localStorage.getItem('theme');
setTheme(['light', 'dark'].includes(kept) ? kept : 'auto');
connect();
