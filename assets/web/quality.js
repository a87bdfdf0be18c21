/**
 * Keeps drawing affordable. A slow graphics card (or none: software WebGL) gets fewer pixels first, then no shadow,
 * then fewer frames, so that messages and clicks never wait for the picture.
 */

const MAX_PIXEL_RATIO = 2;
const SCALES = [1, 0.8, 0.64, 0.5];
/** A frame may cost this much before something is given up, ms. The processor never reaches what a card does. */
const TOO_SLOW_MS = { card: 30, software: 60 };
const COMFORTABLE_MS = { card: 17, software: 35 };
/** Slower frames than this are followed by a rest, ms. */
const UNHURRIED_MS = 24;
/** Share of the time that slow frames may take: the rest belongs to messages and input. */
const BUSY_SHARE = 0.45;

/** Is WebGL drawn by the processor? Found out on a throw-away context. */
export function isSoftwareRendered() {
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) return false;
  const info = context.getExtension("WEBGL_debug_renderer_info");
  const name = String(context.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : context.RENDERER));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

/** Decides when to draw and at which resolution. */
export class QualityKeeper {
  /** @param {import("three").WebGLRenderer} renderer @param {boolean} software */
  constructor(renderer, software) {
    this.renderer = renderer;
    this.gl = /** @type {WebGL2RenderingContext} */ (renderer.getContext());
    this.kind = software ? "software" : "card";
    this.level = software ? 2 : 0;
    this.shadows = true;
    this.cost = 16;
    this.frames = 0;
    this.sinceChange = 0;
    this.raiseAfter = 240;
    this.started = -Infinity;
    this.apply();
  }

  get pixelRatio() {
    return Math.min(devicePixelRatio || 1, MAX_PIXEL_RATIO) * SCALES[this.level];
  }

  apply() {
    this.renderer.setPixelRatio(this.pixelRatio);
    this.sinceChange = 0;
  }

  /** May a frame be drawn now? Not while the last one is still being drawn, nor too soon after a slow one. */
  mayDraw(now) {
    if (this.fence) {
      const done = this.gl.getSyncParameter(this.fence, this.gl.SYNC_STATUS) === this.gl.SIGNALED;
      if (!done && now - this.started < 2000) return false;
      this.gl.deleteSync(this.fence);
      this.fence = null;
      this.#learn(now - this.started);
    }
    const rest = this.cost > UNHURRIED_MS ? this.cost / BUSY_SHARE : 0;
    return now - this.started >= rest;
  }

  begin(now) {
    this.started = now;
  }

  end() {
    this.fence = this.gl.fenceSync(this.gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    this.gl.flush();
    this.frames += 1;
  }

  #learn(milliseconds) {
    this.cost += (Math.min(milliseconds, 500) - this.cost) * 0.15;
    this.sinceChange += 1;
    if (this.cost > TOO_SLOW_MS[this.kind] && this.sinceChange > 12) this.#lower();
    else if (this.cost < COMFORTABLE_MS[this.kind] && this.sinceChange > this.raiseAfter) this.#raise();
  }

  #lower() {
    if (this.level < SCALES.length - 1) this.level += 1;
    else if (this.shadows) this.shadows = false;
    else return;
    this.raiseAfter = Math.min(this.raiseAfter * 2, 20000); // Do not swing to and fro.
    this.apply();
  }

  #raise() {
    if (!this.shadows) this.shadows = true;
    else if (this.level > 0) this.level -= 1;
    else return;
    this.apply();
  }
}
