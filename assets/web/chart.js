/**
 * The last 30 seconds: the eight probabilities, and valence and arousal below them (uPlot, window.uPlot).
 */

import { emotionColor, themeColor } from "./palette.js";

const SPAN_S = 30;
const REDRAW_MS = 250;

/** @returns {any} of uPlot */
function options(width, height, series, range, splits) {
  const axis = {
    stroke: () => themeColor("--ink-soft"), grid: { stroke: () => themeColor("--line"), width: 1 }, ticks: { show: false },
    font: "11px system-ui, sans-serif", gap: 4,
  };
  return {
    width, height, legend: { show: false }, cursor: { show: false }, padding: [6, 16, 0, 0],
    scales: { x: { time: false, range: [-SPAN_S, 0] }, y: { range } },
    axes: [
      { ...axis, size: 20, splits: () => [-30, -20, -10, 0], values: (_, ticks) => ticks.map((s) => (s ? `${s} s` : "now")) },
      { ...axis, size: 34, splits: () => splits, values: (_, ticks) => ticks.map((v) => v.toFixed(v % 1 ? 1 : 0)) },
    ],
    series: [{}, ...series],
  };
}

export class EmotionChart {
  /** @param {HTMLElement} probabilities @param {HTMLElement} affect  containers @param {string[]} labels */
  constructor(probabilities, affect, labels) {
    this.labels = labels;
    this.rows = [];
    this.drawn = 0;
    this.hosts = [probabilities, affect];
    const line = (label, stroke, extra = {}) => ({ label, stroke, width: 1.75, points: { show: false }, ...extra });
    const size = (host) => [Math.max(host.clientWidth, 120), host.clientHeight || 90];
    probabilities.replaceChildren();
    affect.replaceChildren();
    this.plots = [
      new uPlot(options(...size(probabilities), labels.map((label) => line(label, emotionColor(label))), [0, 1], [0, 0.5, 1]),
        [[], ...labels.map(() => [])], probabilities),
      new uPlot(options(...size(affect), [
        line("valence", () => themeColor("--valence")), line("arousal", () => themeColor("--arousal"), { dash: [5, 3] }),
      ], [-1, 1], [-1, 0, 1]), [[], [], []], affect),
    ];
    const observer = new ResizeObserver(() => this.#resize());
    this.hosts.forEach((host) => observer.observe(host));
  }

  /** @param {import("./messages.js").StateMessage} state */
  add(state) {
    const now = performance.now();
    const known = !state.paused && state.probabilities; // what was set by hand, or stands still, leaves a gap
    this.rows.push({ at: now / 1000, p: known ? state.probabilities : null, affect: known ? [state.valence, state.arousal] : [null, null] });
    while (this.rows[0].at < now / 1000 - SPAN_S) this.rows.shift();
    if (now - this.drawn < REDRAW_MS || document.hidden || !this.hosts[0].offsetParent) return;
    this.drawn = now;
    this.#draw(now / 1000);
  }

  #draw(now) {
    const ago = this.rows.map((row) => row.at - now);
    this.plots[0].setData([ago, ...this.labels.map((_, i) => this.rows.map((row) => row.p?.[i] ?? null))]);
    this.plots[1].setData([ago, ...[0, 1].map((i) => this.rows.map((row) => row.affect[i]))]);
  }

  #resize() {
    this.plots.forEach((plot, i) => {
      const { clientWidth: width, clientHeight: height } = this.hosts[i];
      if (width && height && (width !== plot.width || height !== plot.height)) plot.setSize({ width, height });
    });
  }
}
