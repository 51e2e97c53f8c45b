/**
 * pomelua.js 0.2.0. Copyright (c) 2026 The Pomelua authors. MIT License.
 *
 * A client for servers that speak Pomelo's protocol over WebSocket: Pomelua and Pomelo.
 *
 *     import { connect } from "./pomelua.js";
 *
 *     const client = await connect({ host: "127.0.0.1", port: 3050 }, {
 *       login: (client) => client.request("connector.entryHandler.enter", { username, rid }),
 *     });
 *     client.on("onChat", (msg) => console.log(msg.from, msg.msg));
 *     const answer = await client.request("chat.chatHandler.send", { content, target: "*" });
 *
 * One file without dependencies and without a build step. <script type="module" src="pomelua.js">
 * makes the same functions available as window.Pomelua.
 *
 * Bodies are JSON. Routes are shortened when the server hands out a dictionary; protobuf bodies
 * are not spoken, and a server that demands them is refused with a clear error.
 */

export const VERSION = "0.2.0";

const HANDSHAKE = 1, HANDSHAKE_ACK = 2, HEARTBEAT = 3, DATA = 4, KICK = 5;
const REQUEST = 0, NOTIFY = 1, RESPONSE = 2, PUSH = 3;
const COMPRESSED = 1; // bit 0 of the flag byte; the message type is in bits 1 to 3

const MAX_BODY = 0xffffff;
const MAX_ID = 0x7fffffff;
const HEARTBEAT_GAP = 100; // ms that the server's heartbeat may be late
const MAX_DELAY = 0x7fffffff; // the longest delay that setTimeout takes

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What goes wrong has a code: CLOSED, TIMEOUT, KICKED, REFUSED or PROTOCOL. */
export class PomeluaError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "PomeluaError";
    this.code = code;
  }
}

/**
 * @typedef {object} Options
 * @property {object} [user] what the server's own handshake function gets
 * @property {(client: Client) => any} [login] runs after each handshake, the first and those after
 *   a reconnect, before the connection counts as open; when it throws, the connection is given up
 * @property {number} [timeout] ms until a request or a handshake is given up, 10000; 0 or Infinity:
 *   never
 * @property {boolean} [reconnect] whether to connect again after a lost connection, true
 * @property {number} [reconnectDelay] ms before the first new attempt, 500; doubled for each more
 * @property {number} [reconnectMaxDelay] ms, 15000
 * @property {number} [reconnectAttempts] attempts in a row until it is given up, Infinity
 * @property {typeof WebSocket} [WebSocket] for programs without a global one
 *
 * An option that is undefined or null counts as left out. One that is no such value is a TypeError.
 */

/**
 * Connects, shakes hands and logs in. A first attempt that fails is not repeated.
 * @param {string | {host: string, port?: number, secure?: boolean, path?: string}} target
 * @param {Options} [options]
 * @returns {Promise<Client>} an open client
 */
export async function connect(target, options) {
  const client = new Client(target, options);
  await client.open();
  return client;
}

/**
 * One connection to one server. Pushes arrive at the functions given to on() under their route;
 * so do the client's own events:
 *
 *   open          { again }                   ready to use; again after a reconnect
 *   disconnect    { code, reason, retry }     the connection is gone; retry: another will be tried
 *   reconnecting  { attempt, delay }          the next attempt is due in `delay` ms
 *   kick          the server's { reason }     the server ended it; there is no reconnect
 *   error         a PomeluaError              what went wrong, before the disconnect
 */
export class Client {
  #url; #options;
  #socket = null;
  #state = "closed"; // closed, connecting, login, open, waiting
  #routes = new Map(); #codes = new Map(); // the dictionary, both ways
  #nextId = 1; #requests = new Map(); #listeners = new Map();
  #attempt = 0; #retryTimer = null; #onOnline = null;
  #ended = true; // whether the user of the client wants no connection
  #interval = 0; #beatTimer = null; #deadTimer = null; #deadline = 0;

  /**
   * @param {string | {host: string, port?: number, secure?: boolean, path?: string}} target
   * @param {Options} [options]
   */
  constructor(target, options) {
    this.#url = urlOf(target);
    this.#options = {
      timeout: 10000, reconnect: true, reconnectDelay: 500, reconnectMaxDelay: 15000,
      reconnectAttempts: Infinity, WebSocket: globalThis.WebSocket, ...given(options),
    };
    for (const name of ["timeout", "reconnectDelay", "reconnectMaxDelay", "reconnectAttempts"]) {
      checkNumber(name, this.#options[name]);
    }
    if (typeof this.#options.WebSocket !== "function") {
      throw new TypeError("this program has no WebSocket: give one as the option WebSocket");
    }
  }

