/**
 * The controls and read-outs around the view. Knows the document, nothing about sockets: what the user wants goes out
 * through the handlers, what the server says comes in through `show*`.
 *
 * @typedef {import("./messages.js").StateMessage} State
 * @typedef {Object} PanelHandlers
 * @property {(name: string, value: *, event: Event) => void} command
 */

import { drawBox, sightText } from "./camera.js";
import { EMOTION_FACES, drawFace } from "./face.js";
import { $, megabytes, penOf, readable, setPressed, setText } from "./page.js";
import { emotionColor, themeColor } from "./palette.js";
import { onThemeChange } from "./theme.js";

/** After a click the server's older states must not flip the button back, ms. */
const HOLD_MS = 600;
const ANNOUNCE_EVERY_MS = 4000;
const SPEED_EVERY_MS = 100;
/** Share of the pad's radius that means "at random". */
const PAD_CENTRE = 0.3;

const BANNERS = {
  lost: "Connection lost, reconnecting …",
  refused: "This page's token is no longer valid: open the address the server printed.",
};

/** "−0.36": a true minus sign, and none on a rounded zero. */
function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) > 0 ? `−${text}` : text;
}

/** Buttons of which one is pressed: the value set by hand, or "auto". */
class ChoiceGroup {
  /** @param {string} attribute e.g. "gait": buttons carry data-gait */
  constructor(attribute, name, command) {
    this.attribute = attribute;
    this.heldUntil = 0;
    document.addEventListener("click", (event) => {
      const button = event.target instanceof Element && event.target.closest(`button[data-${attribute}]`);
      if (!(button instanceof HTMLButtonElement) || button.disabled) return;
      const value = button.dataset[attribute] ?? "auto";
      this.heldUntil = 0;
      this.show(value === "auto" ? null : value);
      this.heldUntil = performance.now() + HOLD_MS;
      command(name, value === "auto" ? null : value, event);
    });
  }

  get buttons() {
    return /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll(`button[data-${this.attribute}]`));
  }

  /** @param {string|null} value */
  show(value) {
    if (performance.now() < this.heldUntil) return;
    for (const button of this.buttons) setPressed(button, button.dataset[this.attribute] === (value ?? "auto"));
  }
}

export class Panel {
  leastSpeech = 0;
  /** @type {string[]} */
  labels = [];

