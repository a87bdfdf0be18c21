import { button, el, isShortcut, isShown, newId, svg } from "./dom.js";

/** Positions, from left to right, of the clips of each pair. */
export const PAIRS = [[0, 1], [0, 2], [1, 2]];
export const CANNOT_TELL = -1;
const LEVELS = [1, 2, 3, 4, 5];
const NUDGE_MS = 700;
/** A digit so soon after the choice is a bounce of the finger, not a confidence, ms. */
const BOUNCE_MS = 250;

/** Dots in a row, the chosen ones filled and joined: says which pair without words. */
function pictogram(count, chosen) {
  const x = (i) => 10 + i * 20;
  const [from, to] = [x(chosen[0]), x(chosen.at(-1))];
  const arc = chosen.length > 1 ? [svg("path", { d: `M${from} 15 Q${(from + to) / 2} ${15 - (to - from) * 0.55} ${to} 15` })] : [];
  const dots = Array.from({ length: count }, (_, i) => svg("circle", { cx: x(i), cy: 17, r: 5, class: chosen.includes(i) ? "on" : "off" }));
  return svg("svg", { viewBox: `0 0 ${count * 20} 24`, class: "pictogram", "aria-hidden": "true" }, ...arc, ...dots);
}

/** The part of the page that takes the answer: pairs or clips, "cannot tell", how sure. */
export class Answering {
  /** @type {HTMLElement} */
  hint;
  /** @type {HTMLElement} */
  live;
  /** @type {HTMLElement} */
  choices;
  /** @type {HTMLElement} */
  confidence;
  /** @type {HTMLElement} */
  question;
  /** @type {HTMLElement[]} */
  buttons = [];
  /** What to put on the page. @type {HTMLElement[]} */
  elements = [];
  /** When the choice was made, `performance.now()`. */
  rt = 0;

