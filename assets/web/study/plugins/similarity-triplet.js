import { Answering } from "./answering.js";
import { button, el, startAt, svg, translator } from "./dom.js";
import { MediaStage } from "./media-stage.js";
import { Transport } from "./transport.js";

const { ParameterType } = globalThis.jsPsychModule;
/** The chosen clips stay marked for so long before the trial ends, ms. */
const SHOW_CHOICE_MS = 350;

/**
 * **similarity-triplet**: clips that play on one clock, and a question about them.
 *
 * `query: "triplet"`: which two of three are most alike? Keys 1, 2, 3 for the pairs left and middle, left and right, middle
 * and right, or two taps on clips. `"preference"`: which of two? `"grid"`: which `choose` of the stimuli are most like the
 * reference? 0 for "cannot tell"; Space plays and pauses, R plays again, Backspace takes back.
 *
 * Stimuli are URLs of videos or pictures, or whatever a `stage` of yours shows (see media-stage.js for what it must offer).
 */
export default class SimilarityTripletPlugin {
  static info = {
    name: "similarity-triplet",
    version: "1.0.0",
    parameters: {
      query: { type: ParameterType.SELECT, options: ["triplet", "preference", "grid"], default: "triplet" },
      /** Clips from left to right. */
      stimuli: { type: ParameterType.STRING, array: true },
      /** query "grid": the clip that the others are compared with. */
      reference: { type: ParameterType.STRING, default: null },
      /** query "grid": how many are to be chosen. */
      choose: { type: ParameterType.INT, default: 2 },
      /** "row": beside one another; "lanes": below one another where the screen is wide, for movements that go a long way. */
      layout: { type: ParameterType.SELECT, options: ["row", "lanes"], default: "row" },
      /** Which renderer or scene of the stage. */
      task: { type: ParameterType.STRING, default: "" },
      /** Question above the clips; null: the one in `strings`. */
      prompt: { type: ParameterType.STRING, default: null },
      /** Each clip must have been watched for so long, s. */
      min_watch_s: { type: ParameterType.FLOAT, default: 0 },
      /** Ask how sure (1..5) after the choice. */
      ask_confidence: { type: ParameterType.BOOL, default: true },
      allow_cannot_tell: { type: ParameterType.BOOL, default: true },
      /** Marks the trial as practice. */
      practice: { type: ParameterType.BOOL, default: false },
      /** Returns the stage that shows the clips; null: videos and pictures by their URLs. */
      stage: { type: ParameterType.FUNCTION, default: null },
      /** Called with the data; returns (a promise of) {correct, choice} that is shown before the trial ends, or null. */
      feedback: { type: ParameterType.FUNCTION, default: null },
      /** Called when the person wants the previous answer back; null: no such button. */
      on_undo: { type: ParameterType.FUNCTION, default: null },
      /** Called with an error when the clips cannot be shown. */
      on_trouble: { type: ParameterType.FUNCTION, default: null },
      /** Texts of the page: locales/en.json or another language. */
      strings: { type: ParameterType.OBJECT },
    },
    data: {
      /** Index of the pair (0: left and middle, 1: left and right, 2: middle and right), of the clip, or of the clips; -1: cannot tell. */
      choice: { type: ParameterType.OBJECT },
      /** The same, under jsPsych's name. */
      response: { type: ParameterType.OBJECT },
      /** 1..5, or null. */
      confidence: { type: ParameterType.INT },
      /** Milliseconds from the first picture to the choice. */
      rt: { type: ParameterType.INT },
      /** Milliseconds from when every clip had been seen whole to the choice; null if one was not. */
      since_all_seen: { type: ParameterType.INT },
      replays: { type: ParameterType.INT },
      /** Seconds that each clip was watched, the reference first. */
      watched_s: { type: ParameterType.FLOAT, array: true },
      items: { type: ParameterType.STRING, array: true },
    },
  };

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  async trial(display, trial, on_load) {
    const view = this.#build(display, trial);
    on_load();
    try {
      const playback = await view.stage.mount(view.shown, view.ids, trial.task);
      if (!display.contains(view.root)) return undefined; // taken away while the clips were loading
      return await this.#ask(view, playback, trial);
    } catch (error) {
      this.#tell(view, trial, error);
      return new Promise(() => {}); // stays until the page is left or the trial is taken away
    }
  }

