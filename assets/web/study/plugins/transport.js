import { el, isShortcut, isShown, svg } from "./dom.js";
import { Watching } from "./watching.js";

const ICONS = {
  play: "M7 4.5v11l9-5.5z",
  pause: "M6 4.5h3v11H6zM11 4.5h3v11h-3z",
  replay: "M10 4a6 6 0 1 1-5.7 4.1M4 3.5v4.8h4.8",
};

function icon(name) {
  return svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true", class: `icon ${name}` }, svg("path", { d: ICONS[name] }));
}

/** Play, pause, again, and a slider over the clip; keeps the account of what was watched. */
export class Transport {
  constructor({ shown, t }, playback) {
    this.playback = playback;
    this.t = t;
    this.watching = new Watching(shown, playback);
    this.replays = 0;
    this.startedAt = performance.now();
    this.toggle = el("button.icon-button", { type: "button", click: () => this.playOrPause(), "data-testid": "play" });
    this.again = el("button.icon-button", { type: "button", click: () => this.replay(), "aria-label": t("replay"), "data-testid": "replay" }, icon("replay"));
    this.slider = el("input", { type: "range", min: "0", max: "1", step: "0.01", value: "0", "aria-label": t("position"),
      "data-testid": "scrubber", input: () => this.#scrub() });
    this.element = el("div.transport", { role: "group", "aria-label": t("playback") }, this.toggle, this.again, this.slider);
    playback.onTick((now) => this.#tick(now));
    this.listener = (event) => this.#key(event);
    document.addEventListener("keydown", this.listener);
  }

  refresh() {
    const { playing } = this.playback;
    this.toggle.replaceChildren(icon(playing ? "pause" : "play"));
    this.toggle.setAttribute("aria-label", this.t(playing ? "pause" : "play"));
  }

  playOrPause() {
    if (this.playback.playing) this.playback.pause();
    else this.playback.play();
    this.refresh();
  }

  replay() {
    this.replays += 1;
    this.playback.seek(0);
    this.playback.play();
    this.refresh();
  }

  #scrub() {
    if (this.playback.playing) this.playOrPause();
    this.playback.seek(Number(this.slider.value) * this.playback.seconds);
    this.watching.scrub(performance.now() / 1000);
    this.#say();
  }

  #say() {
    const [time, seconds] = [this.playback.time, this.playback.seconds].map((value) => value.toFixed(1));
    this.slider.setAttribute("aria-valuetext", this.t("position_value", { time, seconds }));
  }

  #tick(now) {
    this.watching.tick(now);
    if (!this.playback.playing) return;
    this.slider.value = String(this.playback.time / this.playback.seconds);
    if (document.activeElement !== this.slider) this.#say();
  }

  #key(event) {
    if (!isShortcut(event) || !isShown(this.element)) return;
    // Space on a button or box presses that.
    if (event.key === " " && !event.target.closest?.("button, a, summary, input:not([type=range])")) this.playOrPause();
    else if (event.key.toLowerCase() === "r") this.replay();
    else return;
    event.preventDefault();
  }

  end() {
    document.removeEventListener("keydown", this.listener);
    this.watching.end();
  }
}