  constructor(view, trial, transport) {
    this.view = view;
    this.trial = trial;
    this.transport = transport;
    this.t = view.t;
    this.needed = { triplet: 2, preference: 1, grid: trial.choose }[trial.query];
    /** Possible answers as positions of clips; empty where clips are chosen one by one. */
    this.options = { triplet: PAIRS, preference: [[0], [1]], grid: [] }[trial.query];
    this.selected = [];
    this.done = new Promise((resolve) => { this.resolve = resolve; });
    this.#build();
    this.listener = (event) => this.#key(event);
    document.addEventListener("keydown", this.listener);
    transport.playback.onTick(() => this.#tick());
    this.#tick();
  }

  /** @returns {Promise<Object>} the data of the trial */
  answered() {
    return this.done;
  }

  get ready() {
    return this.transport.watching.left(this.trial.min_watch_s) === 0;
  }

  nameOf(choice) {
    if (choice === CANNOT_TELL) return this.t("cannot_tell");
    const clips = Array.isArray(choice) ? choice : this.options[choice];
    return clips.map((i) => this.view.letters[i]).join(this.t("and"));
  }

  #build() {
    const { t, view, trial } = this;
    view.clips.forEach((clip, i) => clip.addEventListener("click", () => this.#toggle(i)));
    this.hint = el("p.hint.watch", { id: newId("hint") });
    this.live = el("p.visually-hidden", { role: "status", "data-testid": "says" });
    this.buttons = this.options.map((clips, choice) => this.#option(clips, choice));
    if (trial.query === "grid") {
      view.clips.forEach((clip, i) => { clip.dataset.choice = i; });
      this.confirm = button(t("confirm"), () => this.#confirm(), { class: "button primary", "data-testid": "confirm", "aria-describedby": this.hint.id });
      this.buttons.push(this.confirm);
    }
    if (trial.allow_cannot_tell) {
      this.buttons.push(el("button.button.quiet", { type: "button", click: () => this.#choose(CANNOT_TELL), "data-choice": CANNOT_TELL,
        "aria-describedby": this.hint.id }, t("cannot_tell"), el("kbd", { "aria-hidden": "true" }, "0")));
    }
    this.choices = el("fieldset.choices", { "data-query": trial.query }, el("legend.visually-hidden", {}, view.heading.textContent), ...this.buttons);
    this.confidence = this.#buildConfidence();
    this.back = trial.on_undo ? el("button.button.link.undo", { type: "button", click: () => this.#takeBack(), "data-testid": "undo" }, t("undo")) : null;
    // Choice and confidence lie in one place, the one that is not asked hidden: nothing moves under the finger.
    this.elements = [this.hint, el("div.answers", {}, this.choices, trial.ask_confidence ? this.confidence : null), this.live];
    this.#ask(false);
  }

  #option(clips, choice) {
    const { t, view } = this;
    const element = el("button.button.option", { type: "button", click: () => this.#choose(choice), "data-choice": choice, "aria-pressed": "false",
      "aria-describedby": this.hint.id, "aria-label": this.nameOf(choice) },
    pictogram(view.clips.length, clips), el("span", {}, this.nameOf(choice)), el("kbd", { "aria-hidden": "true" }, String(choice + 1)));
    const preview = (on) => clips.forEach((i) => view.clips[i].classList.toggle("preview", on));
    element.addEventListener("pointerenter", () => preview(true));
    element.addEventListener("pointerleave", () => preview(false));
    element.addEventListener("focus", () => preview(true));
    element.addEventListener("blur", () => preview(false));
    element.title = t("key_hint", { key: choice + 1 });
    return element;
  }

  #buildConfidence() {
    const { t } = this;
    this.question = el("span", { tabindex: "-1" }, t("confidence"));
    const levels = LEVELS.map((level) => el("button.button.level", { type: "button", click: () => this.#sure(level), "data-confidence": level,
      "aria-label": t("confidence_level", { level, says: t(`confidence_${level}`) }) }, el("b", {}, String(level)), el("span", {}, t(`confidence_${level}`))));
    return el("fieldset.confidence", {}, el("legend", {}, this.question), el("div.levels", {}, ...levels,
      el("button.button.link.change", { type: "button", click: () => this.#clear(), "data-testid": "change" }, t("change_answer"))));
  }

  #tick() {
    if (!this.view.root.isConnected) {
      this.resolve(null); // the trial was taken away
      return;
    }
    if (this.wasReady) return;
    const left = this.transport.watching.left(this.trial.min_watch_s);
    const says = left > 0 ? this.t("watch_left", { seconds: Math.ceil(left) }) : "";
    if (this.hint.textContent !== says) this.hint.textContent = says;
    for (const element of this.buttons) element.setAttribute("aria-disabled", String(left > 0));
    this.view.root.classList.toggle("watching", left > 0);
    if (left > 0) return;
    this.wasReady = true;
    if (this.trial.min_watch_s > 0) this.live.textContent = this.t("watch_enough");
    if (this.trial.query === "grid") this.#show();
  }

  /** Too early: say so, visibly. */
  #nudge() {
    this.hint.classList.add("nudge");
    setTimeout(() => this.hint.classList.remove("nudge"), NUDGE_MS);
    this.live.textContent = this.hint.textContent;
  }

  #toggle(i) {
    if (this.locked) return;
    if (!this.ready) return this.#nudge();
    if (this.selected.includes(i)) this.selected = this.selected.filter((other) => other !== i);
    else if (this.selected.length < this.needed) this.selected = [...this.selected, i].sort((a, b) => a - b);
    else this.selected = this.trial.query === "grid" ? [...this.selected.slice(1), i].sort((a, b) => a - b) : [i];
    const choice = this.options.findIndex((clips) => String(clips) === String(this.selected));
    if (choice >= 0) return this.#choose(choice);
    this.#ask(false);
    this.#show();
    this.live.textContent = this.t("selected_some", { count: this.selected.length, of: this.needed });
  }

  #choose(choice) {
    if (this.locked) return;
    if (!this.ready) return this.#nudge();
    this.choice = choice;
    this.rt = performance.now();
    this.selected = choice === CANNOT_TELL ? [] : this.options[choice];
    this.#show();
    if (choice === CANNOT_TELL || !this.trial.ask_confidence) return this.#finish(null);
    this.#ask(true);
    this.live.textContent = this.t("chosen", { answer: this.nameOf(choice) });
  }

  #confirm() {
    if (this.locked) return;
    if (!this.ready || this.selected.length !== this.needed) return this.#nudge();
    this.choice = this.selected;
    this.rt = performance.now();
    if (this.trial.ask_confidence) this.#ask(true);
    else this.#finish(null);
  }

  #sure(level) {
    if (!this.locked) this.#finish(level);
  }

  /** Ask how sure, or go back to the choice. */
  #ask(sure) {
    const had = this.choices.contains(document.activeElement) || this.confidence.contains(document.activeElement);
    this.asking = sure ? "confidence" : "choice";
    this.confidence.inert = !sure;
    this.choices.inert = sure;
    if (had) (sure ? this.question : this.buttons[0]).focus({ preventScroll: true });
  }

  #clear() {
    this.selected = [];
    this.choice = undefined;
    this.#ask(false);
    this.#show();
    this.live.textContent = this.t("cleared");
  }

