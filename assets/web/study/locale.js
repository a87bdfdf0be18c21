/** Texts of the page in the participant's language: one JSON file per language, no text in any script. */

import { translator } from "./plugins/dom.js";

const FALLBACK = "en";

/**
 * The language: the link's `?lang=`, else the browser's, else the study's.
 * @param {string[]} offered  codes that the study has @param {string} own  the study's own
 */
export function chooseLanguage(offered, own, search = location.search, browser = navigator.languages) {
  const wanted = [new URLSearchParams(search).get("lang"), ...browser];
  for (const language of wanted) {
    if (!language) continue;
    const code = language.toLowerCase().split(/[-_]/)[0];
    const exact = offered.find((one) => one.toLowerCase() === language.toLowerCase());
    const near = exact ?? offered.find((one) => one.toLowerCase().split(/[-_]/)[0] === code);
    if (near) return near;
  }
  return own;
}

/** @returns {Promise<Object<string, string>>} the texts; a key that a lab's own file lacks is taken from English */
export async function loadStrings(api, language) {
  const own = await api.locale(language);
  return language === FALLBACK ? own : { ...(await api.locale(FALLBACK)), ...own };
}

/** Put the texts where the page names them: `data-t` for content, `data-t-title` for what is told on pointing. */
export function translatePage(strings, language) {
  const t = translator(strings);
  document.documentElement.lang = language;
  document.documentElement.dir = strings.dir ?? "ltr";
  for (const element of document.querySelectorAll(/** @type {"p"} */ ("[data-t]"))) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll(/** @type {"p"} */ ("[data-t-title]"))) element.title = t(element.dataset.tTitle);
}
