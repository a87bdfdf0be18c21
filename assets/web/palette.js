/** Colours that scripts need: one per emotion, and the theme's variables from style.css. */

import { onThemeChange } from "./theme.js";

const EMOTION_COLORS = {
  neutral: "#85868d",
  calm: "#2f9c8d",
  happy: "#c98806",
  sad: "#4a80c4",
  angry: "#d24a3e",
  fearful: "#8b66c9",
  disgust: "#6f942f",
  surprised: "#d4609a",
};

/** @param {string|null} label @returns {string} "#rrggbb" */
export function emotionColor(label) {
  return EMOTION_COLORS[label] ?? EMOTION_COLORS.neutral;
}

const cache = new Map();
onThemeChange(() => cache.clear());

/** Value of a CSS variable, e.g. `themeColor("--line")`, as a canvas understands it: of light and dark, the one that holds. */
export function themeColor(name) {
  if (!cache.has(name)) {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    cache.set(name, getComputedStyle(probe).color);
    probe.remove();
  }
  return cache.get(name);
}
