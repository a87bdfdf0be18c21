/** What the panel shows of the microphone: whether it is on, how loud it is, and which of several is listened to. */

import { $, setPressed, setText } from "./page.js";

export class MicrophonePanel {
  /** @param {() => void} onChange  another microphone was chosen */
  constructor(onChange) {
    $("device").addEventListener("change", onChange);
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#listDevices());
  }

  /** Which microphone is wanted; "" leaves it to the browser. */
  get deviceId() {
    return $("device").value;
  }

  /** @param {boolean} on */
  showOn(on) {
    setPressed($("microphone"), on);
    setText($("microphone-text"), on ? "Listening" : "Microphone");
    if (on) this.#listDevices();
    else this.showLevel(-100, false);
  }

  /** @param {number} db  full scale, -100..0 @param {boolean} muted  silence is sent instead */
  showLevel(db, muted) {
    const [level, shown] = [$("level"), Math.max(-60, Math.min(0, db))];
    $("level-fill").style.transform = `scaleX(${(1 + shown / 60).toFixed(3)})`;
    level.classList.toggle("muted", muted);
    level.setAttribute("aria-valuenow", shown.toFixed(0));
    level.setAttribute("aria-valuetext", muted ? "muted" : `${shown.toFixed(0)} decibels`);
  }

  /** Browsers name the microphones only once one of them was allowed. */
  async #listDevices() {
    const chosen = this.deviceId;
    const named = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind, deviceId, label }) =>
      kind === "audioinput" && label && !["default", "communications"].includes(deviceId));
    const options = named.map(({ label, deviceId }) => new Option(label, deviceId, false, deviceId === chosen));
    $("device").replaceChildren(new Option("Usual microphone", "", false, false), ...options);
    $("device").value = named.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
  }
}
