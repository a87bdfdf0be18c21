import { button, el, newId, startAt, translator } from "./dom.js";
import { endIcon } from "./icons.js";

const { ParameterType } = globalThis.jsPsychModule;

/**
 * **questionnaire**: the items of an instrument, one fieldset each: `likert` (radio buttons with labels), `differential`
 * (radio buttons between two words), `slider` (continuous) and `ticks` (marks between two words; no number is shown).
 * A slider shows no handle until it is touched, so that no answer is suggested.
 */
export default class QuestionnairePlugin {
  static info = {
    name: "questionnaire",
    version: "1.0.0",
    parameters: {
      /** {id, title, instructions, must_touch, items: [{id, kind, text, left, right, low, high, step, points, labels}]} */
      instrument: { type: ParameterType.OBJECT },
      /** May items be left out? */
      optional: { type: ParameterType.BOOL, default: false },
      /** {load: () => answers so far or null, save: (answers) => void}, as functions that return; null: answers are not kept over a reload. */
      draft: { type: ParameterType.FUNCTION, default: null },
      button_label: { type: ParameterType.STRING, default: null },
      /** Texts of the page: locales/en.json or another language. */
      strings: { type: ParameterType.OBJECT },
    },
    data: {
      /** Numbers by item. */
      responses: { type: ParameterType.OBJECT },
      /** The same, under jsPsych's name. */
      response: { type: ParameterType.OBJECT },
      /** Milliseconds until the button. */
      rt: { type: ParameterType.INT },
      instrument: { type: ParameterType.STRING },
    },
  };

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  trial(display, trial) {
    const t = translator(trial.strings);
    const { instrument } = trial;
    const started = performance.now();
    const draft = trial.draft?.() ?? { load: () => null, save: () => {} };
    const responses = {};
    const answer = (id, value) => {
      responses[id] = value;
      draft.save(responses);
    };
    const items = instrument.items.map((item, i) => makeItem(item, i, { t, answer, instrument }));
    const earlier = draft.load() ?? {};
    // Where an untouched slider counts, it counts as it stands.
    if (instrument.must_touch === false) items.forEach((item) => item.rest?.());
    for (const item of items) if (Number.isFinite(earlier[item.id])) item.set(earlier[item.id]);
    const problem = el("p.problem", { role: "alert" });
    const heading = el("h1", {}, instrument.title);
    const count = () => {
      const open = instrument.items.filter(({ id }) => !(id in responses)).length;
      if (problem.textContent) problem.textContent = open ? t("questions_open", { count: open }) : "";
    };
    const submit = () => {
      const open = items.filter((item) => !(item.id in responses));
      for (const item of items) item.complain(!trial.optional && open.includes(item));
      if (open.length && !trial.optional) {
        problem.textContent = t("questions_open", { count: open.length });
        open[0].focus();
        return;
      }
      this.jsPsych.finishTrial({ responses: { ...responses }, response: { ...responses }, rt: Math.round(performance.now() - started), instrument: instrument.id });
    };
    display.append(el("form.page.questionnaire", { novalidate: true, input: count, submit: (event) => { event.preventDefault(); submit(); } },
      heading, instrument.instructions ? el("p.lead", {}, instrument.instructions) : null, ...items.map((item) => item.element), problem,
      el("div.actions", {}, button(trial.button_label ?? t("continue"), null, { type: "submit", class: "button primary", "data-testid": "continue" }))));
    startAt(heading);
  }

