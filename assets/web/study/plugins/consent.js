import { button, el, startAt, translator } from "./dom.js";

const { ParameterType } = globalThis.jsPsychModule;

/**
 * **consent**: the text that people agree to, its version and fingerprint, boxes that must be ticked, and a way to say no.
 * Everything is text; nothing is read as HTML.
 */
export default class ConsentPlugin {
  static info = {
    name: "consent",
    version: "1.0.0",
    parameters: {
      /** Paragraphs of the text. One that starts with "# " is a heading. */
      paragraphs: { type: ParameterType.STRING, array: true },
      /** Sentences to be ticked, each, before one can agree. */
      checkboxes: { type: ParameterType.STRING, array: true, default: [] },
      consent_version: { type: ParameterType.STRING, default: "" },
      /** Hexadecimal SHA-256 of the text; it comes back in the data. */
      sha256: { type: ParameterType.STRING, default: "" },
      /** Returns (a promise of) whether declining was meant; null: it is not asked again. */
      confirm_decline: { type: ParameterType.FUNCTION, default: null },
      /** Texts of the page: locales/en.json or another language. */
      strings: { type: ParameterType.OBJECT },
    },
    data: {
      agreed: { type: ParameterType.BOOL },
      sha256: { type: ParameterType.STRING },
      /** Milliseconds until the button. */
      rt: { type: ParameterType.INT },
    },
  };

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  trial(display, trial) {
    const t = translator(trial.strings);
    const started = performance.now();
    const heading = el("h1", {}, t("consent_title"));
    const finish = (agreed) => this.jsPsych.finishTrial({ agreed, sha256: trial.sha256, rt: Math.round(performance.now() - started) });
    const boxes = trial.checkboxes.map((text) => {
      const input = el("input", { type: "checkbox" });
      return { input, label: el("label.tick", {}, input, el("span", {}, text)) };
    });
    const problem = el("p.problem", { role: "alert" });
    const agree = () => {
      const open = boxes.find(({ input }) => !input.checked);
      if (!open) return finish(true);
      problem.textContent = t("consent_tick_all");
      open.input.focus();
    };
    const decline = async () => {
      if (!trial.confirm_decline || await trial.confirm_decline()) finish(false);
    };
    const text = trial.paragraphs.map((p) => (p.startsWith("# ") ? el("h2", {}, p.slice(2)) : el("p", {}, p)));
    display.append(el("article.page.consent", {}, heading, ...text,
      boxes.length ? el("fieldset.ticks", {}, el("legend", {}, t("consent_confirm")), ...boxes.map(({ label }) => label)) : null,
      problem,
      el("div.actions", {}, button(t("consent_agree"), agree, { class: "button primary", "data-testid": "agree" }),
        button(t("consent_decline"), decline, { "data-testid": "decline" })),
      el("p.fine", {}, t("consent_version", { version: trial.consent_version, hash: trial.sha256.slice(0, 12) }))));
    startAt(heading);
  }

  /** Agrees, as most people do. */
  simulate(trial, mode, options, load_callback) {
    const data = { agreed: true, sha256: trial.sha256, rt: 8000, ...options.data };
    if (mode === "data-only") {
      load_callback();
      this.jsPsych.finishTrial(data);
      return;
    }
    const display = this.jsPsych.getDisplayElement();
    this.trial(display, trial);
    load_callback();
    for (const input of display.querySelectorAll("input[type=checkbox]")) input.checked = true;
    const target = display.querySelector(data.agreed ? "[data-testid=agree]" : "[data-testid=decline]");
    this.jsPsych.pluginAPI.clickTarget(target, data.rt);
  }
}
