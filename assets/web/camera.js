/**
 * The person's camera: a small picture several times a second to the server, and the frame around the face that it
 * found. Nothing is stored on either side.
 */

import { refusalText } from "./audio.js";
import { ReconnectingSocket } from "./connection.js";
import { emotionColor, themeColor } from "./palette.js";
import { penOf, readable } from "./page.js";

const WIDTH = 320;
const HEIGHT = 240;
/** A face says nothing new more often than this, ms. */
const EVERY_MS = 100;
const JPEG_QUALITY = 0.85;
const WHY_NOT = {
  "no face": "no face in sight",
  "too small": "face too far away",
  blurred: "face blurred",
  "turned away": "face turned away",
};

/** Why the camera cannot be used here, or null if it can. */
export function cameraObstacle() {
  return navigator.mediaDevices ? null : "The camera needs https or localhost. Upload a picture or video instead.";
}

/** Streams the camera to /ws/camera while it is on. */
export class Camera {
  /**
   * @param {HTMLVideoElement} video  shows what is sent
   * @param {{onNotice: (level: "info"|"error", text: string) => void, onRefused: () => void}} options  `onRefused`: the server
   *   does not want it, and it is off now
   */
  constructor(video, options) {
    this.video = video;
    this.options = options;
    this.isOn = false;
    this.sentAt = 0;
    /** @type {MediaStream|null} */
    this.stream = null;
    /** @type {ReconnectingSocket|null} */
    this.socket = null;
    this.canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  }

  /** @throws {Error} with a sentence for the user */
  async start() {
    try {
      const size = { width: { ideal: WIDTH }, height: { ideal: HEIGHT } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { ...size, facingMode: "user" } });
      this.video.srcObject = this.stream;
      await this.video.play();
    } catch (error) {
      this.stop();
      throw new Error(refusalText(error, "camera", "a picture or video"), { cause: error });
    }
    this.isOn = true;
    this.stream.getVideoTracks()[0].onended = () => this.#end();
    const socket = new ReconnectingSocket("/ws/camera", {
      onOpen: () => this.#send(),
      onMessage: (data) => this.#answered(JSON.parse(String(data))),
      onRefused: () => this.#end(),
    });
    this.socket = socket;
  }

  /** Somebody else has switched it off: the server, or whoever pulled the plug. */
  #end() {
    this.stop();
    this.options.onRefused();
  }

  stop() {
    this.isOn = false;
    clearTimeout(this.timer);
    this.socket?.close();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
    this.socket = this.stream = null;
  }

  /** The server has taken a picture: the next one may come. */
  #answered(message) {
    if (message.type === "notice") this.options.onNotice(message.level, message.text);
    else if (this.isOn) this.timer = setTimeout(() => this.#send(), Math.max(0, EVERY_MS - (performance.now() - this.sentAt)));
  }

  #send() {
    if (!this.isOn) return;
    this.sentAt = performance.now();
    // The middle of the picture, in its own proportions: a squashed face is another face.
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(videoWidth / WIDTH, videoHeight / HEIGHT);
    const [width, height] = [scale * WIDTH, scale * HEIGHT];
    const [x, y] = [(videoWidth - width) / 2, (videoHeight - height) / 2];
    penOf(this.canvas).drawImage(this.video, x, y, width, height, 0, 0, WIDTH, HEIGHT);
    this.canvas.toBlob((blob) => { if (this.isOn && blob) this.socket?.send(blob); }, "image/jpeg", JPEG_QUALITY);
  }
}

/** What the dog makes of the picture, in words. @param {import("./messages.js").SightMessage} sight */
export function sightText(sight) {
  if (sight.reason) return WHY_NOT[sight.reason] ?? sight.reason;
  const others = sight.faces > 1 ? `, 1 of ${sight.faces} faces` : "";
  return `looks ${readable(sight.emotion)}, ${Math.round(100 * (sight.confidence ?? 0))} %${others}`;
}

/** Draw the frame around the face. @param {HTMLCanvasElement} canvas @param {import("./messages.js").SightMessage|null} sight */
export function drawBox(canvas, sight) {
  const context = penOf(canvas);
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!sight?.box) return;
  const [x, y, width, height] = sight.box;
  context.strokeStyle = sight.reason ? themeColor("--line-strong") : emotionColor(sight.emotion);
  context.lineWidth = 3;
  context.strokeRect(x * canvas.width, y * canvas.height, width * canvas.width, height * canvas.height);
}
