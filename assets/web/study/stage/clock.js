/** One clock for all views: it plays, pauses, jumps and starts over. Synchrony is a matter of construction. */

/** All clips rest on their last pose for so long before they start over together, s. */
const REST_S = 0.5;

export class Clock {
  /** @param {number} seconds  length of the longest clip @param {() => number} now  s */
  constructor(seconds, now = () => performance.now() / 1000) {
    this.seconds = seconds;
    this.now = now;
    this.playing = false;
    this.offset = 0;
    this.started = 0;
  }

  /** Where the clips stand, s, 0 .. seconds. */
  get time() {
    return Math.min(this.#phase(), this.seconds);
  }

  #phase() {
    if (!this.playing) return this.offset;
    return (this.offset + this.now() - this.started) % (this.seconds + REST_S);
  }

  play() {
    if (this.playing) return;
    if (this.offset >= this.seconds) this.offset = 0;
    this.started = this.now();
    this.playing = true;
  }

  pause() {
    this.offset = this.time;
    this.playing = false;
  }

  /** @param {number} time  s */
  seek(time) {
    this.offset = Math.min(Math.max(0, time), this.seconds);
    this.started = this.now();
  }
}
