/**
 * Everything that sounds: the dog's voice, the person's microphone, and an uploaded recording played aloud.
 * Browsers start audio only after a gesture, so one context is made on the first one and shared.
 */

import { ReconnectingSocket } from "./connection.js";

/** After the dog's sound ends the room still rings: the microphone stays muted this much longer, s. */
const ECHO_TAIL_S = 0.25;
/** The microphone drops chunks rather than queue more than about 2 s of sound, bytes. */
const BACKLOG_LIMIT = 192 * 1024;

/** @type {AudioContext|null} */
let sharedContext = null;

/** The page's AudioContext; call it from a gesture the first time. */
export function audioContext() {
  sharedContext ??= new AudioContext({ latencyHint: "interactive" });
  if (sharedContext.state === "suspended") sharedContext.resume().catch(() => {});
  return sharedContext;
}

/** Start the context on the first gesture anywhere on the page. */
export function unlockOnGesture() {
  const unlock = () => {
    audioContext();
    for (const type of ["pointerdown", "keydown"]) removeEventListener(type, unlock, true);
  };
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, unlock, true);
}

/** The dog's voice. Sounds are fetched and decoded once. */
export class DogVoice {
  constructor() {
    this.buffers = new Map();
    this.muted = false;
    this.soundsUntil = 0;
  }

  /** Is the dog audible right now (with the echo after it)? */
  get isSounding() {
    return sharedContext !== null && sharedContext.currentTime < this.soundsUntil;
  }

  setMuted(muted) {
    this.muted = muted;
    if (this.gain) this.gain.gain.value = muted ? 0 : 1;
    if (muted) this.soundsUntil = 0;
  }

  /** @param {string} name */
  async play(name) {
    if (sharedContext?.state !== "running") return; // No gesture yet: the browser would refuse.
    const context = sharedContext;
    const gain = this.#output(context);
    this.setMuted(this.muted);
    if (!this.buffers.has(name)) this.buffers.set(name, this.#load(context, name));
    const buffer = await this.buffers.get(name);
    if (!buffer) {
      this.buffers.delete(name); // Try again the next time.
      return;
    }
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(gain);
    source.start();
    if (this.muted) return;
    this.soundsUntil = Math.max(this.soundsUntil, context.currentTime + buffer.duration + ECHO_TAIL_S);
  }

  /** @param {AudioContext} context */
  #output(context) {
    if (!this.gain) {
      this.gain = context.createGain();
      this.gain.connect(context.destination);
    }
    return this.gain;
  }

  /** What it says, for a film; null before the first gesture. */
  get stream() {
    if (!sharedContext) return null;
    if (!this.tap) {
      this.tap = sharedContext.createMediaStreamDestination();
      this.#output(sharedContext).connect(this.tap);
    }
    return this.tap.stream;
  }

  async #load(context, name) {
    try {
      const reply = await fetch(`/api/sounds/${encodeURIComponent(name)}.wav`);
      return reply.ok ? await context.decodeAudioData(await reply.arrayBuffer()) : null;
    } catch (error) {
      console.warn(`The sound "${name}" could not be loaded: ${error.message}`);
      return null;
    }
  }
}

/** Why the microphone cannot be used here, or null if it can. */
export function microphoneObstacle() {
  if (navigator.mediaDevices && "AudioWorkletNode" in window) return null;
  return "The microphone needs https or localhost. Upload a recording instead.";
}

/** What to tell the user when a device does not start. @param {"microphone"|"camera"} device @param {string} upload */
export function refusalText(error, device, upload) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") {
    return `The ${device} was refused. Allow it in the browser's address bar, or upload ${upload}.`;
  }
  if (error.name === "NotFoundError") return `No ${device} was found. Upload ${upload} instead.`;
  return `The ${device} could not be started: ${error.message}`;
}

/** Streams the microphone to /ws/microphone while it is on. */
export class Microphone {
  /**
   * @param {{isMuted: () => boolean, onLevel: (db: number, muted: boolean) => void,
   *   onNotice: (level: "info"|"error", text: string) => void, onRefused: () => void, deviceId: () => string}} options
   *   `isMuted` tells when to send silence instead; `onRefused`: the server does not want it, and it is off now;
   *   `deviceId`: which microphone, "" for the usual one
   */
  constructor(options) {
    this.options = options;
    this.isOn = false;
    /** @type {MediaStream|null} */
    this.stream = null;
    /** @type {ReconnectingSocket|null} */
    this.socket = null;
    /** @type {AudioNode[]} */
    this.nodes = [];
  }

