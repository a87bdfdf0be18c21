/** Small helpers that the plugins share. Text goes in as text, never as HTML. */

/**
 * @template {string} T
 * @param {T} tag  "p", "button.primary.wide": the name and its classes
 * @param {Object<string, any>} [attributes]  null and false leave one out; functions become listeners of that event
 * @param {...(Node|string|null)} children
 * @returns {ElementOf<T>}
 */
export function el(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  element.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return /** @type {any} */ (element);
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** "{seconds} s left", {seconds: 3} -> "3 s left" */
export function fill(template, values = {}) {
  return String(template).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** A function that looks strings up: `t("next")`, `t("left", {seconds: 3})`. A missing one shows its key. */
export function translator(strings) {
  return (key, values) => fill(strings[key] ?? key, values);
}

/** A button that is at least 44 px high. */
export function button(text, onClick, attributes = {}) {
  return el("button.button", { type: "button", click: onClick, ...attributes }, text);
}

let unique = 0;
/** An id that no other element has. */
export function newId(prefix) {
  unique += 1;
  return `${prefix}-${unique}`;
}

/** Put the reader of a new page at its beginning: keyboard and screen reader start at the heading. */
export function startAt(heading) {
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Can an element be seen, as far as the page decides that? */
export function isShown(element) {
  return element.isConnected && element.getClientRects().length > 0;
}

/**
 * Is a key press meant for the trial as a whole, and not for a field, a dialog, what lies around the trial, or the browser?
 * Shortcuts of one character that work everywhere get in the way of people who speak to their computer.
 */
export function isShortcut(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return false;
  if (document.querySelector("dialog[open]")) return false;
  const anywhere = event.target === document || event.target === document.body;
  if (!anywhere && !event.target.closest?.(".jspsych-display-element")) return false;
  return !event.target.closest?.("textarea, select, input:not([type=range]):not([type=radio]):not([type=checkbox])");
}