  /** Mark the chosen clips and join them. */
  #show() {
    this.view.clips.forEach((clip, i) => clip.setAttribute("aria-pressed", String(this.selected.includes(i))));
    this.buttons.forEach((element, i) => {
      if (i < this.options.length) element.setAttribute("aria-pressed", String(String(this.options[i]) === String(this.selected)));
    });
    if (this.confirm && this.wasReady) {
      this.hint.textContent = this.t("selected_some", { count: this.selected.length, of: this.needed });
      this.confirm.setAttribute("aria-disabled", String(this.selected.length !== this.needed));
    }
    this.#join();
  }

  #join(joined = this.selected) {
    const { arcs, stageBox, clips } = this.view;
    arcs.replaceChildren();
    if (this.trial.query !== "triplet" || joined.length !== 2) return;
    const frame = stageBox.getBoundingClientRect();
    const [a, b] = joined.map((i) => clips[i].getBoundingClientRect());
    const beside = Math.abs(a.left - b.left) < 4; // clips below one another: join them at their side
    const start = beside ? [a.right - frame.left, (a.top + a.bottom) / 2 - frame.top] : [(a.left + a.right) / 2 - frame.left, a.top - frame.top];
    const end = beside ? [b.right - frame.left, (b.top + b.bottom) / 2 - frame.top] : [(b.left + b.right) / 2 - frame.left, b.top - frame.top];
    const bend = beside ? [18, 0] : [0, -26];
    arcs.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    arcs.append(svg("path", { d: `M${start} C${start[0] + bend[0]} ${start[1] + bend[1]} ${end[0] + bend[0]} ${end[1] + bend[1]} ${end}` }));
  }

  #takeBack() {
    if (this.locked) return;
    if (this.selected.length) this.#clear();
    else this.trial.on_undo?.();
  }

  #key(event) {
    if (!isShortcut(event) || this.locked || !isShown(this.view.root)) return;
    if (event.key === "Backspace" || event.key === "Escape") {
      if (event.key === "Backspace" || this.selected.length) this.#takeBack();
    } else if (event.key === "Enter" && this.confirm && !event.target.closest?.("button, input")) this.#confirm();
    else if (!/^\d$/.test(event.key) || !this.#digit(Number(event.key))) return;
    event.preventDefault();
  }

  #digit(digit) {
    if (this.asking === "confidence") {
      if (LEVELS.includes(digit) && performance.now() - this.rt > BOUNCE_MS) this.#sure(digit);
      return LEVELS.includes(digit);
    }
    if (digit === 0 && this.trial.allow_cannot_tell) this.#choose(CANNOT_TELL);
    else if (digit >= 1 && this.trial.query === "grid" && digit <= this.view.clips.length) this.#toggle(digit - 1);
    else if (digit >= 1 && digit <= this.options.length) this.#choose(digit - 1);
    else return false;
    return true;
  }

  #finish(confidence) {
    this.locked = true;
    const { watching, startedAt, replays } = this.transport;
    const seen = watching.allSeenAt;
    this.resolve({
      choice: this.choice, response: this.choice, confidence, rt: Math.round(this.rt - startedAt),
      since_all_seen: seen === null ? null : Math.round(this.rt - seen), replays,
      watched_s: watching.watched.map((seconds) => Number(seconds.toFixed(2))), items: [...this.trial.stimuli],
    });
  }

  /** Nothing can be pressed any more; say why. */
  busy(says) {
    this.locked = true;
    this.live.textContent = says;
    this.view.root.setAttribute("aria-busy", "true");
  }

  /** Mark the clips of an answer as "right" or "wrong". */
  mark(choice, as) {
    this.view.root.removeAttribute("aria-busy");
    const clips = choice === CANNOT_TELL ? [] : [this.options[choice] ?? choice].flat();
    clips.forEach((i) => { this.view.clips[i].dataset.mark = as; });
    this.view.arcs.dataset.mark = as;
    this.#join(clips);
  }

  end() {
    document.removeEventListener("keydown", this.listener);
  }
}
