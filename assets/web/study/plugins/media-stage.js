/**
 * A stage for plain videos and pictures by their URLs. Any stage offers the same to the plugin:
 *
 * - `still`: should clips wait until they are started by hand?
 * - `mount(elements, stimuli, task)`: a promise of a playback with `seconds`, `time` (s), `playing`, `play()`, `pause()`,
 *   `seek(s)`, `onTick(listener)` (called for every frame with the time in s) and `end()`.
 *
 * The first video leads; the others are put right when they drift.
 */

const DRIFT_S = 0.04;
const PICTURE = /\.(png|jpe?g|webp|gif|svg|avif)([?#]|$)/i;
/** Pictures have no length; they count as clips of so many seconds. */
const PICTURE_S = 2;

export class MediaStage {
  get still() {
    return matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  /** @param {HTMLElement[]} elements @param {string[]} stimuli  URLs */
  async mount(elements, stimuli) {
    const media = await Promise.all(stimuli.map((url) => (PICTURE.test(url) ? picture(url) : video(url))));
    elements.forEach((element, i) => element.prepend(media[i]));
    return new MediaPlayback(media);
  }
}

async function picture(url) {
  const image = new Image();
  image.alt = "";
  image.src = url;
  await image.decode();
  return image;
}

function video(url) {
  const element = document.createElement("video");
  Object.assign(element, { src: url, muted: true, playsInline: true, preload: "auto", loop: true, disablePictureInPicture: true });
  return new Promise((resolve, reject) => {
    element.addEventListener("canplaythrough", () => resolve(element), { once: true });
    element.addEventListener("error", () => reject(element.error ?? new Error(url)), { once: true });
    element.load();
  });
}

class MediaPlayback {
  constructor(media) {
    this.media = media;
    this.videos = media.filter((element) => element.tagName === "VIDEO");
    this.lead = this.videos[0] ?? null;
    this.listeners = new Set();
    this.started = performance.now();
    this.request = requestAnimationFrame((now) => this.#frame(now));
  }

  get seconds() {
    return this.lead ? Math.max(...this.videos.map((one) => one.duration)) : PICTURE_S;
  }

  get time() {
    return this.lead ? this.lead.currentTime : ((performance.now() - this.started) / 1000) % PICTURE_S;
  }

  get playing() {
    return this.lead ? !this.lead.paused : true;
  }

  play() {
    for (const one of this.videos) one.play().catch(() => {});
  }

  pause() {
    for (const one of this.videos) one.pause();
  }

  seek(time) {
    for (const one of this.videos) one.currentTime = Math.min(time, one.duration);
  }

  onTick(listener) {
    this.listeners.add(listener);
  }

  #frame(now) {
    for (const one of this.videos) {
      if (one !== this.lead && Math.abs(one.currentTime - this.lead.currentTime) > DRIFT_S) one.currentTime = this.lead.currentTime;
    }
    for (const listener of this.listeners) listener(now / 1000);
    this.request = requestAnimationFrame((next) => this.#frame(next));
  }

  end() {
    cancelAnimationFrame(this.request);
    for (const element of this.media) element.remove();
  }
}
