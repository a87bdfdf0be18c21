/**
 * Clips as the server keeps them: poses of every link, frame by frame. Little-endian: "EMPA", uint32 version, float32 fps,
 * uint32 frames, uint32 links, then frames * links * 7 float32 (position m, quat_xyzw).
 */

const MAGIC = "EMPA";
const VERSION = 1;
const HEADER_BYTES = 20;
export const FLOATS_PER_LINK = 7;
/** So many clips are kept: what stands on the page, what comes next, and a little of what was. */
const KEPT = 48;

/**
 * @typedef {Object} Clip
 * @property {number} fps
 * @property {number} frames
 * @property {number} links
 * @property {Float32Array} poses  (frames * links * 7,) position m, quat_xyzw
 * @property {number} seconds  how long it lasts
 */

/**
 * @param {ArrayBuffer} buffer
 * @returns {Clip}
 * @throws {RangeError} when it is no clip, or is cut short
 */
export function parseClip(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER_BYTES) throw new RangeError(`clip of ${buffer.byteLength} bytes: too short for a header`);
  const magic = String.fromCharCode(...new Uint8Array(buffer, 0, 4));
  const version = view.getUint32(4, true);
  if (magic !== MAGIC || version !== VERSION) throw new RangeError(`clip "${magic}" version ${version}: expected ${MAGIC} ${VERSION}`);
  const [fps, frames, links] = [view.getFloat32(8, true), view.getUint32(12, true), view.getUint32(16, true)];
  const floats = frames * links * FLOATS_PER_LINK;
  if (!(fps > 0) || !floats || buffer.byteLength !== HEADER_BYTES + 4 * floats) {
    throw new RangeError(`clip of ${frames} frames, ${links} links at ${fps} Hz in ${buffer.byteLength} bytes: cut short`);
  }
  return { fps, frames, links, poses: new Float32Array(buffer, HEADER_BYTES, floats), seconds: (frames - 1) / fps };
}

/** Fetches clips once, and ahead of time. */
export class ClipStore {
  /** @param {(id: string) => Promise<ArrayBuffer>} fetchClip */
  constructor(fetchClip) {
    this.fetchClip = fetchClip;
    /** @type {Map<string, Promise<Clip>>} */
    this.clips = new Map();
  }

  /** @param {string} id @returns {Promise<Clip>} */
  get(id) {
    const known = this.clips.get(id);
    this.clips.delete(id);
    const clip = known ?? this.fetchClip(id).then(parseClip);
    this.clips.set(id, clip); // the youngest stands last
    clip.catch(() => this.clips.delete(id));
    for (const oldest of this.clips.keys()) {
      if (this.clips.size <= KEPT) break;
      this.clips.delete(oldest);
    }
    return clip;
  }

  /** @param {string[]} ids  fetched in the background; a failure is met again when the clip is shown */
  preload(ids) {
    for (const id of ids) this.get(id).catch(() => {});
  }
}