  #build(display, trial) {
    const t = translator(trial.strings);
    const stage = trial.stage?.() ?? new MediaStage();
    // Where keys choose single clips of many, these bear the names of the keys.
    const letters = trial.query === "grid" ? trial.stimuli.map((_, i) => String(i + 1)) : t("clip_letters").split(" ");
    const clips = trial.stimuli.map((_, i) => el("button.clip", { type: "button", "aria-pressed": "false",
      "aria-label": t("clip", { letter: letters[i] }), "data-testid": `clip-${i}` }, el("span.clip-name", {}, letters[i])));
    const reference = trial.reference === null ? null
      : el("div.clip.reference", { role: "img", "aria-label": t("clip_reference") }, el("span.clip-name", {}, t("reference")));
    const heading = el("h1.prompt", {}, trial.prompt ?? t(`prompt_${trial.query}`));
    const arcs = svg("svg", { class: "arcs", "aria-hidden": "true" });
    const stageBox = el("div.clips", { "data-query": trial.query, "data-loading": true }, arcs, reference,
      el("div.clip-row", {}, ...clips), el("p.loading", { role: "status" }, t("loading_clips")));
    const panel = el("div.panel");
    const root = el("section.trial", { "data-testid": "trial", "data-layout": trial.query === "grid" ? "row" : trial.layout },
      trial.practice ? el("p.practice", {}, t("practice")) : null, heading, stageBox, panel);
    display.append(root);
    startAt(heading);
    const shown = reference ? [reference, ...clips] : clips;
    const ids = reference ? [trial.reference, ...trial.stimuli] : trial.stimuli;
    return { t, stage, clips, shown, ids, letters, arcs, stageBox, panel, root, heading, display };
  }

  /** Play, and wait for an answer. */
  async #ask(view, playback, trial) {
    const { stageBox, panel } = view;
    stageBox.removeAttribute("data-loading");
    stageBox.querySelector(".loading").remove();
    const transport = new Transport(view, playback);
    const answering = new Answering(view, trial, transport);
    panel.append(transport.element, ...answering.elements, this.#foot(view, answering));
    if (!view.stage.still) playback.play();
    transport.refresh();
    try {
      const data = await answering.answered();
      if (data) await this.#showFeedback(view, trial, data, answering, transport);
      playback.pause();
      await new Promise((resolve) => { this.jsPsych.pluginAPI.setTimeout(resolve, trial.feedback ? 0 : SHOW_CHOICE_MS); });
      return data;
    } finally {
      answering.end();
      transport.end();
      playback.end();
    }
  }

  #foot({ t }, { back }) {
    const keys = [["Space", "key_play"], ["R", "key_replay"]].map(([key, says]) => el("span", {}, el("kbd", {}, t(`key_${key}`)), ` ${t(says)}`));
    return el("div.foot", {}, back, el("p.hint.keyboard-only", {}, ...keys));
  }

  async #showFeedback(view, trial, data, answering, transport) {
    if (!trial.feedback) return;
    const { t, panel } = view;
    answering.busy(t("saving"));
    const told = await trial.feedback(data);
    if (!told) return;
    answering.mark(told.choice, told.correct ? "right" : "wrong");
    await new Promise((resolve) => {
      const go = button(t("continue"), resolve, { class: "button primary", "data-testid": "continue" });
      const says = el("p", { role: "status" }, t(told.correct ? "feedback_right" : "feedback_other", { answer: answering.nameOf(told.choice) }));
      says.className = told.correct ? "feedback right" : "feedback wrong";
      panel.replaceChildren(transport.element, says, el("div.actions", {}, go));
      go.focus({ preventScroll: true });
    });
  }

  #tell({ stageBox, panel, t }, trial, error) {
    stageBox.removeAttribute("data-loading");
    stageBox.querySelector(".loading")?.remove();
    stageBox.hidden = true;
    const known = error.code === "webgl" ? "trouble_webgl" : "trouble_clips";
    panel.replaceChildren(el("p.problem", { role: "alert" }, t(known)),
      el("div.actions", {}, button(t("reload"), () => location.reload(), { class: "button primary" })));
    trial.on_trouble?.(error);
  }

  /** Answers at random, or as `options.data` says. */
  simulate(trial, mode, options, load_callback) {
    const { randomInt } = this.jsPsych.randomization;
    const [first, second] = this.jsPsych.randomization.sampleWithoutReplacement([...trial.stimuli.keys()], 2);
    const choice = trial.query === "grid" ? [first, second].sort() : randomInt(0, trial.stimuli.length - 1);
    const data = {
      choice, confidence: trial.ask_confidence ? randomInt(1, 5) : null, rt: 1000 * trial.min_watch_s + randomInt(1500, 6000),
      since_all_seen: randomInt(0, 3000), replays: 0, watched_s: trial.stimuli.map(() => trial.min_watch_s), items: trial.stimuli, ...options.data,
    };
    data.response = data.choice;
    if (mode === "data-only") {
      load_callback();
      this.jsPsych.finishTrial(data);
      return undefined;
    }
    const display = this.jsPsych.getDisplayElement();
    const click = (selector, delay) => this.jsPsych.pluginAPI.setTimeout(() => display.querySelector(selector)?.click(), delay);
    [data.choice].flat().forEach((one, i) => click(`[data-choice="${one}"]`, data.rt + 100 * i));
    click("[data-testid=confirm]", data.rt + 300);
    click(`[data-confidence="${data.confidence}"]`, data.rt + 600);
    click("[data-testid=continue]", data.rt + 2500);
    return this.trial(display, trial, load_callback);
  }
}
