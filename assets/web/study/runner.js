/**
 * The loop: the server's step becomes one trial of jsPsych, its data become an event, and the server's reply holds the next
 * step. Nothing is decided here: order, resuming, undoing and the end are the server's.
 */

/** @typedef {import("../messages.js").StepMessage} Step */

import { ApiError, persist } from "./api.js";
import ConsentPlugin from "./plugins/consent.js";
import QuestionnairePlugin from "./plugins/questionnaire.js";
import SimilarityTripletPlugin from "./plugins/similarity-triplet.js";
import TextPagePlugin from "./plugins/text-page.js";

const COMPARISONS = ["triplet", "preference", "grid"];
/** Fields of a step that are between server and page; the others are a plugin's parameters. */
const PROTOCOL = ["kind", "trial_id", "expected_seq", "progress", "can_undo", "language"];
/** Being away for less is not worth a note, s. */
const AWAY_S = 2;

/** The server said that this page cannot go on. */
export class StepError extends Error {
  /** @param {string} key  of the text to show @param {Object} values */
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

export class Runner {
  /**
   * @param {any} parts  api, session {secret}, outbox, storage, stage, shell, strings, clock (ms since this person began),
   *   plugins (Map of a lab's own plugin classes by name)
   */
  constructor(parts) {
    this.api = parts.api;
    this.session = parts.session;
    this.outbox = parts.outbox;
    this.storage = parts.storage;
    this.stage = parts.stage;
    this.shell = parts.shell;
    this.strings = parts.strings;
    this.clock = parts.clock;
    this.plugins = parts.plugins;
    /** What to do with an error that no trial can answer for. @type {(error: any) => void} */
    this.onFailure = () => {};
    /** jsPsych, and the timeline that it runs: it goes on with what is added. @type {any} */
    this.jsPsych = null;
    /** @type {any[]} */
    this.timeline = [];
    /** @type {any} */
    this.last = null;
    /** @type {Step|null} */
    this.step = null;
    /** The next step where something else than the trial's answer led to it. @type {any} */
    this.moved = null;
    /** @type {any} */
    this.reply = null;
    this.shell.onWithdraw = () => this.#interrupt("withdraw", { reason: null });
    this.shell.onUndo = () => this.#interrupt("undo", {});
    document.addEventListener("visibilitychange", () => this.#noteAbsence());
  }

  /** Run until the server says "done". @returns {Promise<Object>} that last step */
  async run(first) {
    this.jsPsych = globalThis.jsPsychModule.initJsPsych({ display_element: "jspsych" });
    await this.#add(first);
    if (this.timeline.length) await this.jsPsych.run(this.timeline);
    if (!this.last) throw new StepError("trouble_script");
    return this.last;
  }

  /** @param {Step} step */
  async #add(step) {
    if (step.kind === "done") {
      this.last = step;
      return;
    }
    const trial = await this.#trial(step);
    this.timeline.push({
      ...trial,
      on_start: () => {
        [this.step, this.reply] = [step, null];
        this.jsPsych.getDisplayContainerElement().tabIndex = -1; // no stop for Tab: there is nothing to press on it
        this.shell.step(step);
        this.stage.preload(step.preload ?? []);
      },
      on_load: () => { if (this.moved) this.jsPsych.finishTrial({}); },
      on_finish: async (data) => this.#add(await this.#after(step, data)),
    });
  }

  /** @param {Step} step */
  async #trial(step) {
    const { strings } = this;
    const t = (key) => strings[key] ?? key;
    const page = { type: TextPagePlugin, strings };
    if (COMPARISONS.includes(step.kind)) return this.#comparison(step);
    switch (step.kind) {
      case "consent":
        return { type: ConsentPlugin, strings, paragraphs: step.html_paragraphs, checkboxes: step.checkboxes ?? [],
          consent_version: String(step.version ?? ""), sha256: step.sha256 ?? "",
          confirm_decline: () => this.shell.ask({ title: t("decline_title"), text: t("decline_text"), yes: t("consent_decline"), no: t("decline_no"), danger: true }) };
      case "instructions":
        return { ...page, title: step.title,
          paragraphs: [...(step.again ? [`# ${t("instructions_again")}`] : []), ...(step.paragraphs ?? []), ...(step.task ? [t("by_touch")] : [])],
          keys: this.#keys(step) };
      case "break":
        return { ...page, title: t("break_title"), paragraphs: step.paragraphs ?? [t("break_text")], minimum_s: step.minimum_s ?? 0, button_label: t("break_go") };
      case "debrief":
        return { ...page, title: step.title ?? t("debrief_title"), paragraphs: step.paragraphs, button_label: t("debrief_go") };
      case "questionnaire":
        return { type: QuestionnairePlugin, strings, instrument: step.instrument, draft: await this.#draft(step) };
      default:
        return this.#foreign(step);
    }
  }

  /** @param {Step} step */
  async #comparison(step) {
    const kind = await this.stage.kindOf(step.task);
    return {
      type: SimilarityTripletPlugin, query: step.kind, strings: this.strings, stimuli: step.items, reference: step.reference ?? null,
      layout: kind === "dog" ? "lanes" : "row", choose: step.choose ?? 2, task: step.task, prompt: step.prompt || null, min_watch_s: step.min_watch_s ?? 0,
      ask_confidence: step.ask_confidence ?? false, allow_cannot_tell: step.allow_cannot_tell ?? true, practice: step.phase === "practice",
      stage: () => this.stage,
      feedback: step.phase === "practice" ? (data) => this.#practise(step, data) : null,
      on_undo: step.can_undo ? () => this.#interrupt("undo", {}) : null,
    };
  }