  /** @throws {Error} with a sentence for the user */
  async start() {
    try {
      const context = audioContext();
      this.stream = await this.#open();
      await context.resume();
      await context.audioWorklet.addModule(new URL("./microphone-worklet.js", import.meta.url));
      this.#connect(context, this.stream);
    } catch (error) {
      this.stop();
      throw new Error(refusalText(error, "microphone", "a recording"), { cause: error });
    }
    this.isOn = true;
  }

  /** Listen to the microphone that is chosen now. The dog goes on attending to this page. @throws {Error} as `start` */
  async change() {
    if (!this.isOn) return;
    try {
      const stream = await this.#open();
      for (const track of this.stream?.getTracks() ?? []) track.stop();
      this.stream = stream;
      const [before, worklet] = this.nodes;
      before.disconnect();
      this.nodes[0] = audioContext().createMediaStreamSource(stream);
      this.nodes[0].connect(worklet);
    } catch (error) {
      this.stop();
      throw new Error(refusalText(error, "microphone", "a recording"), { cause: error });
    }
  }

  #open() {
    const id = this.options.deviceId();
    // Gain control and noise suppression would flatten exactly what tells one feeling from another.
    const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: false, autoGainControl: false };
    return navigator.mediaDevices.getUserMedia({ audio: id ? { ...audio, deviceId: { exact: id } } : audio });
  }

  stop() {
    this.isOn = false;
    this.socket?.close();
    for (const node of this.nodes) node.disconnect();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.socket = this.stream = null;
    this.nodes = [];
  }

  /** @param {AudioContext} context @param {MediaStream} stream */
  #connect(context, stream) {
    const socket = new ReconnectingSocket("/ws/microphone", {
      onOpen: () => socket.send(JSON.stringify({ rate: context.sampleRate })),
      onMessage: (data) => this.#heard(data),
      onRefused: () => {
        this.stop();
        this.options.onRefused();
      },
    });
    this.socket = socket;
    const source = context.createMediaStreamSource(stream);
    const worklet = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 1 });
    const silent = new GainNode(context, { gain: 0 }); // A node that leads nowhere is never run.
    source.connect(worklet).connect(silent).connect(context.destination);
    this.nodes = [source, worklet, silent];
    worklet.port.onmessage = ({ data }) => this.#send(data);
  }

  #send({ samples, level_db }) {
    if (!this.isOn || !this.socket) return;
    const muted = this.options.isMuted();
    if (muted) samples.fill(0);
    if (this.socket.backlog < BACKLOG_LIMIT) this.socket.send(samples.buffer);
    this.options.onLevel(level_db, muted);
  }

  #heard(data) {
    if (typeof data !== "string") return;
    const message = JSON.parse(data);
    if (message.type === "notice") this.options.onNotice(message.level, message.text);
  }
}

/** Plays an uploaded recording aloud while the server hears it. */
export class Playback {
  constructor() {
    this.element = new Audio();
    /** @type {string|null} */
    this.url = null;
    this.held = false;
  }

  get isPlaying() {
    return this.url !== null && !this.element.paused && !this.element.ended;
  }

  /** @param {Blob|string} recording  a file, or an address on this server */
  async play(recording) {
    this.stop();
    this.url = typeof recording === "string" ? recording : URL.createObjectURL(recording);
    this.element.src = this.url;
    if (!this.held) await this.#resume();
  }

  /** Wait while the time of the dog stands still, and go on with it. @param {boolean} held */
  hold(held) {
    if (held === this.held) return;
    this.held = held;
    if (this.url === null) return;
    if (held) this.element.pause();
    else if (!this.element.ended) this.#resume();
  }

  async #resume() {
    try {
      await this.element.play();
    } catch (error) {
      // The server may understand a format that this browser cannot play: the dog hears it all the same.
      console.info(`Not played aloud: ${error.message}`);
    }
  }

  stop() {
    if (this.url === null) return;
    this.element.pause();
    if (this.url.startsWith("blob:")) URL.revokeObjectURL(this.url);
    this.element.removeAttribute("src");
    this.url = null;
  }
}
