'use strict';
// Numbers as people read them. Each returns text; what is not known is "–".

const format = {
  unknown: '–',

  count(n) {
    return n == null ? this.unknown : Math.round(n).toLocaleString('en-US');
  },

  // A rate: small ones with a decimal.
  rate(n) {
    if (n == null) return this.unknown;
    return n > 0 && n < 10 ? n.toFixed(1) : this.count(n);
  },

  // For axes: 1200 → "1.2k".
  short(n) {
    for (const [size, unit] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
      if (Math.abs(n) >= size) return +(n / size).toPrecision(3) + unit;
    }
    return String(+n.toPrecision(3));
  },

  bytes(n) {
    if (n == null) return this.unknown;
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
    let at = 0;
    for (; n >= 1024 && at + 1 < units.length; ++at) n /= 1024;
    return (at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + ' ' + units[at];
  },

  // Seconds as a span of time: "45 s", "3 min", "2 h 5 min", "31 h", "12 d".
  span(s) {
    if (s == null) return this.unknown;
    if (s < 1) return s > 0 ? '< 1 s' : '0 s';
    if (s < 90) return Math.round(s) + ' s';
    if (s < 5400) return Math.round(s / 60) + ' min';
    if (s >= 36000 && s < 86400 * 2) return Math.round(s / 3600) + ' h';
    if (s < 36000) {
      const minutes = Math.round(s / 60);
      return Math.floor(minutes / 60) + ' h ' + (minutes % 60) + ' min';
    }
    return s < 86400 * 365 ? Math.round(s / 86400) + ' d' : '> 1 year';
  },

  // Seconds as a latency: "87 µs", "1.24 ms", "1.2 s".
  latency(s) {
    if (s == null) return this.unknown;
    if (s < 0.001) return Math.round(s * 1e6) + ' µs';
    if (s < 1) return +(s * 1e3).toPrecision(3) + ' ms';
    return +s.toPrecision(3) + ' s';
  },

  clock(ms) {
    return ms == null ? this.unknown : new Date(ms).toLocaleTimeString('en-GB');
  },

  // The day as well, if it is another one.
  time(ms) {
    if (ms == null) return this.unknown;
    const date = new Date(ms);
    const clock = date.toLocaleTimeString('en-GB', {hour: '2-digit', minute: '2-digit'});
    if (date.toDateString() === new Date().toDateString()) return clock;
    return date.toLocaleDateString('en-GB', {weekday: 'short', day: 'numeric', month: 'short'}) + ' ' + clock;
  },
};