  async #practise(step, data) {
    this.reply = await this.#post(step, "answer", answerOf(step, data));
    return this.reply.feedback ?? null;
  }

  /** @param {Step} step */
  #keys({ task, query = "triplet" }) {
    if (!task) return [];
    const t = (key) => this.strings[key] ?? key;
    const choices = query === "triplet" ? ["1", "2", "3"].map((key) => [key, t(`key_triplet_${key}`)])
      : [[query === "grid" ? "1 2 3 4 5 6" : "1 2", t(`key_${query}`)]];
    return [...choices, ["0", t("key_cannot_tell")], ["1 2 3 4 5", t("key_confidence")], [t("key_Space"), t("key_play")],
      [t("key_R"), t("key_replay")], [t("key_Backspace"), t("key_undo")]];
  }

  /** What was filled in of a questionnaire survives a reload. */
  async #draft(step) {
    const key = `${this.session.secret.slice(0, 12)}/${step.trial_id}/${step.expected_seq}`;
    const earlier = await this.storage.get("draft", key);
    return () => ({ load: () => earlier ?? null, save: (answers) => this.storage.put("draft", key, { ...answers }) });
  }

  #foreign(step) {
    const plugin = this.plugins.get(step.kind);
    if (!plugin) throw new StepError("trouble_unknown_step", { kind: step.kind });
    const own = Object.entries(step).filter(([name]) => !PROTOCOL.includes(name));
    return { ...Object.fromEntries(own), type: plugin, ...(plugin.info.parameters.strings ? { strings: this.strings } : {}),
      ...(plugin.info.parameters.stage ? { stage: () => this.stage } : {}) };
  }

  /** What comes after a trial. */
  async #after(step, data) {
    if (!this.moved && !this.reply) this.reply = await this.#post(step, "answer", answerOf(step, data));
    const next = this.moved ?? this.reply.next;
    this.moved = null;
    return next;
  }

  /** Undo or withdraw: the trial on the page ends without an answer. */
  async #interrupt(type, data) {
    if (this.interrupting || !this.step) return;
    this.interrupting = true;
    try {
      const { next } = await this.#post(this.step, type, data);
      this.moved = next;
      this.jsPsych.finishTrial({});
    } catch (error) {
      this.onFailure(error);
    } finally {
      this.interrupting = false;
    }
  }

  /** @param {Step} step @param {import("../messages.js").EventRequest["type"]} type @param {Object} data */
  async #post(step, type, data) {
    const body = { trial_id: step.trial_id, expected_seq: step.expected_seq, type, data, client_ms: this.clock() };
    try {
      return await this.outbox.send(this.session.secret, body);
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** The server refused: it knows where this person is. */
  async #refused(error) {
    if (!(error instanceof ApiError) || error.status === 401) throw error;
    if (error.status === 409) this.shell.notice(this.strings.stale);
    else if (error.status === 422) this.shell.notice(this.strings.trouble_refused.replace("{reason}", error.message));
    else throw error;
    return { next: error.next ?? (await persist(() => this.api.next(this.session.secret))) };
  }

  /** A participant who looked elsewhere: worth knowing, not worth waiting for. */
  #noteAbsence() {
    if (document.hidden) {
      this.left = performance.now();
      return;
    }
    const seconds = (performance.now() - (this.left ?? performance.now())) / 1000;
    if (seconds < AWAY_S || !this.step || this.last) return;
    this.#post(this.step, "note", { what: "away", seconds: Number(seconds.toFixed(1)) }).catch(() => {});
  }
}

/** The data of a trial as the server takes them. */
function answerOf(step, data) {
  const told = { rt_ms: data.rt ?? null, plugin_version: data.plugin_version ?? SimilarityTripletPlugin.info.version };
  switch (step.kind) {
    case "consent":
      return { ...told, agreed: data.agreed, sha256: data.sha256 };
    case "questionnaire":
      return { ...told, responses: data.responses };
    case "triplet": case "preference": case "grid":
      return { ...told, choice: data.choice, confidence: data.confidence,
        since_all_seen_ms: data.since_all_seen, replays: data.replays, watched_s: data.watched_s };
    case "instructions": case "break": case "debrief":
      return told;
    default:
      return { ...data, ...told };
  }
}
