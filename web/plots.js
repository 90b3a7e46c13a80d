'use strict';
// Three plots over the last ten minutes, drawn by uPlot from one table of columns.

const KEPT_S = 600;
const columns = ['time', 'accepted', 'refused', 'drained', 'backlog', 'accept', 'redis', 'fsync'];

class Plots {
  constructor() {
    this.data = Object.fromEntries(columns.map((name) => [name, []]));
    this.specs = [
      // A drain goes ten times as fast as a sale: so that both show, each step is ten times the last.
      {id: 'flow', text: format.rate.bind(format), axis: (v) => format.short(v), least: 100,
        scale: {distr: 4, asinh: 5}, splits: [0, 10, 100, 1e3, 1e4, 1e5, 1e6],
        series: [['accepted', '--plot-1'], ['refused', '--plot-2'], ['drained', '--plot-3']]},
      {id: 'backlog', text: format.count.bind(format), axis: (v) => format.short(v), least: 10,
        series: [['backlog', '--plot-1']], names: {backlog: 'rows'}, fill: true},
      {id: 'latency', text: format.latency.bind(format), axis: (v) => format.latency(v),
        least: 0.01, scale: {distr: 3}, floor: 0.0001, splits: [1e-4, 1e-3, 1e-2, 0.1, 1, 10],
        series: [['accept', '--plot-1'], ['redis', '--plot-2'], ['fsync', '--plot-3']]},
    ];
    this.plots = [];
    addEventListener('resize', () => this.resize());
  }

  // From GET /history.
  load(history) {
    const per = (name) => history[name + '_per_second'];
    this.data = {
      time: history.time_ms.map((ms) => ms / 1000),
      accepted: per('accepted'), refused: per('refused'), drained: per('drained'),
      backlog: history.backlog_rows, accept: history.accept_p99_seconds,
      redis: history.redis_p99_seconds, fsync: history.fsync_p99_seconds,
    };
    this.draw();
  }

  add(row) {
    const last = this.data.time[this.data.time.length - 1];
    if (last !== undefined && row.time <= last) return;
    for (const name of columns) this.data[name].push(row[name]);
    while (this.data.time[0] < row.time - KEPT_S) for (const name of columns) this.data[name].shift();
    this.draw();
  }

  // With the colours of the theme that is in force.
  rebuild() {
    for (const plot of this.plots) plot.destroy();
    this.plots = this.specs.map((spec) => this.make(spec));
    this.draw();
  }

  make(spec) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const box = document.getElementById(spec.id);
    const axis = {stroke: colour('--dim'), font: '11px system-ui, sans-serif',
      grid: {stroke: colour('--grid'), width: 1}, ticks: {show: false}};
    const legend = document.getElementById(spec.id + '-legend');
    legend.replaceChildren(...spec.series.map(([name, variable]) => {
      const entry = document.createElement('span'), swatch = document.createElement('span');
      swatch.className = 'swatch';
      swatch.style.background = colour(variable);
      const value = document.createElement('b');
      value.dataset.series = name;
      entry.append(swatch, ((spec.names || {})[name] || name) + ' ', value);
      return entry;
    }));
    return new uPlot({
      width: box.clientWidth, height: box.clientHeight, legend: {show: false},
      cursor: {drag: {x: false, y: false}, points: {size: 6}},
      scales: {
        x: {time: true, range: (_, least, most) => [Math.min(least, most - 60), most]},
        y: {...spec.scale, range: (_, least, most) =>
          [spec.floor ? Math.min(spec.floor, least || spec.floor) : 0, Math.max(spec.least, (most || 0) * 1.08)]},
      },
      axes: [{...axis, size: 26, values: (_, ticks) => ticks.map((s) => format.clock(s * 1e3).slice(0, 8)), space: 80},
        {...axis, size: 52, values: (_, ticks) => ticks.map((tick) => tick == null ? '' : spec.axis(tick)),
          ...(spec.splits && {splits: (_, __, least, most) => spec.splits.filter((v) => v >= least && v <= most),
            filter: (_, splits) => splits})}],
      series: [{}, ...spec.series.map(([, variable]) => ({
        stroke: colour(variable), width: 1.6, spanGaps: false, points: {show: false},
        fill: spec.fill ? colour('--blue-bg') : undefined,
      }))],
      hooks: {setCursor: [(plot) => this.showLegend(spec, plot.cursor.idx)]},
    }, [[], ...spec.series.map(() => [])], box);
  }

  draw() {
    this.specs.forEach((spec, i) => {
      const plot = this.plots[i];
      if (!plot) return;
      plot.setData([this.data.time, ...spec.series.map(([name]) => this.data[name])]);
      this.showLegend(spec, plot.cursor.left >= 0 ? plot.cursor.idx : null);
    });
  }

  // The values under the pointer; without one, the newest.
  showLegend(spec, index) {
    const legend = document.getElementById(spec.id + '-legend');
    const words = [];
    for (const value of legend.querySelectorAll('b')) {
      const all = this.data[value.dataset.series];
      value.textContent = spec.text(all[index == null ? all.length - 1 : index]);
      words.push(value.dataset.series + ' ' + value.textContent);
    }
    const box = document.getElementById(spec.id);
    box.setAttribute('aria-label', document.getElementById(spec.id).closest('figure')
      .querySelector('h2').textContent + ', over the last ten minutes; now ' + words.join(', '));
  }

  resize() {
    this.specs.forEach((spec, i) => {
      const box = document.getElementById(spec.id);
      if (this.plots[i]) this.plots[i].setSize({width: box.clientWidth, height: box.clientHeight});
    });
  }
}
