/**
 * Every event goes through the outbox: it is written down, sent until the server has answered, and only then crossed out. Each
 * carries a key of its own, so that what arrived although its acknowledgement was lost is not counted twice.
 */

import { ApiError, persist } from "./api.js";

/** A random UUID, also where the page is not served over TLS (`crypto.randomUUID` is missing there). */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export class Outbox {
  /** @param {import("./storage.js").Storage} storage @param {(error: ApiError|null) => void} onTrouble  null: it is over */
  constructor(api, storage, onTrouble) {
    this.api = api;
    this.storage = storage;
    this.onTrouble = onTrouble;
    this.waiting = new Set();
    addEventListener("beforeunload", (event) => { if (this.waiting.size) event.preventDefault(); });
  }

  /**
   * Send an event until the server has taken or refused it.
   * @param {string} session  the secret
   * @param {Omit<import("../messages.js").EventRequest, "key">} body
   * @returns {Promise<any>} the server's reply
   * @throws {ApiError} when it refused: stale, invalid, no session
   */
  async send(session, body) {
    const event = { ...body, key: uuid() };
    this.waiting.add(event.key);
    await this.storage.put("outbox", event.key, { session, event, made: Date.now() });
    return this.#deliver(session, event);
  }

  async #deliver(session, event) {
    let trouble = false;
    try {
      return await persist(() => this.api.send(session, event), (error) => {
        trouble = true;
        this.onTrouble(error);
      });
    } finally {
      await this.storage.remove("outbox", event.key);
      this.waiting.delete(event.key);
      if (trouble) this.onTrouble(null);
    }
  }

  /**
   * Send what earlier visits left behind, each in its own session: whoever comes back by the platform's link is in a new one.
   * What the server refuses by now is dropped: it knows better.
   */
  async flush() {
    const left = (await this.storage.all("outbox")).sort((a, b) => a.made - b.made);
    let sent = 0;
    for (const { session, event } of left) {
      this.waiting.add(event.key);
      try {
        await this.#deliver(session, event);
        sent += 1;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
      }
    }
    return sent;
  }
}
