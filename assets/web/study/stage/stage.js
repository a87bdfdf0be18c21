/**
 * The stage: one canvas and one WebGL renderer for all clips of a question, one scissored view for each, one clock. The canvas
 * lies behind the elements that the plugin made for the clips, outside the runner's display element, which is emptied after
 * every trial. Browsers allow few WebGL contexts: there is never a second one.
 */

import * as THREE from "../../vendor/three/three.module.min.js";
import { QualityKeeper, isSoftwareRendered } from "../../quality.js";
import { ClipStore } from "./clips.js";
import { Clock } from "./clock.js";
import { World } from "./world.js";

/** Slow frames follow one another after this multiple of their cost: nothing but the clips needs the processor here. */
const REST = 1.4;

/** Sharpness is part of what people judge: where the processor draws, frames are given up rather than pixels. */
class SharpKeeper extends QualityKeeper {
  mayDraw(now) {
    return super.mayDraw(now) || (!this.fence && now - this.started >= REST * this.cost);
  }

  get pixelRatio() {
    return this.kind === "software" ? 1 : super.pixelRatio;
  }
}

/** Why nothing can be shown; `code` is "webgl" or "clips". */
export class StageError extends Error {
  constructor(code, cause) {
    super(code, { cause });
    this.code = code;
  }
}

export class Stage {
  /** @type {THREE.WebGLRenderer} */
  renderer;
  /** @type {SharpKeeper} */
  quality;
  /** @type {HTMLCanvasElement} */
  canvas;
  /** @type {Playback|null} */
  playback = null;
  /** Where the canvas lies, and each view on it, px. @type {{x: number, y: number, width: number, height: number}[]} */
  views = [];
  placed = "";
  ratio = 0;
  dirty = false;

  /**
   * @param {HTMLElement} ground  positioned element that holds the canvas and, somewhere below, the clips' elements
   * @param {{clip: (id: string) => Promise<ArrayBuffer>, scene: (task: string) => Promise<Object>}} source
   */
  constructor(ground, source) {
    this.ground = ground;
    this.source = source;
    this.store = new ClipStore(source.clip);
    /** @type {Map<string, Promise<World>>} */
    this.worlds = new Map();
    /** What was drawn last, for whoever wants to check it: time and frame of each view. */
    this.drawn = [];
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Should clips wait until they are started by hand? */
  get still() {
    return this.calm.matches;
  }

  /** @param {string[]} ids */
  preload(ids) {
    this.store.preload(ids);
  }

  #world(task) {
    const known = this.worlds.get(task);
    if (known) return known;
    const world = this.source.scene(task).then((scene) => new World(scene));
    world.catch(() => this.worlds.delete(task));
    this.worlds.set(task, world);
    return world;
  }

  /** What moves in a task: "dog", "arm" or "grid"; null if that cannot be found out now. */
  async kindOf(task) {
    return this.#world(task).then((world) => world.kind, () => null);
  }

