import { svg } from "./dom.js";

/** Drawn for this page: what the ends of a slider about one's state look like. Each is [what is filled, what is a line]. */
const FACE = "M3 16a13 13 0 1 0 26 0a13 13 0 1 0-26 0z";
const EYES = "M11 13.2v1.6M21 13.2v1.6";
const FIGURE = (x, y, s) => `M${x} ${y - 8 * s}m${-2.6 * s} 0a${2.6 * s} ${2.6 * s} 0 1 0 ${5.2 * s} 0a${2.6 * s} ${2.6 * s} 0 1 0 ${-5.2 * s} 0`
  + `M${x} ${y - 5.4 * s}v${6.4 * s}M${x - 4 * s} ${y - 2 * s}h${8 * s}M${x - 3 * s} ${y + 6.5 * s}l${3 * s} ${-5.5 * s}l${3 * s} ${5.5 * s}`;

const ENDS = {
  pleasure: [[FACE, EYES, "M10.5 22q5.5-5.5 11 0"], [FACE, EYES, "M10 18.5q6 7 12 0"]],
  arousal: [[FACE, "M8.8 14q2.2 2 4.4 0M18.8 14q2.2 2 4.4 0", "M13 21.5h6"],
    [FACE, "M8.6 13.5a2.6 2.9 0 1 0 5.2 0a2.6 2.9 0 1 0-5.2 0M18.2 13.5a2.6 2.9 0 1 0 5.2 0a2.6 2.9 0 1 0-5.2 0", "M13.4 22a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0-5.2 0"]],
  dominance: [[FIGURE(16, 21, 0.75), "M4 4h24v24h-24z"], [FIGURE(16, 18, 1.55)]],
};

/** The picture for an end ("left" or "right") of an item; null where there is none. */
export function endIcon(id, side) {
  const paths = ENDS[id]?.[side === "left" ? 0 : 1];
  if (!paths) return null;
  return svg("svg", { viewBox: "0 0 32 32", class: "end-icon", "aria-hidden": "true" }, ...paths.map((d) => svg("path", { d })));
}
