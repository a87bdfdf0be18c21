/** Who takes part: ids from the recruiting site's link, the session's secret, and one tab at a time. */

import { persist } from "./api.js";
import { uuid } from "./outbox.js";

const MTURK_PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE";
const SECRET = "empaw-study-session";
const ANSWER_MS = 250;

/**
 * @param {Object<string, string[]>} platforms  parameters that recruiting sites put into the link, as the server tells them; the
 *   first of each names the person, others are ignored
 * @returns {{platform: string|null, ids: Object<string, string>, preview: boolean}}
 */
export function externalIds(platforms, search = location.search) {
  const query = new URLSearchParams(search);
  const preview = query.get("assignmentId") === MTURK_PREVIEW;
  for (const [platform, names] of Object.entries(platforms)) {
    if (!query.get(names[0])) continue;
    const ids = Object.fromEntries(names.filter((name) => query.get(name)).map((name) => [name, query.get(name) ?? ""]));
    return { platform, ids, preview };
  }
  return { platform: null, ids: {}, preview };
}

function client() {
  return { width: innerWidth, height: innerHeight, touch: matchMedia("(pointer: coarse)").matches, user_agent: navigator.userAgent };
}

export class Session {
  /** @param {import("./storage.js").Storage} storage @param {Object<string, string[]>} platforms  see `externalIds` */
  constructor(api, storage, platforms) {
    this.api = api;
    this.storage = storage;
    this.platforms = platforms;
    this.began = Date.now();
    /** @type {string|null} */
    this.secret = null;
    this.resumed = false;
  }

  /**
   * Find the session that this visit belongs to, or begin one.
   * @param {string} language
   * @param {{ask: () => Promise<boolean>, onTrouble: (error: import("./api.js").ApiError) => void}} hooks  `ask`: go on with what was left
   *   unfinished on this device? Asked only where neither the tab nor the link tells.
   */
  async find(language, { ask, onTrouble }) {
    const { platform, ids } = externalIds(this.platforms);
    const known = await this.storage.get("session", "current");
    const own = sessionStorage.getItem(SECRET);
    if (own && this.#isFor(known, own, ids)) return this.#take(own, true, known?.began);
    if (!platform && known && !Object.keys(known.ids).length && await ask()) return this.#take(known.secret, true, known.began);
    const body = { external: { platform, ids }, language, client: client() };
    const begun = await persist(() => this.api.start(body), onTrouble);
    const began = begun.resumed && known?.secret === begun.session ? known.began : Date.now();
    await this.storage.put("session", "current", { secret: begun.session, ids, began });
    return this.#take(begun.session, begun.resumed, began);
  }

  /** A reload belongs to the session of its tab, unless the link has come to name somebody else. */
  #isFor(known, own, ids) {
    return !known || known.secret !== own || JSON.stringify(known.ids) === JSON.stringify(ids);
  }

  #take(secret, resumed, began = Date.now()) {
    [this.secret, this.resumed, this.began] = [secret, resumed, began];
    sessionStorage.setItem(SECRET, secret);
    return secret;
  }

  /** ms since this person began on this device, also over a reload. */
  get elapsed() {
    return Math.max(0, Date.now() - this.began);
  }

  /** The session is over, or the server does not know it: the next visit begins anew. */
  async forget() {
    sessionStorage.removeItem(SECRET);
    await Promise.all([this.storage.remove("session", "current"), this.storage.clear("draft")]);
  }
}

/** Tells tabs of the same session from one another. Works without TLS, unlike the browser's locks. */
export class TabGuard {
  /** @param {string} secret @param {() => void} onMoved  another tab took over */
  constructor(secret, onMoved) {
    this.id = uuid();
    this.active = false;
    this.channel = new BroadcastChannel(`empaw-study-${secret.slice(0, 12)}`);
    this.channel.onmessage = ({ data }) => {
      if (data.from === this.id) return;
      if (data.says === "who" && this.active) this.#say("here");
      if (data.says === "here") this.other = true;
      if (data.says === "mine" && this.active) {
        this.active = false;
        onMoved();
      }
    };
  }

  #say(says) {
    this.channel.postMessage({ says, from: this.id });
  }

  /** Is the study open in another tab? */
  async taken() {
    this.other = false;
    this.#say("who");
    await new Promise((resolve) => { setTimeout(resolve, ANSWER_MS); });
    return this.other;
  }

  /** From now on this is the tab. */
  claim() {
    this.active = true;
    this.#say("mine");
  }
}