  get url() { return this.#url; }

  /** "closed", "connecting", "login", "open", or "waiting" for the next attempt to reconnect. */
  get state() { return this.#state; }

  /** What the server's own handshake function answered, if anything. */
  user = undefined;

  /** Connects, shakes hands and logs in. connect() has done it already. */
  async open() {
    if (this.#state !== "closed") throw new PomeluaError("CLOSED", "the client is open already");
    this.#attempt = 0;
    this.#ended = false;
    await this.#establish(false);
  }

  /**
   * Ends the connection for good; nothing reconnects until open() is called. Requests that still
   * wait are rejected. It may be called at any time, also by a listener.
   */
  disconnect() {
    this.#ended = true;
    this.#stopWaiting();
    const socket = this.#socket;
    if (socket) {
      this.#lost(socket, 1000, "disconnected", false);
      socket.close(1000);
    } else {
      this.#state = "closed";
    }
  }

  /** Tries to reconnect now instead of when the time has come. */
  retryNow() {
    if (this.#state !== "waiting") return;
    this.#stopWaiting();
    this.#retry();
  }

  /**
   * Sends a request and waits for the answer, whatever code is in it.
   * @param {string} route server.handler.method
   * @param {any} [msg]
   * @param {{timeout?: number}} [options]
   * @returns {Promise<any>} the answer's body; rejected when there is no connection (CLOSED), when
   *   it is lost meanwhile (CLOSED), when the server ends it (KICKED), and when the answer takes too
   *   long (TIMEOUT)
   */
  request(route, msg = {}, options) {
    return new Promise((resolve, reject) => {
      const timeout = options?.timeout ?? this.#options.timeout;
      checkNumber("timeout", timeout);
      const id = this.#takeId();
      this.#send(this.#encode(REQUEST, id, route, msg));
      const timer = after(timeout, () => {
        this.#requests.delete(id);
        reject(new PomeluaError("TIMEOUT", `${route}: no answer within ${timeout} ms`));
      });
      this.#requests.set(id, { resolve, reject, timer });
    });
  }

  /** Sends a message that is not answered. Throws CLOSED when there is no connection. */
  notify(route, msg = {}) {
    this.#send(this.#encode(NOTIFY, 0, route, msg));
  }

  /** Calls fn(body) for each push on a route, or for each event of the client. */
  on(name, fn) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(fn);
    return this;
  }

  /** Like on(), for the next one only. */
  once(name, fn) {
    const wrapper = (body) => {
      this.off(name, wrapper);
      fn(body);
    };
    wrapper.original = fn;
    return this.on(name, wrapper);
  }

  /** Takes back on() and once(); without fn, all of that name. */
  off(name, fn) {
    const listeners = this.#listeners.get(name);
    if (!listeners) return this;
    for (const each of listeners) {
      if (!fn || each === fn || each.original === fn) listeners.delete(each);
    }
    if (listeners.size === 0) this.#listeners.delete(name);
    return this;
  }

  // A listener that throws must not keep the others, or the connection, from working.
  #emit(name, body) {
    for (const fn of [...(this.#listeners.get(name) ?? [])]) {
      try {
        fn(body);
      } catch (error) {
        setTimeout(() => { throw error; });
      }
    }
  }

  // Connecting and reconnecting

  #establish(again) {
    return new Promise((resolve, reject) => {
      const socket = new this.#options.WebSocket(this.#url);
      this.#state = "connecting";
      const attempt = { socket, again, settle: null };
      const timer = after(this.#options.timeout, () => {
        this.#fail(attempt, new PomeluaError("TIMEOUT", `no handshake with ${this.#url}`));
      });
      // Settles this attempt once: without an error it is open, with one it has failed.
      attempt.settle = (error) => {
        clearTimeout(timer);
        attempt.settle = () => {};
        if (error) reject(error);
        else resolve();
      };
      this.#socket = socket;
      socket.binaryType = "arraybuffer";
      socket.onopen = () => {
        const sys = { type: "js-websocket", version: VERSION };
        const hello = { sys, user: this.#options.user };
        socket.send(packageOf(HANDSHAKE, encoder.encode(JSON.stringify(hello))));
      };
      socket.onmessage = (event) => {
        if (this.#socket !== socket) return;
        this.#deadline = Date.now() + 2 * this.#interval;
        try {
          this.#receive(attempt, new Uint8Array(event.data));
        } catch (error) {
          this.#fail(attempt, error);
        }
      };
      socket.onerror = () => {}; // says nothing that the close does not
      socket.onclose = (event) => {
        attempt.settle(new PomeluaError("CLOSED", `cannot connect to ${this.#url}`));
        this.#lost(socket, event.code, event.reason, true);
      };
    });
  }

  // Something went wrong in an attempt or in a connection: tell, and close.
  #fail(attempt, error) {
    if (this.#socket !== attempt.socket) return;
    this.#emit("error", error);
    attempt.settle(error);
    this.#lost(attempt.socket, 0, error.message, true);
    attempt.socket.close();
  }

  async #handshake(attempt, body) {
    if (body.code !== 200) {
      const why = body.code === 501 ? "this client is too old" : "the server refuses the handshake";
      throw new PomeluaError("REFUSED", `${why} (code ${body.code})`);
    }
    const sys = body.sys ?? {};
    const protos = { ...sys.protos?.server, ...sys.protos?.client };
    if (Object.keys(protos).length > 0) {
      throw new PomeluaError("REFUSED", "the server wants protobuf bodies, which this client lacks");
    }
    this.#interval = (sys.heartbeat ?? 0) * 1000;
    this.#deadline = Date.now() + 2 * this.#interval;
    this.#routes = new Map(Object.entries(sys.dict ?? {}));
    this.#codes = new Map([...this.#routes].map(([route, code]) => [code, route]));
    this.user = body.user;
    attempt.socket.send(packageOf(HANDSHAKE_ACK));

    this.#state = "login";
    await this.#options.login?.(this);
    if (this.#socket !== attempt.socket) return;
    this.#state = "open";
    this.#attempt = 0;
    attempt.settle();
    this.#emit("open", { again: attempt.again });
  }

  // The end of a connection, told once: the socket is forgotten here. What waits for an answer is
  // rejected with `error`.
  #lost(socket, code, reason, mayRetry, error) {
    if (this.#socket !== socket) return;
    const wasOpen = this.#state === "open";
    this.#socket = null;
    this.#state = "closed";
    clearTimeout(this.#beatTimer);
    clearTimeout(this.#deadTimer);
    this.#beatTimer = this.#deadTimer = null;

    error ??= new PomeluaError("CLOSED", reason || "the connection was lost");
    for (const { reject, timer } of this.#requests.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#requests.clear();

    const again = wasOpen || this.#attempt > 0;
    const retry = mayRetry && again && this.#options.reconnect
      && this.#attempt < this.#options.reconnectAttempts;
    if (wasOpen || again && !retry) this.#emit("disconnect", { code, reason, retry });
    // A listener may have called disconnect(), or open().
    if (retry && this.#state === "closed" && !this.#ended) this.#wait();
  }

  // Exponential back-off; jitter, so that a crowd does not come back in one moment.
  #wait() {
    const { reconnectDelay, reconnectMaxDelay } = this.#options;
    const full = Math.min(MAX_DELAY, reconnectMaxDelay, reconnectDelay * 2 ** this.#attempt);
    const delay = Math.round(full / 2 + Math.random() * full / 2);
    this.#attempt++;
    this.#state = "waiting";
    this.#retryTimer = setTimeout(() => this.retryNow(), delay);
    this.#onOnline = () => this.retryNow();
    globalThis.addEventListener?.("online", this.#onOnline);
    this.#emit("reconnecting", { attempt: this.#attempt, delay });
  }

  #stopWaiting() {
    clearTimeout(this.#retryTimer);
    if (this.#onOnline) globalThis.removeEventListener?.("online", this.#onOnline);
    this.#onOnline = null;
  }

  // What went wrong has been told by events already.
  #retry() {
    this.#establish(true).catch(() => {});
  }

  // Packages: type, length in 3 bytes, body. One frame may hold several.

  #receive(attempt, bytes) {
    let at = 0;
    while (at < bytes.length && this.#socket === attempt.socket) {
      if (bytes.length - at < 4) throw new PomeluaError("PROTOCOL", "a package is cut off");
      const type = bytes[at];
      const end = at + 4 + (bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]);
      if (end > bytes.length) throw new PomeluaError("PROTOCOL", "a package is cut off");
      const body = bytes.subarray(at + 4, end);
      at = end;
      switch (type) {
        case HANDSHAKE:
          if (this.#state !== "connecting") break;
          this.#handshake(attempt, jsonOf(body))
            .catch((error) => this.#fail(attempt, error));
          break;
        case HEARTBEAT: this.#heartbeat(attempt); break;
        case DATA: this.#message(body); break;
        case KICK: this.#kicked(attempt, body); break;
        default: throw new PomeluaError("PROTOCOL", `a package of type ${type}`);
      }
    }
  }

  #send(message) {
    const ready = this.#state === "open" || this.#state === "login";
    if (!ready) throw new PomeluaError("CLOSED", "there is no connection");
    this.#socket.send(packageOf(DATA, message));
  }

  #kicked(attempt, body) {
    let reason = {};
    try {
      reason = jsonOf(body);
    } catch {
      // A kick without a reason is a kick.
    }
    const error = new PomeluaError("KICKED", "kicked by the server");
    attempt.settle(error);
    this.#emit("kick", reason);
    this.#lost(attempt.socket, 0, "kicked", false, error);
    attempt.socket.close();
  }

  // The server answers a heartbeat at once, so we answer one interval later: otherwise the two
  // would chase each other. Whatever the server sends counts as a sign of life.
  #heartbeat(attempt) {
    if (!this.#interval) return;
    clearTimeout(this.#deadTimer);
    this.#deadTimer = null;
    if (this.#beatTimer) return;
    this.#beatTimer = setTimeout(() => {
      this.#beatTimer = null;
      attempt.socket.send(packageOf(HEARTBEAT));
      this.#deadline = Date.now() + 2 * this.#interval;
      this.#watch(attempt, 2 * this.#interval);
    }, this.#interval);
  }

  #watch(attempt, delay) {
    this.#deadTimer = setTimeout(() => {
      const left = this.#deadline - Date.now();
      if (left > HEARTBEAT_GAP) this.#watch(attempt, left);
      else this.#fail(attempt, new PomeluaError("TIMEOUT", "heartbeat timeout"));
    }, delay);
  }

  // Messages: flag, id as varint (requests and responses), route (all but responses), body.

  #takeId() {
    const id = this.#nextId;
    this.#nextId = id === MAX_ID ? 1 : id + 1;
    return id;
  }

  #encode(type, id, route, msg) {
    const code = this.#routes.get(route);
    const name = encoder.encode(route);
    if (name.length > 255) throw new PomeluaError("PROTOCOL", "the route is too long");
    const head = [type << 1 | (code ? COMPRESSED : 0)];
    if (type === REQUEST) {
      while (id > 0x7f) {
        head.push(id & 0x7f | 0x80);
        id >>>= 7;
      }
      head.push(id);
    }
    if (code) head.push(code >> 8, code & 0xff);
    else head.push(name.length, ...name);
    const body = JSON.stringify(msg);
    if (body === undefined) throw new TypeError(`${route}: the message is no JSON value`);
    return joined(head, encoder.encode(body));
  }

  #message(bytes) {
    let at = 0;
    const next = () => {
      if (at >= bytes.length) throw new PomeluaError("PROTOCOL", "a message is cut off");
      return bytes[at++];
    };
    const flag = next();
    const type = flag >> 1 & 7;
    let id = 0, route;
    if (type === RESPONSE) {
      let shift = 0, byte;
      do {
        byte = next();
        id += (byte & 0x7f) * 2 ** shift;
        shift += 7;
      } while (byte & 0x80 && shift < 35);
    } else if (type !== PUSH) {
      throw new PomeluaError("PROTOCOL", `a message of type ${type}`);
    } else if (flag & COMPRESSED) {
      const code = next() << 8 | next();
      route = this.#codes.get(code);
      if (!route) throw new PomeluaError("PROTOCOL", `unknown route code ${code}`);
    } else {
      const length = next();
      if (at + length > bytes.length) throw new PomeluaError("PROTOCOL", "a message is cut off");
      route = decoder.decode(bytes.subarray(at, at += length));
    }
    const body = jsonOf(bytes.subarray(at));

    if (type === PUSH) {
      this.#emit(route, body);
      return;
    }
    const request = this.#requests.get(id);
    if (!request) return; // its time is over
    this.#requests.delete(id);
    clearTimeout(request.timer);
    request.resolve(body);
  }
}

// The options without those that are left out.
function given(options) {
  return Object.fromEntries(
    Object.entries(options ?? {}).filter(([, value]) => value !== undefined && value !== null));
}

function checkNumber(name, value) {
  if (typeof value === "number" && value >= 0) return;
  throw new TypeError(`${name} must be a number from 0 on, not ${String(value)}`);
}

// setTimeout for a limit: 0 and what is too long for a timer mean no limit.
function after(delay, fn) {
  return delay > 0 && delay <= MAX_DELAY ? setTimeout(fn, delay) : null;
}

function urlOf(target) {
  if (typeof target === "string") return target;
  const { host, port, secure, path } = { secure: false, path: "/", ...given(target) };
  if (typeof host !== "string" || host === "") {
    throw new TypeError('the target has no host: { host: "127.0.0.1", port: 3010 }');
  }
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return `${secure ? "wss" : "ws"}://${name}${port ? `:${port}` : ""}${path}`;
}

function jsonOf(bytes) {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    throw new PomeluaError("PROTOCOL", "a body is not JSON");
  }
}

function joined(head, body) {
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

function packageOf(type, body = new Uint8Array(0)) {
  const n = body.length;
  if (n > MAX_BODY) throw new PomeluaError("PROTOCOL", "the message is too long");
  return joined([type, n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff], body);
}

globalThis.Pomelua = { connect, Client, PomeluaError, VERSION };
