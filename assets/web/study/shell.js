/** Everything around the question: title, progress, banner, notices, dialogs, the last page. */

import { button, el, startAt, translator } from "./plugins/dom.js";

const NOTICE_MS = 6000;
/** Links to recruiting sites: nothing but the web. */
const WEB = /^https?:\/\//i;

/**
 * The element of study/index.html with an id.
 * @template {keyof import("../messages.js").StudyElements} K
 * @param {K} id
 * @returns {import("../messages.js").StudyElements[K]}
 */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

export class Shell {
  /** @param {Object<string, string>} strings */
  constructor(strings) {
    this.t = translator(strings);
    /** Set by whoever runs the study. */
    this.onWithdraw = async () => {};
    this.onUndo = async () => {};
    $("withdraw").addEventListener("click", () => this.#withdraw());
    $("undo").addEventListener("click", () => this.onUndo());
  }

  title(text) {
    $("title").textContent = text;
    document.title = text;
  }

  /** A step is about to be shown. @param {{kind: string, progress?: any, can_undo?: boolean}} step */
  step({ kind, progress, can_undo: canUndo }) {
    $("splash").hidden = true;
    $("withdraw").hidden = kind === "done";
    $("undo").hidden = !canUndo || ["triplet", "preference", "grid", "done"].includes(kind);
    const counted = Boolean(progress?.of) && kind !== "consent" && kind !== "done";
    $("progress").hidden = !counted;
    if (!counted) return;
    const { done, of } = progress;
    $("progress-bar").max = of;
    $("progress-bar").value = done;
    $("progress-text").textContent = this.t("progress", { done, of });
    this.say(this.t("progress_spoken", { ...progress, done: Math.min(done + 1, of) }));
  }

  say(text) {
    $("live").textContent = text;
  }

  /** @param {string|null} text */
  banner(text) {
    $("banner").hidden = text === null;
    if (text !== null && $("banner").textContent !== text) $("banner").textContent = text;
  }

  notice(text) {
    clearTimeout(this.fading);
    $("notice").textContent = text;
    $("notice").hidden = false;
    this.fading = setTimeout(() => { $("notice").hidden = true; }, NOTICE_MS);
  }

  /** A question with two answers. Escape is no. @returns {Promise<boolean>} */
  ask({ title, text, yes, no, danger = false }) {
    const dialog = $("dialog");
    $("dialog-title").textContent = title;
    $("dialog-text").textContent = text;
    $("dialog-yes").textContent = yes;
    $("dialog-no").textContent = no ?? "";
    $("dialog-no").hidden = !no;
    $("dialog-yes").classList.toggle("danger", danger);
    dialog.returnValue = "";
    dialog.showModal();
    $(no ? "dialog-no" : "dialog-yes").focus();
    return new Promise((resolve) => {
      $("dialog-yes").onclick = () => dialog.close("yes");
      $("dialog-no").onclick = () => dialog.close("no");
      dialog.onclose = () => resolve(dialog.returnValue === "yes");
    });
  }

  async #withdraw() {
    const { t } = this;
    const sure = await this.ask({ title: t("withdraw_title"), text: t("withdraw_text"), yes: t("withdraw_yes"), no: t("withdraw_no"), danger: true });
    if (sure) await this.onWithdraw();
  }

  #page(...children) {
    $("splash").hidden = true;
    $("jspsych").hidden = true;
    document.querySelector(".last")?.remove();
    const page = el("article.page.last", { "data-testid": "last" }, ...children);
    $("ground").append(page);
    startAt(page.querySelector("h1"));
  }

  /** The end. It is shown only when the server has everything. */
  done({ outcome, code, url }) {
    const { t } = this;
    this.step({ kind: "done" });
    const after = { completed: "done_saved", withdrew: "done_deleted" }[outcome] ?? "done_close";
    const copied = el("span.fine", { role: "status" });
    const copy = async () => {
      await navigator.clipboard?.writeText(code).then(() => { copied.textContent = t("copied"); }, () => {});
    };
    this.#page(el("h1", {}, t(`done_${outcome}`)), el("p", {}, t(after)),
      code ? el("div.code-box", {}, el("p", { id: "code-label" }, t("done_code")),
        el("output.code", { "aria-labelledby": "code-label", "data-testid": "code" }, code),
        navigator.clipboard ? button(t("copy"), copy) : null, copied) : null,
      url && WEB.test(url) ? el("p.actions", {}, el("a.button.primary", { href: url, rel: "noreferrer", "data-testid": "link" }, t("done_link"))) : null);
  }

  /** Something that the participant has to know, and that ends the page. @param {string} text */
  trouble(text, again = true) {
    this.step({ kind: "done" });
    this.banner(null);
    $("dialog").close();
    this.#page(el("h1", {}, this.t("trouble_title")), el("p", { role: "alert", "data-testid": "trouble" }, text),
      again ? el("div.actions", {}, button(this.t("reload"), () => location.reload(), { class: "button primary" })) : null);
  }
}
