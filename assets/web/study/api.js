/** The study server's HTTP interface. Every failure is an `ApiError` that says whether trying again makes sense. */

const BASE = "/api/study";
const TIMEOUT_MS = 20000;

/** `status` 0: the network swallowed it. `code`: the server's word. `retryable`: the same request may succeed later. */
export class ApiError extends Error {
  /** @param {number} status @param {{error?: string, code?: string, next?: any}} told @param {number|null} retryAfterS */
  constructor(status, { error = "", code = "", next = null } = {}, retryAfterS = null) {
    super(error || `${status}`);
    this.status = status;
    this.code = code;
    this.next = next;
    this.retryAfterS = retryAfterS;
    this.retryable = status === 0 || status === 429 || status >= 500;
  }
}

/**
 * @param {string} path
 * @param {{method?: string, body?: Object, session?: string, kind?: "json"|"bytes"}} [options]
 * @returns {Promise<any>}
 */
async function request(path, { method = "GET", body, session, kind = "json" } = {}) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (session) headers["X-Study-Session"] = session;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`${BASE}${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: method === "GET" && kind === "json" ? "no-store" : "default",
    });
    if (response.ok) return await (kind === "json" ? response.json() : response.arrayBuffer());
  } catch {
    throw new ApiError(0);
  }
  const told = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("Retry-After"));
  throw new ApiError(response.status, told ?? {}, Number.isFinite(wait) && wait > 0 ? wait : null);
}

export const api = {
  about: () => request("/about"),
  locale: (language) => request(`/locale/${encodeURIComponent(language)}`),
  plugins: () => request("/plugins"),
  start: (body) => request("/sessions", { method: "POST", body }),
  next: (session) => request("/next", { session }),
  send: (session, body) => request("/events", { method: "POST", session, body }),
  scene: (task) => request(`/scene/${encodeURIComponent(task)}`),
  clip: (id) => request(`/stimuli/${encodeURIComponent(id)}`, { kind: "bytes" }),
};

/** 1, 2, 4 ... 15 s, or what the server asked for; ends early when the browser says that it is online again. */
export function pause(attempt, askedS = null) {
  const seconds = Math.min(15, askedS ?? 2 ** Math.min(attempt, 4));
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve(undefined);
    };
    const timer = setTimeout(done, 1000 * seconds);
    addEventListener("online", done);
  });
}

/** Try until it works, for what may safely be asked twice. @param {(error: ApiError) => void} onTrouble */
export async function persist(action, onTrouble = () => {}) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      if (!error.retryable) throw error;
      onTrouble(error);
      await pause(attempt, error.retryAfterS);
    }
  }
}
