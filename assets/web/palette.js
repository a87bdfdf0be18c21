/** Colours that scripts need: one per emotion, and the theme's variables from style.css. */

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
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => cache.clear());

/** Value of a CSS variable, e.g. `themeColor("--line")`. */
export function themeColor(name) {
  if (!cache.has(name)) cache.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return cache.get(name);
}