  /** @param {PanelHandlers} handlers */
  constructor({ command }) {
    this.command = command;
    this.emotions = new ChoiceGroup("emotion", "emotion", command);
    this.gaits = new ChoiceGroup("gait", "gait", command);
    this.speedHeldUntil = 0;
    this.announced = { at: -Infinity, text: "" };
    this.paused = false;
    this.#wireSpeed();
    this.#wirePad();
    this.#wireSheet();
    $("reset").addEventListener("click", (event) => command("reset", null, event));
    $("pause").addEventListener("click", (event) => command("pause", !this.paused, event));
    $("stop-playing").addEventListener("click", (event) => command("stop_playing", null, event));
    $("notice-close").addEventListener("click", () => this.#hideNotice());
    onThemeChange(() => { this.lastAffect = null; });
  }

  /** Buttons and bars for what this server offers. @param {import("./messages.js").SceneMessage} scene */
  build(scene) {
    this.labels = scene.labels;
    this.leastSpeech = scene.least_speech;
    const most = `${megabytes(scene.upload_bytes)} MB at most`;
    setText($("upload-limit"), most);
    $("upload").setAttribute("aria-label", `Upload a recording, video or picture, ${most}`);
    $("emotions").replaceChildren(...scene.labels.map((label) => this.#emotionButton(label)));
    $("gaits").replaceChildren(...scene.gaits.map((gait) => this.#gaitButton(gait)));
    $("fetching").hidden = !scene.toys.length;
    $("toys").replaceChildren(...scene.toys.map((colour, index) => this.#toyButton(colour, index === 0)));
    $("bars").replaceChildren(...scene.labels.map((label) => this.#bar(label)));
    [$("speed").min, $("speed").max] = scene.speed_range.map(String);
  }

  #emotionButton(label) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button emotion-button" });
    Object.assign(button.dataset, { emotion: label, testid: `emotion-${label}` });
    button.setAttribute("aria-pressed", "false");
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 112, height: 84 });
    canvas.setAttribute("aria-hidden", "true");
    drawFace(penOf(canvas), 112, 84, EMOTION_FACES[label] ?? {});
    button.append(canvas, readable(label));
    return button;
  }

  #gaitButton(gait) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button", textContent: readable(gait) });
    Object.assign(button.dataset, { gait, testid: `gait-${gait}` });
    button.setAttribute("aria-pressed", "false");
    return button;
  }

  /** @param {string} colour @param {boolean} favourite */
  #toyButton(colour, favourite) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button", textContent: `the ${colour} one` });
    button.dataset.testid = `fetch-${colour}`;
    if (favourite) button.id = "fetch-favourite";
    button.addEventListener("click", (event) => this.command("fetch", colour, event));
    return button;
  }

  #bar(label) {
    const [row, name, track, fill, value] = ["li", "span", "span", "span", "span"].map((tag) => document.createElement(tag));
    name.textContent = readable(label);
    track.className = "track";
    fill.style.backgroundColor = emotionColor(label);
    value.className = "number";
    value.textContent = "–";
    track.append(fill);
    row.append(name, track, value);
    return row;
  }

  #wireSpeed() {
    let sent = 0;
    let timer = 0;
    const send = (event) => {
      clearTimeout(timer);
      sent = performance.now();
      this.command("speed", Number($("speed").value), event);
    };
    $("speed").addEventListener("input", (event) => {
      this.speedHeldUntil = performance.now() + HOLD_MS;
      this.#showSpeedValue(Number($("speed").value));
      setPressed($("speed-auto"), false);
      clearTimeout(timer);
      const wait = SPEED_EVERY_MS - (performance.now() - sent);
      if (wait <= 0) send(event);
      else timer = setTimeout(send, wait); // The last value must arrive.
    });
    $("speed-auto").addEventListener("click", (event) => {
      clearTimeout(timer);
      this.speedHeldUntil = performance.now() + HOLD_MS;
      setPressed($("speed-auto"), true);
      this.command("speed", null, event);
    });
  }

  /** Angles in the dog's frame: 0 ahead, +pi/2 to its left. The pad shows the dog from above, nose up. */
  #wirePad() {
    const pad = $("push");
    const angleAt = (event) => {
      const box = pad.getBoundingClientRect();
      const [right, down] = [event.clientX - box.x - box.width / 2, event.clientY - box.y - box.height / 2];
      if (event.detail === 0 || Math.hypot(right, down) < PAD_CENTRE * box.width / 2) return null;
      return Math.atan2(-right, -down);
    };
    const point = (angle) => {
      $("pad-arrow").style.opacity = angle === null ? "0" : "1";
      if (angle !== null) $("pad-arrow").style.transform = `rotate(${-angle}rad)`;
    };
    const push = (angle, event) => this.command("push", angle === null ? null : { direction_rad: angle }, event);
    pad.addEventListener("pointermove", (event) => point(pad.matches(":disabled") ? null : angleAt(event)));
    pad.addEventListener("pointerleave", () => point(null));
    pad.addEventListener("click", (event) => push(angleAt(event), event));
    const keys = { ArrowUp: 0, ArrowLeft: Math.PI / 2, ArrowRight: -Math.PI / 2, ArrowDown: Math.PI };
    pad.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      point(keys[event.key]);
      push(keys[event.key], event);
    });
  }

  #wireSheet() {
    const toggle = $("sheet-toggle");
    toggle.addEventListener("click", () => {
      const open = toggle.getAttribute("aria-expanded") !== "true";
      toggle.setAttribute("aria-expanded", String(open));
      setText($("sheet-label"), open ? "Hide the controls" : "Show the controls");
      $("panel").classList.toggle("closed", !open);
    });
  }

  /** @param {State} state */
  showState(state) {
    this.paused = state.paused;
    setText($("real-time"), `${state.real_time_factor.toFixed(2)}×`);
    setText($("behaviour"), readable(state.behaviour));
    $("behaviour").dataset.name = state.behaviour;
    setText($("says"), saysText(state));
    setText($("gait"), readable(state.gait));
    $("by-hand").hidden = !byHand(state);
    setText($("measured-speed"), `${signed(state.vx)} m/s`);
    setText($("cadence"), `${state.frequency.toFixed(1)} Hz`);
    setText($("height"), `${(100 * state.height).toFixed(0)} cm`);
    setPressed($("pause"), state.paused);
    $("pause").setAttribute("aria-label", state.paused ? "Resume" : "Pause");
    $("paused").hidden = !state.paused;
    this.#showEmotion(state);
    this.#showHearing(state.hearing);
    this.#showSight(state);
    this.emotions.show(state.manual.emotion);
    this.gaits.show(state.manual.gait);
    this.#showSpeed(state);
    this.#announce(state);
  }

  #showEmotion({ emotion, confidence, probabilities, valence, arousal, source, unsure, speech, voice_active }) {
    setText($("emotion"), emotion ? readable(emotion) : "–");
    $("emotion").dataset.emotionNow = emotion ?? "";
    $("emotion").style.setProperty("--emotion", emotionColor(emotion));
    const noise = voice_active && speech !== null && speech < this.leastSpeech;
    const chosen = source === "manual";
    setText($("source"), sourceText(emotion, source, unsure, noise));
    $("emotion").closest(".verdict")?.classList.toggle("unsure", unsure);
    const percent = Math.round(100 * (confidence ?? 0));
    setText($("confidence"), chosen ? "by hand" : confidence === null ? "–" : `${percent} %`);
    $("confidence-bar").setAttribute("aria-valuenow", String(percent));
    $("confidence-fill").style.transform = `scaleX(${percent / 100})`;
    $("confidence-fill").style.backgroundColor = emotionColor(emotion);
    [...$("bars").children].forEach((row, i) => {
      const value = probabilities?.[i];
      const fill = /** @type {HTMLElement} */ (row.children[1].firstChild);
      fill.style.transform = `scaleX(${value ?? 0})`;
      setText(row.children[2], value === undefined ? "–" : `${Math.round(100 * value)}`);
      row.classList.toggle("current", this.labels[i] === emotion);
    });
    this.#drawAffect(valence, arousal, emotion);
  }

  /** Valence to the right, arousal up, both -1..1. */
  #drawAffect(valence, arousal, emotion) {
    const key = `${valence?.toFixed(2)} ${arousal?.toFixed(2)} ${emotion}`;
    if (key === this.lastAffect) return;
    this.lastAffect = key;
    const canvas = $("affect");
    const known = valence !== null && arousal !== null && valence !== undefined;
    canvas.setAttribute("aria-label", known ? `Valence ${signed(valence)}, arousal ${signed(arousal)}` : "Valence and arousal: unknown");
    const context = penOf(canvas);
    const [size, middle, radius] = [canvas.width, canvas.width / 2, 0.385 * canvas.width];
    context.clearRect(0, 0, size, size);
    context.lineWidth = 2;
    context.strokeStyle = themeColor("--line-strong");
    context.beginPath();
    context.arc(middle, middle, radius, 0, 2 * Math.PI);
    context.moveTo(middle - radius, middle);
    context.lineTo(middle + radius, middle);
    context.moveTo(middle, middle - radius);
    context.lineTo(middle, middle + radius);
    context.stroke();
    Object.assign(context, { fillStyle: themeColor("--ink-soft"), font: "500 18px system-ui, sans-serif", textAlign: "center" });
    context.fillText("excited", middle, 16);
    context.fillText("tired", middle, size - 5);
    for (const { text, x, turn } of [{ text: "pleasant", x: size - 6, turn: 1 }, { text: "unpleasant", x: 6, turn: -1 }]) {
      context.save();
      context.translate(x, middle);
      context.rotate(turn * Math.PI / 2);
      context.fillText(text, 0, 10);
      context.restore();
    }
    if (!known) return;
    const clip = (value) => Math.max(-1, Math.min(1, value));
    context.beginPath();
    context.arc(middle + radius * clip(valence), middle - radius * clip(arousal), 12, 0, 2 * Math.PI);
    context.fillStyle = emotionColor(emotion);
    context.strokeStyle = themeColor("--panel");
    context.lineWidth = 4;
    context.fill();
    context.stroke();
  }

  /** @param {State["hearing"]} hearing */
  #showHearing(hearing) {
    $("hearing").classList.toggle("idle", !hearing);
    if (!hearing) return;
    const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
    setText($("hearing-name"), hearing.name);
    setText($("hearing-time"), `${clock(hearing.position_s)} / ${clock(hearing.duration_s)}`);
    $("hearing-progress").value = hearing.duration_s > 0 ? hearing.position_s / hearing.duration_s : 0;
  }

  /** @param {State} state */
  #showSight({ sight, agreement }) {
    const filming = !$("mirror").hidden;
    setText($("sight-text"), sight ? sightText(sight) : filming ? "waiting for a picture" : "The camera is off.");
    setText($("agreement"), agreement === null ? "" : `voice and face agree: ${Math.round(100 * agreement)} %`);
    if (filming) drawBox($("face-box"), sight);
  }

  /** @param {boolean} on */
  showCamera(on) {
    setPressed($("camera"), on);
    setText($("camera-text"), on ? "Watching" : "Camera");
    $("mirror").hidden = !on;
  }

  #showSpeed(state) {
    if (performance.now() < this.speedHeldUntil) return;
    const automatic = state.manual.speed === null;
    setPressed($("speed-auto"), automatic);
    const speed = state.manual.speed ?? state.speed;
    if (document.activeElement !== $("speed") || automatic) $("speed").value = String(speed);
    this.#showSpeedValue(speed);
  }

  /** @param {number} speed  m/s */
  #showSpeedValue(speed) {
    setText($("speed-value"), `${signed(speed)} m/s`);
    $("speed").setAttribute("aria-valuetext", `${signed(speed)} metres a second`);
  }

  /** Tell screen readers, at most every few seconds and only what changed. */
  #announce(state) {
    const feeling = state.emotion ? `You seem ${readable(state.emotion)}. ` : "";
    const text = `${feeling}${state.says}`;
    const now = performance.now();
    if (text === this.announced.text || now - this.announced.at < ANNOUNCE_EVERY_MS) return;
    this.announced = { at: now, text };
    setText($("announcer"), text);
  }

  /** @param {"info"|"error"} level @param {string} text */
  notice(level, text) {
    clearTimeout(this.noticeTimer);
    $("notice").setAttribute("role", level === "error" ? "alert" : "status");
    setText($("notice"), text);
    Object.assign($("toast").dataset, { shown: "true", level });
    this.noticeTimer = setTimeout(() => this.#hideNotice(), level === "error" ? 12000 : 6000);
  }

  #hideNotice() {
    $("toast").dataset.shown = "false";
  }

  /** @param {"connecting"|"connected"|"lost"|"refused"} status */
  showConnection(status) {
    $("connection").dataset.status = status;
    setText($("connection-text"), status === "lost" ? "reconnecting" : status);
    $("banner").hidden = !(status in BANNERS);
    setText($("banner"), BANNERS[status] ?? "");
    for (const group of document.querySelectorAll("fieldset")) {
      if ("needsServer" in group.dataset) group.disabled = status !== "connected";
    }
    $("upload").parentElement?.classList.toggle("disabled", status !== "connected");
    $("stop-playing").disabled = status !== "connected";
  }
}

function sourceName(source) {
  const names = { voice: "your voice", face: "your face", "voice and face": "your voice and face" };
  return names[source] ?? readable(source);
}

/** Where the emotion comes from, or why there is none now. */
function sourceText(emotion, source, unsure, noise) {
  if (noise) return "a sound, but nobody speaks";
  if (!emotion) return "unsure: nobody speaks, nobody is in sight";
  if (source === "manual") return "set by hand";
  return unsure ? `unsure now; last from ${sourceName(source)}` : `from ${sourceName(source)}`;
}

/** Whether a person steers the legs. @param {State} state */
const byHand = ({ manual }) => [manual.gait, manual.speed, manual.sideways, manual.turning].some((value) => value !== null);

/** What the dog does. @param {State} state */
function saysText(state) {
  if (state.fallen) return "It has fallen over and gets up by itself in a moment.";
  return byHand(state) ? `By hand: ${readable(state.gait)} at ${signed(state.speed)} m/s.` : state.says;
}
