/**
 * Driving by hand: W A S D and Q E, or the stick under a finger. The page says again several times a second where to
 * go; the dog stops by itself soon after it says no more.
 */

import { $, isShortcut } from "./page.js";

/** Metres and radians a second at a walk, and how much faster with Shift. */
const PACE = { vx: 0.4, vy: 0.25, wz: 0.8 };
const FASTER = 1.75;
/** Share of the time that the dog goes on for after which it is told again. */
const AGAIN = 0.25;
/** Nothing is meant by less than this share of the stick's way. */
const STILL = 0.15;
const KEYS = {
  KeyW: [1, 0, 0], KeyS: [-1, 0, 0], KeyA: [0, 0, 1], KeyD: [0, 0, -1], KeyQ: [0, 1, 0], KeyE: [0, -1, 0],
};
const STICK_KEYS = { ArrowUp: [1, 0, 0], ArrowDown: [-1, 0, 0], ArrowLeft: [0, 0, 1], ArrowRight: [0, 0, -1] };

export class Driver {
  /** Directions of the keys that are held: forward, left and counter-clockwise, by the key's code. @type {Map<string, number[]>} */
  held = new Map();
  faster = false;
  /** Of the stick, -1..1 each, or null. @type {number[]|null} */
  stick = null;
  driving = false;

  /** @param {(name: string, value: *, event?: Event) => void} command */
  constructor(command) {
    this.command = command;
    addEventListener("keydown", (event) => this.#keyDown(event));
    addEventListener("keyup", (event) => this.#keyUp(event));
    addEventListener("blur", () => this.#release());
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.#release(); });
    this.#wireStick();
  }

  /** @param {import("./messages.js").SceneMessage} scene */
  setLimits(scene) {
    this.limits = { vx: scene.speed_range, vy: scene.sideways_range, wz: scene.turning_range };
    clearInterval(this.timer);
    this.timer = setInterval(() => { if (this.driving) this.#tell(); }, 1000 * AGAIN * scene.drive_s);
  }

  #keyDown(event) {
    const direction = this.#meaning(event);
    if (!direction) return;
    event.preventDefault();
    this.faster = event.shiftKey;
    if (this.held.has(event.code)) return;
    this.held.set(event.code, direction);
    this.#tell(event);
  }

  #meaning(event) {
    const { code, shiftKey } = event;
    if (document.activeElement === $("stick") && code in STICK_KEYS) {
      const [forward, left, turn] = STICK_KEYS[code];
      return shiftKey && turn ? [0, turn, 0] : [forward, left, turn];
    }
    return isShortcut(event) ? KEYS[code] : undefined;
  }

  #keyUp(event) {
    this.faster = event.shiftKey;
    if (this.held.delete(event.code)) this.#tell(event);
  }

  #release() {
    this.held.clear();
    this.stick = null;
    this.#showStick(0, 0);
    if (this.driving) this.#tell();
  }

  #wireStick() {
    const stick = $("stick");
    const move = (event) => {
      const box = stick.getBoundingClientRect();
      const right = (event.clientX - box.x - box.width / 2) / (0.4 * box.width);
      const down = (event.clientY - box.y - box.height / 2) / (0.4 * box.height);
      const far = Math.max(1, Math.hypot(right, down));
      const [left, up] = [-right / far, -down / far];
      this.#showStick(-left, -up);
      const sideways = $("stick-sideways").checked;
      const dead = (value) => (Math.abs(value) < STILL ? 0 : value);
      this.stick = [dead(up), sideways ? dead(left) : 0, sideways ? 0 : dead(left)];
    };
    stick.addEventListener("pointerdown", (event) => {
      if (stick.matches(":disabled")) return;
      stick.setPointerCapture(event.pointerId);
      move(event);
      this.#tell(event);
    });
    stick.addEventListener("pointermove", (event) => { if (stick.hasPointerCapture(event.pointerId)) move(event); });
    for (const end of /** @type {const} */ (["lostpointercapture", "pointercancel"])) {
      stick.addEventListener(end, () => this.#release());
    }
    stick.addEventListener("blur", () => this.#release());
  }

  /** @param {number} right @param {number} down  -1..1 */
  #showStick(right, down) {
    $("stick-knob").setAttribute("transform", `translate(${(26 * right).toFixed(1)} ${(26 * down).toFixed(1)})`);
  }

  /** Where to go now: forward and left in m/s, counter-clockwise in rad/s. */
  get velocity() {
    const [forward, left, turn] = this.stick ?? [...this.held.values()].reduce((sum, each) => sum.map((value, i) => value + each[i]), [0, 0, 0]);
    const pace = this.faster ? FASTER : 1;
    const within = (value, [low, high]) => Math.min(high, Math.max(low, Math.round(100 * value) / 100));
    const { vx, vy, wz } = this.limits ?? { vx: [0, 0], vy: [0, 0], wz: [0, 0] };
    return {
      vx: within(forward * pace * PACE.vx, vx), vy: within(left * pace * PACE.vy, vy), wz: within(turn * PACE.wz, wz),
    };
  }

  /** @param {Event} [event] */
  #tell(event) {
    this.driving = this.stick !== null || this.held.size > 0;
    this.command("drive", this.velocity, event);
  }
}