  /** @throws {StageError} when WebGL is not available */
  #start() {
    if (this.renderer) return;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "views";
    this.canvas.setAttribute("aria-hidden", "true");
    const software = isSoftwareRendered();
    try {
      this.renderer = new THREE.WebGLRenderer({ canvas: this.canvas, antialias: !software, alpha: true });
    } catch (error) {
      throw new StageError("webgl", error);
    }
    this.quality = new SharpKeeper(this.renderer, software);
    this.ground.prepend(this.canvas);
    for (const event of ["resize", "scroll"]) addEventListener(event, () => { this.dirty = true; }, { passive: true });
  }

  /**
   * Play clips in elements.
   * @param {HTMLElement[]} elements
   * @param {string[]} stimuli  ids, one for each element
   * @param {string} task
   * @returns {Promise<Playback>}
   * @throws {StageError}
   */
  async mount(elements, stimuli, task) {
    this.#start();
    const [world, clips] = await Promise.all([this.#world(task), Promise.all(stimuli.map((id) => this.store.get(id)))])
      .catch((error) => { throw new StageError("clips", error); });
    this.#leave();
    this.playback = new Playback(this, elements, clips, world);
    world.frame(clips);
    this.canvas.hidden = false;
    this.dirty = true;
    this.renderer.setAnimationLoop(() => this.#frame());
    return this.playback;
  }

  /** @param {Playback|null} [playback]  only if it is still the one that plays */
  unmount(playback = this.playback) {
    if (playback === this.playback) this.#leave();
  }

  #leave() {
    this.playback = null;
    this.drawn = [];
    this.renderer?.setAnimationLoop(null);
    if (this.canvas) this.canvas.hidden = true;
  }

  #frame() {
    const { playback } = this;
    if (!playback) return;
    const now = performance.now();
    playback.tick(now / 1000);
    const moved = this.#place(playback.elements);
    if (!(moved || this.dirty || playback.clock.playing) || !this.quality.mayDraw(now)) return;
    this.quality.begin(now);
    this.#draw(playback);
    this.quality.end();
    this.dirty = false;
  }

  /** Lay the canvas over the elements. True if something moved. */
  #place(elements) {
    const origin = this.ground.getBoundingClientRect();
    const boxes = elements.map((element) => element.getBoundingClientRect());
    const left = Math.min(...boxes.map((box) => box.left)) - origin.left;
    const top = Math.min(...boxes.map((box) => box.top)) - origin.top;
    const width = Math.max(...boxes.map((box) => box.right)) - origin.left - left;
    const height = Math.max(...boxes.map((box) => box.bottom)) - origin.top - top;
    const views = boxes.map((box) => ({
      x: box.left - origin.left - left, y: top + height - (box.bottom - origin.top), width: box.width, height: box.height,
    }));
    const placed = JSON.stringify([left, top, width, height, views]);
    if (placed === this.placed && this.renderer.getPixelRatio() === this.ratio) return false;
    [this.placed, this.views, this.ratio] = [placed, views, this.renderer.getPixelRatio()];
    Object.assign(this.canvas.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
    this.renderer.setSize(width, height, false);
    return true;
  }

  #draw({ clips, clock, world }) {
    const { time } = clock; // read once: every view shows the same moment
    this.renderer.setScissorTest(false);
    this.renderer.setClearColor(0x000000, 0); // a scene's background leaves its own
    this.renderer.clear();
    this.renderer.setScissorTest(true);
    this.drawn = this.views.map(({ x, y, width, height }, i) => {
      world.show(i, clips[i], time);
      world.aim(width / height);
      this.renderer.setViewport(x, y, width, height);
      this.renderer.setScissor(x, y, width, height);
      this.renderer.render(world.scene, world.camera);
      return { time, frame: Math.min(time * clips[i].fps, clips[i].frames - 1) };
    });
  }
}

/** Clips that play together. What a plugin holds on to. */
class Playback {
  /** @param {Stage} stage @param {HTMLElement[]} elements @param {import("./clips.js").Clip[]} clips @param {World} world */
  constructor(stage, elements, clips, world) {
    this.stage = stage;
    this.elements = elements;
    this.clips = clips;
    this.world = world;
    this.clock = new Clock(Math.max(...clips.map((clip) => clip.seconds)));
    this.listeners = new Set();
  }

  get seconds() {
    return this.clock.seconds;
  }

  get time() {
    return this.clock.time;
  }

  get playing() {
    return this.clock.playing;
  }

  play() {
    this.clock.play();
  }

  pause() {
    this.clock.pause();
    this.stage.dirty = true;
  }

  seek(time) {
    this.clock.seek(time);
    this.stage.dirty = true;
  }

  /** @param {(now: number) => void} listener  called for every frame of the browser, s */
  onTick(listener) {
    this.listeners.add(listener);
  }

  tick(now) {
    for (const listener of this.listeners) listener(now);
  }

  /** Take the clips off the stage. */
  end() {
    this.stage.unmount(this);
  }
}
