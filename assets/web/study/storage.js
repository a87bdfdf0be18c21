/** What this browser keeps: the session that it is in, and answers that the server has not acknowledged yet. */

const DATABASE = "empaw-study";
const TABLES = ["outbox", "session", "draft"];

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => { for (const table of TABLES) request.result.createObjectStore(table); };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Tables of named values in IndexedDB; in memory where the browser allows none (private windows). */
export class Storage {
  constructor() {
    this.memory = Object.fromEntries(TABLES.map((table) => [table, new Map()]));
    this.database = open().catch(() => null);
  }

  async #do(table, mode, action) {
    const database = await this.database;
    const transaction = database.transaction(table, mode);
    const request = action(transaction.objectStore(table));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  }

  async #safely(table, mode, action, instead) {
    if (!(await this.database)) return instead();
    try {
      return await this.#do(table, mode, action);
    } catch {
      return instead(); // the device is full, or the data were cleared meanwhile
    }
  }

  put(table, key, value) {
    this.memory[table].set(key, value);
    return this.#safely(table, "readwrite", (store) => store.put(value, key), () => undefined);
  }

  get(table, key) {
    return this.#safely(table, "readonly", (store) => store.get(key), () => this.memory[table].get(key));
  }

  all(table) {
    return this.#safely(table, "readonly", (store) => store.getAll(), () => [...this.memory[table].values()]);
  }

  clear(table) {
    this.memory[table].clear();
    return this.#safely(table, "readwrite", (store) => store.clear(), () => undefined);
  }

  remove(table, key) {
    this.memory[table].delete(key);
    return this.#safely(table, "readwrite", (store) => store.delete(key), () => undefined);
  }
}
