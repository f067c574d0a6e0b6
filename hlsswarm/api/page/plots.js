// Small plots of one swarm over the last minutes. Colours are the style sheet's.
const HEIGHT = 120;
const KEPT = 900;
const three = (v) => (Math.abs(v) >= 100 ? v.toFixed(0) : String(Number(v.toPrecision(3))));

// Segments come in bursts: rates are means over this many seconds.
const MEAN = 5;
const mean = (values) => values.map((_, i) => {
  const some = values.slice(Math.max(0, i - MEAN + 1), i + 1);
  return some.reduce((a, b) => a + b, 0) / some.length;
});

const PLOTS = [
  { title: "Clients streaming", colour: "curve-1", of: (r) => r.clients.streaming || 0, text: (v) => three(v) },
  { title: "Segments a second", colour: "curve-2", of: (r) => r.segments, text: (v) => three(v), mean: true },
  { title: "Mbit/s", colour: "curve-3", of: (r) => (r.bytes * 8) / 1e6, text: (v) => three(v), mean: true },
  {
    title: "Segment time, p95", colour: "curve-4",
    of: (r) => (r.segment_p95_seconds === null ? null : r.segment_p95_seconds * 1000),
    text: (v) => (v >= 1000 ? `${three(v / 1000)} s` : `${three(v)} ms`),
  },
];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export class Plots {
  constructor(place) {
    this.rows = [];
    this.plots = PLOTS.map((plot) => {
      const box = document.createElement("div");
      const title = document.createElement("h4");
      const now = document.createElement("span");
      now.className = "now";
      title.append(`${plot.title} `, now);
      const canvas = document.createElement("div");
      canvas.className = "plot";
      box.append(title, canvas);
      place.append(box);
      return { ...plot, canvas, now, chart: null };
    });
  }

  // The time of the last row that we have.
  get last() {
    return this.rows.length ? this.rows[this.rows.length - 1].time : 0;
  }

  add(rows) {
    this.rows.push(...rows);
    this.rows.splice(0, Math.max(0, this.rows.length - KEPT));
    this.draw();
  }

  draw() {
    const times = this.rows.map((r) => r.time);
    for (const plot of this.plots) {
      const all = this.rows.map(plot.of);
      const values = plot.mean ? mean(all) : all;
      const known = values.filter((v) => v !== null);
      plot.now.textContent = known.length ? plot.text(known[known.length - 1]) : "–";
      if (plot.chart === null) plot.chart = new uPlot(options(plot), [times, values], plot.canvas);
      else plot.chart.setData([times, values]);
    }
  }

  // After a change of width or colours.
  again() {
    for (const plot of this.plots) {
      if (plot.chart !== null) plot.chart.destroy();
      plot.chart = null;
    }
    this.draw();
  }
}

const options = (plot) => {
  const axis = { stroke: css("soft"), font: "10px system-ui, sans-serif", ticks: { show: false } };
  return {
    width: Math.max(120, plot.canvas.clientWidth),
    height: HEIGHT,
    padding: [6, 4, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (u, least, most) => [0, Math.max((most || 0) * 1.15, 1e-6)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 20, space: 60,
        values: (u, vs) => vs.map((v) => new Date(v * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }).slice(0, 8)) },
      { ...axis, grid: { stroke: css("grid"), width: 1 }, size: 44, space: 28, values: (u, vs) => vs.map((v) => (v === 0 ? "0" : plot.text(v))) },
    ],
    series: [{}, { stroke: css(plot.colour), width: 1.5, fill: `${css(plot.colour)}22`, points: { show: false } }],
  };
};
