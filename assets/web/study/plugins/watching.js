/** How long each clip has been watched, and when every one of them had been seen from beginning to end. */

/** A clip is cut into so many pieces; it is seen when nearly all of them have been shown. */
const PIECES = 20;
const SEEN_SHARE = 0.9;
/** No more than this is counted between two frames: a longer gap was not watched (another tab, a machine asleep), s. */
const GAP_S = 0.5;
/** After the slider was moved, a clip that stands still counts as watched for so long, s. */
const SCRUB_S = 1;

export class Watching {
  /** @param {HTMLElement[]} elements @param {{time: number, seconds: number, playing: boolean}} playback */
  constructor(elements, playback) {
    this.elements = elements;
    this.playback = playback;
    /** Seconds that each clip played while it could be seen. */
    this.watched = elements.map(() => 0);
    this.pieces = elements.map(() => new Set());
    this.visible = elements.map(() => true);
    /** `performance.now()` when all were seen; null before. */
    this.allSeenAt = null;
    this.last = null;
    this.piece = 0;
    this.scrubbed = -Infinity;
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) this.visible[elements.indexOf(/** @type {HTMLElement} */ (entry.target))] = entry.intersectionRatio >= 0.5;
    }, { threshold: [0, 0.5, 1] });
    for (const element of elements) this.observer.observe(element);
  }

  /** The slider was moved by hand. @param {number} now  s */
  scrub(now) {
    this.scrubbed = now;
  }

  /** @param {number} now  s */
  tick(now) {
    const passed = this.last === null ? 0 : Math.min(now - this.last, GAP_S);
    this.last = now;
    const { playing, time, seconds } = this.playback;
    const piece = Math.min(PIECES - 1, Math.floor((time / seconds) * PIECES));
    // Playing on, the pieces since the last frame were passed as well.
    const from = playing && this.piece <= piece && (piece - this.piece) * (seconds / PIECES) <= GAP_S ? this.piece : piece;
    this.piece = piece;
    if (document.hidden || !(playing || now - this.scrubbed < SCRUB_S)) return;
    this.elements.forEach((_, i) => {
      if (!this.visible[i]) return;
      this.watched[i] += passed;
      for (let passing = from; passing <= piece; passing++) this.pieces[i].add(passing);
    });
    if (this.allSeenAt === null && this.pieces.every((set) => set.size >= SEEN_SHARE * PIECES)) {
      this.allSeenAt = performance.now();
    }
  }

  /** What is left of a minimum, s. */
  left(minimum) {
    return Math.max(0, minimum - Math.min(...this.watched));
  }

  end() {
    this.observer.disconnect();
  }
}
