import { button, el, startAt, translator } from "./dom.js";

const { ParameterType } = globalThis.jsPsychModule;

/**
 * **text-page**: a page to read: instructions, a break, a debriefing. With `minimum_s` the button waits, and says for how long.
 */
export default class TextPagePlugin {
  static info = {
    name: "text-page",
    version: "1.0.0",
    parameters: {
      title: { type: ParameterType.STRING },
      /** Paragraphs. One that starts with "# " is a heading, one that starts with "- " a point of a list. */
      paragraphs: { type: ParameterType.STRING, array: true, default: [] },
      /** Pairs [keys, what they do], shown as a table of keys. */
      keys: { type: ParameterType.OBJECT, default: [] },
      minimum_s: { type: ParameterType.FLOAT, default: 0 },
      /** Text of the button; null: the word for "continue" in `strings`. */
      button_label: { type: ParameterType.STRING, default: null },
      /** Texts of the page: locales/en.json or another language. */
      strings: { type: ParameterType.OBJECT },
    },
    data: {
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
    const heading = el("h1", {}, trial.title);
    const wait = el("p.fine", { role: "status" });
    const go = button(trial.button_label ?? t("continue"), () => {
      if (go.getAttribute("aria-disabled") === "true") return;
      clearInterval(timer);
      this.jsPsych.finishTrial({ rt: Math.round(performance.now() - started) });
    }, { class: "button primary", "data-testid": "continue" });
    const tick = () => {
      const left = Math.ceil(trial.minimum_s - (performance.now() - started) / 1000);
      go.setAttribute("aria-disabled", String(left > 0));
      if (left > 0) wait.textContent = t("page_wait", { seconds: left });
      else if (wait.textContent) wait.textContent = t("page_ready");
      if (left <= 0) clearInterval(timer);
    };
    const timer = setInterval(tick, 500);
    tick();
    display.append(el("article.page", {}, heading, ...this.#body(trial), el("div.actions", {}, go), wait));
    startAt(heading);
  }

  #body({ paragraphs, keys }) {
    const body = [];
    for (const text of paragraphs) {
      if (text.startsWith("# ")) body.push(el("h2", {}, text.slice(2)));
      else if (!text.startsWith("- ")) body.push(el("p", {}, text));
      else {
        if (body.at(-1)?.tagName !== "UL") body.push(el("ul"));
        body.at(-1).append(el("li", {}, text.slice(2)));
      }
    }
    if (keys.length) {
      body.push(el("dl.keys", {}, ...keys.map(([key, says]) => el("div", {},
        el("dt", {}, ...key.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, says)))));
    }
    return body;
  }

  simulate(trial, mode, options, load_callback) {
    const data = { rt: Math.max(1500, 1000 * trial.minimum_s + 500), ...options.data };
    if (mode === "data-only") {
      load_callback();
      this.jsPsych.finishTrial(data);
      return;
    }
    const display = this.jsPsych.getDisplayElement();
    this.trial(display, trial);
    load_callback();
    this.jsPsych.pluginAPI.clickTarget(display.querySelector("[data-testid=continue]"), data.rt);
  }
}
