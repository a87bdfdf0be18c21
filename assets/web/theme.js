/**
 * Light or dark: as the system has it, until somebody chooses by hand. The choice stays in this browser.
 *
 * @typedef {"system"|"light"|"dark"} Theme
 */

const KEY = "empaw-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
/** @type {Set<() => void>} */
const listeners = new Set();

/** @returns {Theme} */
export function chosenTheme() {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function isDark() {
  return chosenTheme() === "system" ? system.matches : chosenTheme() === "dark";
}

/** @param {Theme} theme */
export function chooseTheme(theme) {
  if (theme === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  apply();
}

/** Have something called whenever light and dark change. @param {() => void} listener */
export function onThemeChange(listener) {
  listeners.add(listener);
}

/** Style sheets choose by `color-scheme`, which light-dark() reads. */
function apply() {
  document.documentElement.style.colorScheme = chosenTheme() === "system" ? "" : chosenTheme();
  for (const listener of listeners) listener();
}

system.addEventListener("change", apply);
apply();