  /** Answers at random, or as `options.data.responses` says. */
  simulate(trial, mode, options, load_callback) {
    const { randomInt } = this.jsPsych.randomization;
    const responses = Object.fromEntries(trial.instrument.items.map(({ id, low, high, step }) => {
      const share = Math.random();
      return [id, step ? low + step * randomInt(0, Math.round((high - low) / step)) : low + share * (high - low)];
    }));
    const data = { responses, rt: 2500 * trial.instrument.items.length, instrument: trial.instrument.id, ...options.data };
    data.response = data.responses;
    if (mode === "data-only") {
      load_callback();
      this.jsPsych.finishTrial(data);
      return;
    }
    const display = this.jsPsych.getDisplayElement();
    this.trial(display, trial);
    load_callback();
    for (const [id, value] of Object.entries(data.responses)) {
      for (const input of display.querySelectorAll(`[data-item="${CSS.escape(id)}"] input`)) {
        if (input.type === "radio") input.checked = Number(input.value) === value;
        else input.value = String(value);
        if (input.type !== "radio" || input.checked) input.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
    this.jsPsych.pluginAPI.clickTarget(display.querySelector("[data-testid=continue]"), data.rt);
  }
}

function makeItem(item, index, context) {
  const number = el("span.item-number", { "aria-hidden": "true" }, String(index + 1));
  const note = el("p.missing", { id: newId("missing"), hidden: true }, context.t("answer_missing"));
  const words = item.text || context.t("between", { left: item.left, right: item.right });
  const legend = el("legend", {}, item.text ? el("span.item-text", {}, number, item.text) : el("span.visually-hidden", {}, words));
  const body = item.kind === "likert" || item.kind === "differential" ? radios(item, context) : range(item, words, context);
  const element = el("fieldset.item", { "data-item": item.id, "data-kind": item.kind, "aria-describedby": note.id }, legend, body.element, note);
  const complain = (on) => {
    note.hidden = !on;
    element.classList.toggle("open", on);
  };
  element.addEventListener("input", () => complain(false));
  return { id: item.id, element, complain, set: body.set, focus: body.focus, rest: body.rest };
}

const valuesOf = ({ low, high, step, points }) => Array.from({ length: points ?? Math.round((high - low) / step) + 1 }, (_, i) => low + i * step);

function radios(item, { answer, instrument, t }) {
  const values = valuesOf(item);
  const labels = item.labels?.length === values.length ? item.labels : null;
  const name = newId(`${instrument.id}-${item.id}`);
  const inputs = values.map((value) => el("input", { type: "radio", name, value: String(value), input: () => answer(item.id, value) }));
  const spoken = (i) => {
    if (labels) return labels[i];
    if (i === 0 && item.left) return t("point_end", { value: values[i], says: item.left });
    if (i === values.length - 1 && item.right) return t("point_end", { value: values[i], says: item.right });
    return String(values[i]);
  };
  inputs.forEach((input, i) => input.setAttribute("aria-label", spoken(i)));
  const options = inputs.map((input, i) => el("label.point", {}, input, el("span.mark", { "aria-hidden": "true" }, item.kind === "differential" ? "" : String(values[i])),
    labels ? el("span.point-label", { "aria-hidden": "true" }, labels[i]) : null));
  const scale = el("div.points", { "data-points": values.length, "data-labelled": String(Boolean(labels)) }, ...options);
  scale.style.setProperty("--points", String(values.length));
  const end = (side) => (item[side] && !labels ? el(`span.anchor.${side}`, { "aria-hidden": "true" }, item[side]) : null);
  return {
    element: el("div.scale", { "data-anchored": String(Boolean(!labels && (item.left || item.right))) }, end("left"), scale, end("right")),
    set: (value) => {
      const input = inputs[values.indexOf(value)];
      if (!input) return;
      input.checked = true;
      answer(item.id, value);
    },
    focus: () => inputs[0].focus(),
  };
}

function range(item, words, { answer, t }) {
  const step = item.step || (item.high - item.low) / 1000;
  const middle = (item.low + item.high) / 2;
  const input = el("input", { type: "range", min: item.low, max: item.high, step, value: middle, "aria-label": words, "aria-valuetext": t("not_answered") });
  const touch = () => {
    const value = Number(input.value);
    input.classList.add("touched");
    const share = Math.round((100 * (value - item.low)) / (item.high - item.low));
    input.setAttribute("aria-valuetext", t("slider_value", { share, left: item.left, right: item.right }));
    answer(item.id, value);
  };
  input.addEventListener("input", touch);
  // A tap on where the handle is, or Space, changes nothing, and is an answer.
  const asItStands = () => { if (!input.classList.contains("touched")) input.dispatchEvent(new Event("input", { bubbles: true })); };
  input.addEventListener("pointerup", asItStands);
  input.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    asItStands();
  });
  const ticks = item.step ? el("div.tick-marks", { "aria-hidden": "true" }, ...valuesOf(item).map(() => el("i"))) : null;
  const anchors = el("div.anchors", { "aria-hidden": "true" }, ...["left", "right"].map((side) => el("span.end", {}, endIcon(item.id, side), el("span", {}, item[side]))));
  return {
    element: el("div.range", {}, anchors, input, ticks, el("p.hint.touch-hint", { "aria-hidden": "true" }, t("slider_hint"))),
    set: (value) => {
      input.value = String(value);
      touch();
    },
    rest: touch,
    focus: () => input.focus(),
  };
}
