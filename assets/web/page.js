/** Small helpers of every page. */

/**
 * The element of index.html with an id.
 * @template {keyof import("./messages.js").PageElements} K
 * @param {K} id
 * @returns {import("./messages.js").PageElements[K]}
 */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** What draws on a canvas. @param {HTMLCanvasElement} canvas */
export function penOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/** @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} button @param {boolean} pressed */
export function setPressed(button, pressed) {
  const value = String(pressed);
  if (button.getAttribute("aria-pressed") !== value) button.setAttribute("aria-pressed", value);
}

/** @param {number} bytes */
export const megabytes = (bytes) => bytes / 1024 / 1024;

/** Whether a letter means something to the page, and not to what has the focus. @param {KeyboardEvent} event */
export function isShortcut({ ctrlKey, metaKey, altKey }) {
  const wanted = document.activeElement?.closest("select, textarea, input:not([type=checkbox], [type=radio], [type=range])");
  return !wanted && !ctrlKey && !metaKey && !altKey && $("keys-drive").checked;
}

/** "play_bow" -> "play bow" @param {string|null} [name] */
export function readable(name) {
  return String(name ?? "").replaceAll("_", " ");
}
