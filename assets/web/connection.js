/**
 * Talking to the server: sockets that come back by themselves, commands with their acknowledgements, file upload.
 */

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 6000;
const SILENCE_MS = 8000;
const ACK_TIMEOUT_MS = 5000;

/** Full WebSocket address of a path on this page's server. */
export function socketAddress(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

/**
 * A WebSocket that reconnects with growing, jittered waits until `close()` or until the server refuses it; one silent
 * for too long is replaced.
 */
export class ReconnectingSocket {
  /** Close code of a server that will not take a connection: trying again would not help. */
  static refusedCode = 0;
  /** Whether one of them found that the server does not know this page's token: the others need not ask. */
  static tokenIsStale = false;

  /**
   * @param {string} path
   * @param {{onOpen?: () => void, onMessage: (data: string|ArrayBuffer) => void, onClose?: () => void,
   *   onRefused?: () => void, expectsMessages?: boolean}} handlers  `onRefused`: closed for good by the server
   */
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.failures = 0;
    this.stopped = false;
    /** @type {WebSocket|undefined} */
    this.socket = undefined;
    this.lastHeard = performance.now();
    this.watch = handlers.expectsMessages ? setInterval(() => this.#checkSilence(), 2000) : undefined;
    this.#open();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Bytes that the network has not taken yet. */
  get backlog() {
    return this.socket?.bufferedAmount ?? 0;
  }

  /** @returns {boolean} false when the message could not be handed over */
  send(data) {
    if (!this.socket || !this.isOpen) return false;
    this.socket.send(data);
    return true;
  }

  /** Try again, unless nothing would come of it. A browser does not say why a socket was refused; a reply does. */
  async #openAgain() {
    ReconnectingSocket.tokenIsStale ||= await isTokenStale();
    if (ReconnectingSocket.tokenIsStale) this.#refused();
    else if (!this.stopped) this.#open();
  }

  #refused() {
    this.close();
    this.handlers.onRefused?.();
  }

  close() {
    this.stopped = true;
    clearInterval(this.watch);
    clearTimeout(this.timer);
    this.socket?.close();
  }

  #open() {
    const socket = new WebSocket(socketAddress(this.path));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.lastHeard = performance.now();
    socket.onopen = () => {
      this.lastHeard = performance.now();
      this.handlers.onOpen?.();
    };
    socket.onmessage = (event) => {
      this.failures = 0;
      this.lastHeard = performance.now();
      this.handlers.onMessage(event.data);
    };
    socket.onclose = ({ code }) => this.#closed(socket, code);
  }

  #closed(socket, code) {
    if (socket !== this.socket) return;
    this.handlers.onClose?.();
    if (this.stopped) return;
    if (code === ReconnectingSocket.refusedCode) {
      this.#refused();
      return;
    }
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures) * (0.75 + 0.5 * Math.random());
    this.failures += 1;
    this.timer = setTimeout(() => this.#openAgain(), wait);
  }

  #checkSilence() {
    const { socket } = this;
    if (!socket || document.hidden || !this.isOpen || performance.now() - this.lastHeard < SILENCE_MS) return;
    socket.onclose = null;
    socket.close();
    this.#closed(socket);
  }
}

/** Sends numbered commands and matches the server's acknowledgements with them. */
export class Commands {
  /** @param {(text: string) => boolean} send @param {(text: string) => void} onError */
  constructor(send, onError) {
    this.send = send;
    this.onError = onError;
    this.nextId = 1;
    this.pending = new Map();
    /** Time from the user's input to the acknowledgement, newest last. @type {{name: string, ms: number}[]} */
    this.acks = [];
  }

  /**
   * @param {string} name
   * @param {*} value
   * @param {Event} [event] the input that caused it; its time stamp starts the clock
   */
  issue(name, value, event) {
    const id = this.nextId++;
    if (!this.send(JSON.stringify({ type: "command", id, name, value }))) {
      this.onError("Not connected: nothing was sent.");
      return;
    }
    const timer = setTimeout(() => this.#late(id), ACK_TIMEOUT_MS);
    this.pending.set(id, { name, started: event?.timeStamp || performance.now(), timer });
  }

  /** @param {import("./messages.js").AckMessage} message */
  acknowledge(message) {
    const command = this.pending.get(message.id);
    if (!command) return;
    clearTimeout(command.timer);
    this.pending.delete(message.id);
    this.acks.push({ name: command.name, ms: performance.now() - command.started });
    if (this.acks.length > 500) this.acks.shift();
    if (!message.ok) this.onError(message.error || `The dog refused "${command.name}".`);
  }

  /** The connection is gone: nobody will answer. */
  forget() {
    for (const { timer } of this.pending.values()) clearTimeout(timer);
    this.pending.clear();
  }

  #late(id) {
    const { name } = this.pending.get(id);
    this.pending.delete(id);
    this.onError(`No answer to "${name}" for ${ACK_TIMEOUT_MS / 1000} s.`);
  }
}

/** Counts arrivals and tells their rate over the last two seconds. */
export class RateMeter {
  constructor() {
    this.count = 0;
    this.times = [];
  }

  tick() {
    this.count += 1;
    this.times.push(performance.now());
    if (this.times.length > 400) this.times.splice(0, 200);
  }

  get hz() {
    const since = performance.now() - 2000;
    return this.times.filter((time) => time >= since).length / 2;
  }
}

/** The server was started anew and asks for another token than this page has: trying again would not help. */
export class TokenError extends Error {}

async function isTokenStale() {
  try {
    await getJson("/api/health");
    return false;
  } catch (error) {
    return error instanceof TokenError;
  }
}

/** Message of a failed reply: the server's own words if it sent any. */
function errorOf(status, text) {
  try {
    const body = JSON.parse(text);
    if (typeof body.error === "string") return body.error;
    if (typeof body.detail === "string") return body.detail;
  } catch {
    // Not JSON: the status has to do.
  }
  return status ? `The server answered ${status}.` : "The server could not be reached.";
}

/**
 * GET a JSON document.
 * @returns {Promise<*>}
 * @throws {Error} with the server's message; a TokenError when the server does not know this page's token
 */
export async function getJson(path) {
  const reply = await fetch(path, { cache: "no-store" });
  const text = await reply.text();
  if (!reply.ok) throw new (reply.status === 401 ? TokenError : Error)(errorOf(reply.status, text));
  return JSON.parse(text);
}

/**
 * POST a body, with progress. XMLHttpRequest, because fetch reports no upload progress.
 * @param {string} path
 * @param {Blob|null} body
 * @param {{headers?: Record<string, string>, onProgress?: (fraction: number) => void}} [options]
 * @returns {Promise<*>} the JSON reply
 * @throws {Error} with the server's message
 */
export function post(path, body, { headers = {}, onProgress } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onload = () => {
      if (request.status < 200 || request.status > 299) {
        reject(new Error(errorOf(request.status, request.responseText)));
        return;
      }
      try {
        resolve(JSON.parse(request.responseText || "{}"));
      } catch {
        reject(new Error("The server's answer could not be read."));
      }
    };
    request.onerror = () => reject(new Error(errorOf(0, "")));
    request.send(body);
  });
}
