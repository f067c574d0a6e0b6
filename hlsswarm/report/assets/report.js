// Draws the plots of the report from the data in the page. Colours are the style sheet's, so that a
// change between light and dark draws them anew.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const HEIGHT = 210;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  const three = (v) => (Math.abs(v) >= 100 ? v.toFixed(0) : String(Number(v.toPrecision(3))));
  const scaled = (v, units, base = 1000) => {
    let i = 0;
    while (Math.abs(v) >= base && i < units.length - 1) { v /= base; i += 1; }
    return `${three(v)} ${units[i]}`.trim();
  };
  const FORMATS = {
    "": (v) => scaled(v, ["", "k", "M"]),
    "/s": (v) => scaled(v, ["", "k", "M"]),
    "s": (v) => (v === 0 ? "0" : v < 1 ? `${three(v * 1000)} ms` : `${three(v)} s`),
    "share": (v) => `${three(v * 100)} %`,
    "bit/s": (v) => scaled(v, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]),
    "bytes/s": (v) => scaled(v, ["B/s", "kB/s", "MB/s", "GB/s"]),
    "bytes": (v) => scaled(v, ["B", "kB", "MB", "GB", "TB"]),
  };
  const two = (n) => String(n).padStart(2, "0");
  const elapsed = (v) => {
    const s = Math.round(v), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  };
  const clock = (v) => `${new Date((data.begin + v) * 1000).toISOString().slice(11, 19)} UTC`;

  // Curves on each other: each drawn opaque down to the axis, the sum of all first.
  const stacked = (curves) => {
    const sums = [];
    curves.forEach((curve, i) => {
      sums.push(curve.values.map((v, x) => (v === null ? null : v + (i ? sums[i - 1][x] : 0))));
    });
    return sums;
  };

  const limitLines = (plot, format) => (u) => {
    const { ctx, bbox } = u;
    for (const [label, value] of plot.limits) {
      const y = u.valToPos(value, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = css("soft");
      ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textAlign = "right";
      ctx.textBaseline = "bottom";
      ctx.fillText(label.replace(/^.*: /, ""), bbox.left + bbox.width - 4, y - 2);
      ctx.restore();
    }
  };

  const build = (plot, width) => {
    const format = FORMATS[plot.unit] || FORMATS[""];
    const piled = plot.kind === "stack" || plot.kind === "bars";
    const order = plot.curves.map((_, i) => i);
    if (piled) order.reverse();
    const columns = piled ? stacked(plot.curves) : plot.curves.map((c) => c.values);
    const largest = columns.reduce((a, c) => c.reduce((b, v) => (v > b ? v : b), a), 0);
    const top = plot.limits.reduce((a, [, v]) => (v <= 3 * largest && v > a ? v : a), largest);

    const series = order.map((i) => {
      const curve = plot.curves[i], colour = css(curve.colour);
      return {
        label: curve.label,
        stroke: colour,
        width: piled ? 0 : 1.4,
        fill: piled ? colour : plot.kind === "area" ? `${colour}33` : undefined,
        paths: plot.kind === "bars" ? uPlot.paths.bars({ size: [0.9, 24], align: 1 }) : undefined,
        points: { show: false },
        value: (u, v, s, x) => (x === null ? "" : curve.values[x] === null ? "–" : format(curve.values[x])),
      };
    });
    const axis = { stroke: css("soft"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    return [{
      width,
      height: HEIGHT,
      cursor: { sync: { key: "report" }, points: { show: !piled }, y: false },
      padding: [8, 26, 0, 0],
      legend: { live: true, markers: { width: 0, fill: (u, i) => (i ? u.series[i].stroke() : null) } },
      scales: {
        x: { time: false },
        y: { range: [0, Math.max(top * 1.08, plot.unit === "share" ? 0.01 : 1e-9)] },
      },
      axes: [
        { ...axis, grid: { show: false }, values: (u, vs) => vs.map(elapsed), size: 28, space: 70,
          incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400] },
        { ...axis, grid: { stroke: css("grid"), width: 1 }, space: 34,
          size: (u, vs) => 16 + 6.6 * Math.max(0, ...(vs || []).map((v) => v.length)),
          values: (u, vs) => vs.map(format) },
      ],
      series: [{ label: "", value: (u, v) => (v === null ? "" : `${elapsed(v)}, ${clock(v)}`) }, ...series],
      hooks: { draw: [limitLines(plot, format)] },
    }, [data.seconds, ...order.map((i) => columns[i])]];
  };

  const draw = () => {
    for (const element of document.querySelectorAll("[data-plot]")) {
      const plot = data.plots[Number(element.dataset.plot)];
      element.classList.toggle("fixed", plot.kind === "stack" || plot.kind === "bars");
      const [options, columns] = build(plot, element.clientWidth);
      if (element.uplot) element.uplot.destroy();
      element.uplot = new uPlot(options, columns, element);
    }
  };

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let waiting = 0;
  window.addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => {
      for (const element of document.querySelectorAll("[data-plot]")) {
        element.uplot.setSize({ width: element.clientWidth, height: HEIGHT });
      }
    });
  });
})();
