/** Pictures and films of the view, kept by whoever looks on. Nothing of them goes to the server. */

const FILM_HZ = 30;
/** The best first. The view changes its resolution as the machine allows, which avc1 does not take well. */
const KINDS = [
  { type: "video/mp4;codecs=avc3.42E01F,opus", ending: "mp4" },
  { type: "video/webm;codecs=vp9,opus", ending: "webm" },
  { type: "video/mp4", ending: "mp4" },
];

/** Give a file to whoever looks on. @param {Blob} blob @param {string} ending */
function save(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `empaw-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return link.download;
}

/**
 * Save a picture. @param {() => void} draw  draws it onto the canvas @param {HTMLCanvasElement} canvas
 * @returns {Promise<string>} the name of the file
 * @throws {Error} with a sentence for the user
 */
export async function savePicture(draw, canvas) {
  draw(); // A canvas of WebGL is empty again as soon as it was shown.
  /** @type {Blob|null} */
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("The browser could not make a picture.");
  return save(blob, "png");
}

/** Films the view and what the dog says, until it is stopped. */
export class Film {
  /** @type {MediaRecorder|null} */
  recorder = null;

  get isOn() {
    return this.recorder !== null;
  }

  /**
   * @param {HTMLCanvasElement} canvas @param {MediaStream|null} sound
   * @throws {Error} with a sentence for the user
   */
  start(canvas, sound) {
    const kind = typeof MediaRecorder === "undefined" ? null : KINDS.find(({ type }) => MediaRecorder.isTypeSupported(type));
    if (!kind) throw new Error("This browser cannot film. Try another, or: python sim_gui.py run --record FILE.");
    const stream = canvas.captureStream(FILM_HZ);
    for (const track of sound?.getAudioTracks() ?? []) stream.addTrack(track);
    const parts = [];
    const recorder = new MediaRecorder(stream, { mimeType: kind.type });
    recorder.ondataavailable = ({ data }) => parts.push(data);
    /** @type {Promise<string>} */
    this.saved = new Promise((resolve) => {
      recorder.onstop = () => {
        for (const track of stream.getVideoTracks()) track.stop();
        resolve(save(new Blob(parts, { type: kind.type }), kind.ending));
      };
    });
    recorder.start(1000);
    this.recorder = recorder;
  }

  /** @returns {Promise<string>} the name of the file */
  stop() {
    this.recorder?.stop();
    this.recorder = null;
    return this.saved ?? Promise.reject(new Error("Nothing is being filmed."));
  }
}
