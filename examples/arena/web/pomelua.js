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
 * Bodies are JSON, or protobuf where the server has definitions; routes are shortened when it hands
 * out a dictionary. Both are kept for the next connection, which then is not given them again.
 *
 * Where the server has resume on, a line that is lost loses nothing: the client connects again at
 * once, each side sends what the other one has missed, and requests that wait go on. A page that is
 * loaded again begins a new session.
 */

export const VERSION = "0.2.0";

const HANDSHAKE = 1, HANDSHAKE_ACK = 2, HEARTBEAT = 3, DATA = 4, KICK = 5;
const REQUEST = 0, NOTIFY = 1, RESPONSE = 2, PUSH = 3;
const COMPRESSED = 1; // bit 0 of the flag byte; the message type is in bits 1 to 3

const MAX_BODY = 0xffffff;
const MAX_ID = 0x7fffffff;
const MAX_DEPTH = 32; // protobuf messages in each other
const STORE = "pomelua "; // what keys of the store begin with; the url follows
const HEARTBEAT_GAP = 100; // ms that the server's heartbeat may be late
const MAX_DELAY = 0x7fffffff; // the longest delay that setTimeout takes
const MOVE = 1001; // the close code of a server that stops, with the reason "move"
const MOVE_WAIT = 1000; // ms within which a client that is told to move connects again
const KEEP = 65536; // bytes that are kept of what the server may not have; as many wait to be sent
const CALM = 1000; // ms that a line has to live before the loss of it is answered at once
const RENEW_PART = 0.8; // of a token's time, after which a new one is brought
const RENEW_SOON = 1000, RENEW_AGAIN = 5000; // ms: the least wait for it; until it is tried again

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // it is a character of a text

/**
 * @typedef {string | {host: string, port?: number, secure?: boolean, path?: string}} Address
 * @typedef {Address | (() => Address | Promise<Address>)} Target a function is asked for each
 *   connection: for another server, when the last one has told its clients to move
 */

/**
 * What goes wrong has a code: CLOSED, TIMEOUT, KICKED, MOVED, REFUSED or PROTOCOL. MOVED: the server
 * stops, and has not run the request: it may be sent again with the next connection. When the server refuses
 * the handshake, `status` is the number that it says: 401 for a token.
 */
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
 * @property {string | (() => string | Promise<string>)} [token] for servers that want one; it goes
 *   into user.token. A function is asked for each connection, and again before a token expires
 * @property {(client: Client) => any} [login] runs after each handshake, the first and those after
 *   a reconnect, before the connection counts as open; when it throws, the connection is given up.
 *   It does not run when the session was resumed
 * @property {number} [timeout] ms until a request or a handshake is given up, 10000; 0 or Infinity:
 *   never
 * @property {boolean} [reconnect] whether to connect again after a lost connection, true
 * @property {number} [reconnectDelay] ms before the first new attempt, 500; doubled for each more
 * @property {number} [reconnectMaxDelay] ms, 15000
 * @property {number} [reconnectAttempts] attempts in a row until it is given up, Infinity
 * @property {boolean} [resume] whether to ask the server to keep the session when the line is lost,
 *   true; a server that does not do so takes no notice. Without reconnect there is nothing to ask
 *   for, and with a `user` that is no object nowhere to ask
 * @property {typeof WebSocket} [WebSocket] for programs without a global one
 * @property {Storage} [store] where the dictionary and the definitions are kept, localStorage
 *   where there is one; they are kept as long as the client lives in any case
 *
 * An option that is undefined or null counts as left out. One that is no such value is a TypeError.
 */

/**
 * Connects, shakes hands and logs in. A first attempt that fails is not repeated. Without `secure`
 * a page that came by HTTPS connects by TLS, and others do not.
 * @param {Target} target
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
 *   open          { again, resumed }          ready to use; again after a reconnect; resumed: in
 *                                             the same session, and nothing was missed
 *   disconnect    { code, reason, retry, resumable }
 *                                             the connection is gone; retry: another will be tried;
 *                                             resumable: requests wait for it, and may be made
 *   reconnecting  { attempt, delay }          the next attempt is due in `delay` ms
 *   kick          the server's { reason }     the server ended it; there is no reconnect
 *   error         a PomeluaError              what went wrong, before the disconnect
 */
export class Client {
  #target; #url = ""; #options;
  #socket = null;
  #state = "closed"; // closed, connecting, login, open, waiting
  #kept = {}; // { dict: { version, codes }, protos: { version, server, client } }, as last given
  #routes = new Map(); #codes = new Map(); // the dictionary, both ways
  #server = null; #client = null; // definitions of what the server and what the client sends
  #nextId = 1; #requests = new Map(); #listeners = new Map();
  #opening = null; // what settles the promise of open()
  #again = false; // whether it has been open since open()
  #session = null; // what is counted and kept of a session that may be resumed
  #current = null; // { socket, token }: the last attempt, and the connection that it became
  #dialTimer = null; // until the attempt has taken too long
  #since = 0; // when the connection became open
  #attempt = 0; #retryTimer = null; #onOnline = null;
  #ended = true; // whether the user of the client wants no connection
  #asked = null; // while the target, a function, is asked
  #renewTimer = null; // until the next token is asked for
  #interval = 0; #beatTimer = null; #deadTimer = null; #deadline = 0;

  /**
   * @param {Target} target
   * @param {Options} [options]
   */
  constructor(target, options) {
    this.#target = target;
    if (typeof target !== "function") this.#url = urlOf(target);
    let store = null;
    try {
      store = globalThis.localStorage ?? null;
    } catch {
      // A page that may not have one.
    }
    this.#options = {
      timeout: 10000, reconnect: true, resume: true, reconnectDelay: 500,
      reconnectMaxDelay: 15000, reconnectAttempts: Infinity, WebSocket: globalThis.WebSocket, store,
      ...given(options),
    };
    this.#kept = this.#load();
    for (const name of ["timeout", "reconnectDelay", "reconnectMaxDelay", "reconnectAttempts"]) {
      checkNumber(name, this.#options[name]);
    }
    if (!["undefined", "string", "function"].includes(typeof this.#options.token)) {
      throw new TypeError("token must be a string, or a function that gives one or a promise");
    }
    if (typeof this.#options.WebSocket !== "function") {
      throw new TypeError("this program has no WebSocket: give one as the option WebSocket");
    }
  }

  /** Where it connects to; "" before a function has given it. */
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
    this.#again = false;
    const opened = new Promise((resolve, reject) => {
      this.#opening = (error) => (error ? reject(error) : resolve());
    });
    this.#establish();
    await opened;
  }

  /**
   * Ends the connection for good, and the session; nothing reconnects until open() is called.
   * Requests that still wait are rejected. It may be called at any time, also by a listener.
   */
  disconnect() {
    this.#ended = true;
    this.#stopWaiting();
    const error = new PomeluaError("CLOSED", "disconnected");
    this.#forget(error);
    const socket = this.#socket;
    if (socket) {
      this.#lost(socket, 1000, "disconnected", false, error);
      socket.close(1000);
    } else {
      this.#asked = null;
      this.#state = "closed";
      this.#settle(error);
    }
  }

  /** Tries to reconnect now instead of when the time has come. */
  retryNow() {
    if (this.#state !== "waiting") return;
    clearTimeout(this.#retryTimer);
    this.#establish();
  }

  /**
   * Sends a request and waits for the answer, whatever code is in it. While a session waits to be
   * resumed it is sent later, and counts as sent.
   * @param {string} route server.handler.method
   * @param {any} [msg]
   * @param {{timeout?: number}} [options]
   * @returns {Promise<any>} the answer's body; rejected when there is no connection (CLOSED), when
   *   it is lost meanwhile (CLOSED, or MOVED), when the server ends it (KICKED), and when the answer
   *   takes too long (TIMEOUT). When the session is resumed it is not lost: the request goes on
   */
  request(route, msg = {}, options) {
    return new Promise((resolve, reject) => {
      const timeout = options?.timeout ?? this.#options.timeout;
      checkNumber("timeout", timeout);
      const id = this.#takeId();
      const sent = this.#send(this.#encode(REQUEST, id, route, msg));
      const timer = after(timeout, () => {
        this.#requests.delete(id);
        if (sent) this.#session?.takeBack(sent);
        reject(new PomeluaError("TIMEOUT", `${route}: no answer within ${timeout} ms`));
      });
      this.#requests.set(id, { route, resolve, reject, timer, sent });
    });
  }

  /**
   * Sends a message that is not answered. Throws CLOSED when there is no connection, and no session
   * that waits to be resumed.
   */
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

  // Settles the promise of open(), once: without an error it is open, with one it has failed.
  #settle(error) {
    const settle = this.#opening;
    this.#opening = null;
    settle?.(error);
  }

  // Whoever waits for it is told by #settle, and everybody by events.
  async #establish() {
    this.#state = "connecting";
    // The first attempt to resume goes where the session is, whatever the target would say.
    const first = this.#session && this.#attempt === 1;
    if (typeof this.#target !== "function" || first || await this.#locate()) this.#dial();
  }

  // Asks where to connect to; false: there is no answer.
  async #locate() {
    const asked = this.#asked = {};
    let url, wrong;
    try {
      url = urlOf(await this.#target());
    } catch (error) {
      wrong = error;
    }
    if (this.#asked !== asked) return false; // disconnected
    if (wrong) {
      this.#asked = null;
      this.#emit("error", wrong);
      this.#over(0, wrong, true);
      return false;
    }
    if (url === this.#url) return true;
    // The network is there again: the server of the session is tried once more, and then another.
    if (this.#session && !this.#session.tried) {
      this.#session.tried = true;
      return true;
    }
    this.#url = url;
    this.#kept = this.#load();
    return true;
  }

  #dial() {
    let socket;
    try {
      socket = new this.#options.WebSocket(this.#url);
    } catch (error) { // no address of a WebSocket
      this.#emit("error", error);
      this.#over(0, error, true);
      return;
    }
    const attempt = this.#current = { socket, token: undefined };
    this.#dialTimer = after(this.#options.timeout, () => {
      this.#fail(attempt, new PomeluaError("TIMEOUT", `no handshake with ${this.#url}`),
        this.#state === "login");
    });
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    const token = this.#askToken();
    token.catch(() => {}); // it is told when it is waited for
    socket.onopen = () => {
      this.#hello(attempt, token).catch((error) => this.#fail(attempt, error));
    };
    socket.onmessage = (event) => {
      if (this.#socket !== socket) return;
      this.#deadline = Date.now() + 2 * this.#interval;
      const shaken = this.#state !== "connecting";
      try {
        this.#receive(attempt, new Uint8Array(event.data));
      } catch (error) {
        this.#fail(attempt, error, shaken);
      }
    };
    socket.onerror = () => {}; // says nothing that the close does not
    socket.onclose = (event) => {
      if (this.#socket !== socket) return;
      const moved = event.code === MOVE && event.reason === "move";
      const error = moved ? new PomeluaError("MOVED", "the server stops")
        : new PomeluaError("CLOSED", this.#state === "connecting"
          ? `cannot connect to ${this.#url}` : event.reason || "the connection was lost");
      if (moved) this.#forget(error);
      this.#lost(socket, event.code, event.reason, true, error);
    };
  }

  async #hello(attempt, token) {
    attempt.token = await token;
    if (this.#socket !== attempt.socket) return;
    const sys = { type: "js-websocket", version: VERSION };
    if (this.#kept.dict) sys.dictVersion = this.#kept.dict.version;
    if (this.#kept.protos) sys.protoVersion = this.#kept.protos.version;
    let { user } = this.#options;
    if (attempt.token !== undefined) user = { ...user, token: attempt.token };
    if (this.#asks()) user = { ...user, resume: this.#session?.shown() ?? {} };
    const hello = { sys, user };
    attempt.socket.send(packageOf(HANDSHAKE, encoder.encode(JSON.stringify(hello))));
  }

  // Whether the server is asked to keep the session.
  #asks() {
    const { resume, reconnect, user } = this.#options;
    return Boolean(resume && reconnect && isObject(user ?? {}));
  }

  // The token of a connection; undefined when there is no such option.
  async #askToken() {
    const { token } = this.#options;
    const text = typeof token === "function" ? await token() : token;
    if (token !== undefined && typeof text !== "string") {
      throw new TypeError(`the function token gave no string, but ${String(text)}`);
    }
    return text;
  }

  // A new token goes to the server before the old one expires; when that fails, once more.
  #renewLater(attempt, delay) {
    if (typeof this.#options.token !== "function" || this.#socket !== attempt.socket) return;
    delay ??= lifetimeOf(attempt.token) * RENEW_PART;
    if (!(delay < Infinity)) return;
    clearTimeout(this.#renewTimer);
    this.#renewTimer = setTimeout(() => this.#renew(attempt),
      Math.min(MAX_DELAY, Math.max(RENEW_SOON, delay)));
  }

  async #renew(attempt) {
    try {
      attempt.token = await this.#askToken();
      if (this.#socket !== attempt.socket) return;
      const { code } = await this.request("sys.refresh", { token: attempt.token });
      if (code !== 200) {
        throw new PomeluaError("REFUSED", `the server refuses the new token (code ${code})`);
      }
      this.#renewLater(attempt);
    } catch (error) {
      if (this.#socket !== attempt.socket) return;
      this.#emit("error", error);
      this.#renewLater(attempt, RENEW_AGAIN);
    }
  }

  // Something went wrong in an attempt or in a connection: tell, and close. `ends`: it ends the
  // session.
  #fail(attempt, error, ends = false) {
    if (this.#socket !== attempt.socket) return;
    this.#emit("error", error);
    if (this.#socket !== attempt.socket) return;
    if (ends) this.#forget(error);
    this.#lost(attempt.socket, 0, error.message, true, error);
    if (ends) attempt.socket.close(1000);
    else attempt.socket.close();
  }

  async #handshake(attempt, body) {
    if (body.code !== 200) {
      const why = { 401: "the server refuses the token", 501: "this client is too old" }[body.code]
        ?? "the server refuses the handshake";
      throw Object.assign(new PomeluaError("REFUSED", `${why} (code ${body.code})`),
        { status: body.code });
    }
    const sys = body.sys ?? {};
    this.#interval = (sys.heartbeat ?? 0) * 1000;
    this.#deadline = Date.now() + 2 * this.#interval;
    this.#take(sys);
    const { user, resume } = this.#asks() ? partsOf(body.user) : { user: body.user };
    this.user = user;
    attempt.socket.send(packageOf(HANDSHAKE_ACK));
    if (resume?.recovered) this.#resume(attempt, resume);
    else await this.#begin(attempt, resume);
  }

  // A new session; the old one, if any, could not be resumed.
  async #begin(attempt, resume) {
    this.#forget(new PomeluaError("CLOSED", "the session could not be resumed"));
    const session = this.#session = resume ? new Session(resume) : null;
    const stays = () => (session ? this.#session === session : this.#socket === attempt.socket);
    this.#state = "login";
    try {
      await this.#options.login?.(this);
    } catch (error) {
      if (!stays()) return;
      if (this.#socket) this.#fail({ socket: this.#socket }, error, true);
      else this.#abandon(error);
      return;
    }
    if (!stays()) return;
    if (session) session.ready = true;
    if (this.#state === "login") this.#opened(false); // else the line is lost, and it is open later
  }

  // The same session on a new line: the server sends what was missed here, and so do we.
  #resume(attempt, resume) {
    const session = this.#session;
    const rest = session?.resumed(resume);
    if (!rest) {
      // Something that the server misses is not kept any more: another session begins.
      this.#fail(attempt, new PomeluaError("CLOSED", "the session could not be resumed"), true);
      return;
    }
    this.#state = "login";
    for (const bytes of rest) attempt.socket.send(bytes);
    if (session.ready) this.#opened(session.opened);
  }

  #opened(resumed) {
    const again = this.#again;
    clearTimeout(this.#dialTimer);
    this.#state = "open";
    this.#again = true;
    this.#since = Date.now();
    this.#attempt = 0;
    if (this.#session) {
      this.#session.opened = true;
      this.#watchOnline();
    }
    this.#settle();
    this.#renewLater(this.#current);
    this.#emit("open", { again, resumed });
  }

  // The dictionary and the definitions of this connection: those in the answer, or else those that
  // the server has found to be the right ones by their version.
  #take(sys) {
    const codes = sys.routeToCode ?? sys.dict;
    const before = JSON.stringify(this.#kept);
    if (codes) this.#kept.dict = { version: sys.dictVersion, codes, names: sys.codeToRoute };
    else if (!sys.useDict) delete this.#kept.dict;
    if (sys.protos) this.#kept.protos = sys.protos;
    else if (!sys.useProto) delete this.#kept.protos;

    const { dict, protos } = this.#kept;
    this.#routes = new Map(Object.entries(dict?.codes ?? {}));
    this.#codes = new Map([...this.#routes].map(([route, code]) => [code, route]));
    for (const [code, route] of Object.entries(dict?.names ?? {})) {
      this.#codes.set(Number(code), route);
    }
    this.#server = new Definitions(protos?.server);
    this.#client = new Definitions(protos?.client);
    if (!dict?.version) delete this.#kept.dict; // empty ones that replace those of another server
    if (!protos?.version) delete this.#kept.protos;
    if (JSON.stringify(this.#kept) !== before) this.#save();
  }

  #load() {
    try {
      return JSON.parse(this.#options.store?.getItem(STORE + this.#url)) ?? {};
    } catch {
      return {}; // what cannot be read is asked for again
    }
  }

  #save() {
    try {
      this.#options.store?.setItem(STORE + this.#url, JSON.stringify(this.#kept));
    } catch {
      // A store that is full, or that may not be written: they are given again next time.
    }
  }

  // The end of a session: nothing of it is sent again, and what waits for an answer is rejected.
  #forget(error) {
    this.#session?.end();
    this.#session = null;
    this.#reject(error);
  }

  #reject(error) {
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { reject, timer } of requests) {
      clearTimeout(timer);
      reject(error);
    }
  }

  // The end of a connection, told once: the socket is forgotten here. Without a session that goes
  // on, what waits for an answer is rejected with `error`.
  #lost(socket, code, reason, mayRetry, error) {
    if (this.#socket !== socket) return;
    const wasOpen = this.#state === "open";
    this.#socket = null;
    this.#state = "closed";
    clearTimeout(this.#dialTimer);
    clearTimeout(this.#beatTimer);
    clearTimeout(this.#deadTimer);
    clearTimeout(this.#renewTimer);
    this.#beatTimer = this.#deadTimer = null;
    this.#session?.lost(() => this.#outstay());
    this.#over(code, error, mayRetry, wasOpen, reason);
  }

  // The server keeps the session no longer, as far as is known here.
  #outstay() {
    const error = new PomeluaError("CLOSED", "the connection did not come back in time");
    if (this.#session.ready) this.#reject(error);
    else this.#abandon(error);
  }

  // The login cannot succeed any more, and there is no line. An open() that waits for it has
  // failed; a client that connects again goes on with that.
  #abandon(error) {
    this.#forget(error);
    this.#emit("error", error);
    if (!this.#opening) return;
    const socket = this.#socket;
    this.#socket = null;
    this.#stopWaiting();
    this.#over(0, error, false);
    socket?.close();
  }

  // A connection is over, or an attempt to get one: it is told, and another one is tried.
  #over(code, error, mayRetry, wasOpen = false, reason = error.message) {
    this.#state = "closed";
    const first = this.#opening !== null;
    const again = !first || this.#session !== null;
    const retry = mayRetry && again && this.#options.reconnect
      && this.#attempt < this.#options.reconnectAttempts;
    if (!retry || !this.#session) this.#forget(error);
    if (!retry) {
      this.#stopWaiting();
      this.#settle(error);
    }
    const resumable = this.#session !== null;
    if (wasOpen || !first && !retry) {
      this.#emit("disconnect", { code, reason, retry, resumable });
    }
    // A listener may have called disconnect(), or open().
    if (retry && this.#state === "closed" && !this.#ended) this.#wait(wasOpen, error);
  }

  // Exponential back-off; jitter, so that a crowd does not come back in one moment. A server that
  // tells its clients to move lets them go one by one, so that they need not wait long. A line that
  // was lost is replaced at once.
  #wait(wasOpen, error) {
    const { reconnectDelay, reconnectMaxDelay } = this.#options;
    const full = Math.min(MAX_DELAY, reconnectMaxDelay, reconnectDelay * 2 ** this.#attempt);
    const part = Math.random();
    let delay = Math.round(error.code === "MOVED"
      ? Math.min(MOVE_WAIT, reconnectMaxDelay) * part : full / 2 + full / 2 * part);
    if (this.#session && wasOpen && Date.now() - this.#since >= CALM) delay = 0;
    this.#attempt++;
    this.#state = "waiting";
    this.#retryTimer = setTimeout(() => this.retryNow(), delay);
    this.#watchOnline();
    this.#emit("reconnecting", { attempt: this.#attempt, delay });
  }

  // A network that is there again, or another one: it is time to connect again. A line that looks
  // open, or that is about to be, may belong to the network that was there before; to replace it
  // costs nothing.
  #watchOnline() {
    if (this.#onOnline) return;
    this.#onOnline = () => {
      const socket = this.#socket, reason = "the network has changed";
      if (socket && this.#session) {
        this.#lost(socket, 0, reason, true, new PomeluaError("CLOSED", reason));
        socket.close();
      }
      this.retryNow();
    };
    globalThis.addEventListener?.("online", this.#onOnline);
  }

  #stopWaiting() {
    clearTimeout(this.#retryTimer);
    if (this.#onOnline) globalThis.removeEventListener?.("online", this.#onOnline);
    this.#onOnline = null;
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
        case DATA:
          if (this.#session && this.#state !== "connecting") this.#session.received++;
          this.#message(body);
          break;
        case KICK: this.#kicked(attempt, body); break;
        default: throw new PomeluaError("PROTOCOL", `a package of type ${type}`);
      }
    }
  }

  // Sends it now, or, while a session waits to be resumed, later. Returns what the session keeps.
  #send(message) {
    const bytes = packageOf(DATA, message);
    const ready = this.#state === "open" || this.#state === "login";
    if (!ready && !this.#session?.waits) throw new PomeluaError("CLOSED", "there is no connection");
    const sent = this.#session?.add(bytes);
    if (ready) this.#socket.send(bytes);
    return sent;
  }

  #kicked(attempt, body) {
    let reason = {};
    try {
      reason = jsonOf(body);
    } catch {
      // A kick without a reason is a kick.
    }
    const error = new PomeluaError("KICKED", "kicked by the server");
    // A token that has expired, for example while the computer slept: there is a new one.
    const again = reason?.reason === "expired" && typeof this.#options.token === "function"
      && this.#options.reconnect;
    this.#forget(error);
    if (!again) this.#emit("kick", reason);
    this.#lost(attempt.socket, 0, again ? "expired" : "kicked", again, error);
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
    let id;
    do {
      id = this.#nextId;
      this.#nextId = id === MAX_ID ? 1 : id + 1;
    } while (this.#requests.has(id));
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
    return joined(head, this.#bodyOf(route, msg));
  }

  #bodyOf(route, msg) {
    const body = JSON.stringify(msg);
    if (body === undefined) throw new TypeError(`${route}: the message is no JSON value`);
    if (!this.#client?.has(route)) return encoder.encode(body);
    try {
      return this.#client.encode(route, JSON.parse(body)); // dates and the like as their JSON
    } catch (error) {
      throw new TypeError(`${route}: ${error.message}`);
    }
  }

  // What a body means. JSON objects and arrays begin with bytes that no protobuf message begins
  // with: so it is seen when a server answers in JSON in spite of a definition.
  #valueOf(route, bytes) {
    const json = bytes[0] === 0x7b || bytes[0] === 0x5b;
    return !json && this.#server?.has(route) ? this.#server.decode(route, bytes) : jsonOf(bytes);
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
    const rest = bytes.subarray(at);
    if (type === PUSH) {
      this.#emit(route, this.#valueOf(route, rest));
      return;
    }
    const request = this.#requests.get(id);
    if (!request) return; // its time is over
    const body = this.#valueOf(request.route, rest);
    this.#requests.delete(id);
    clearTimeout(request.timer);
    if (request.sent) this.#session?.arrived(request.sent);
    request.resolve(body);
  }
}

/*
 * What is counted and kept of a session that may be resumed. Both ends count its DATA packages,
 * from 0 on, over all of its connections. Kept are packages of ours that the server may not have
 * got, and, while there is no line, those that wait for one.
 */
class Session {
  received = 0; // packages of the server
  ready = false; // whether the login is over
  opened = false; // whether the client has been open in it
  tried = false; // whether its server was tried while the network was there
  waits = false; // whether it may be resumed in time, and messages wait for that
  #token; #grace;
  #lost = false; #timer = null;
  #kept = []; // { number, bytes }, the oldest first, without a gap
  #last = 0; // the number of the newest one
  #sent = 0; // of the newest one that has gone out
  #size = 0; #waiting = 0; // bytes of those that have gone out, and of those that have not

  constructor({ token, grace }) {
    this.#token = token;
    this.#grace = grace;
  }

  // What a handshake says of it.
  shown() { return { token: this.#token, received: this.received }; }

  // Keeps a package that goes out now, or waits.
  add(bytes) {
    if (this.#lost && this.#waiting + bytes.length > KEEP) {
      throw new PomeluaError("CLOSED", `more than ${KEEP} bytes wait for the connection`);
    }
    const one = { number: ++this.#last, bytes };
    this.#kept.push(one);
    if (this.#lost) {
      this.#waiting += bytes.length;
    } else {
      this.#sent = this.#last;
      this.#size += bytes.length;
      this.#trim();
    }
    return one;
  }

  // The server has answered this one: so it has all before it.
  arrived({ number }) {
    while (this.#kept[0]?.number <= number) this.#drop();
  }

  // Nobody waits for its answer any more: when it has not gone out yet, it does not.
  takeBack(one) {
    const at = one.number > this.#sent ? this.#kept.indexOf(one) : -1;
    if (at < 0) return;
    this.#kept.splice(at, 1);
    this.#waiting -= one.bytes.length;
    for (const later of this.#kept.slice(at)) later.number--;
    this.#last--;
  }

  // The line is lost; when it does not come back in time, over() is called.
  lost(over) {
    if (this.#lost) return;
    this.#lost = this.waits = true;
    this.#timer = after(this.#grace * 1000, () => {
      this.waits = false;
      this.#kept = [];
      this.#last = this.#sent;
      this.#size = this.#waiting = 0;
      over();
    });
  }

  // It goes on: the packages to send, or null when one that the server misses is not kept any more.
  resumed({ token, grace, received }) {
    const gone = this.#last - this.#kept.length; // the number of the newest one that is not kept
    if (!(received >= gone && received <= this.#sent)) return null;
    this.end();
    this.#token = token;
    this.#grace = grace;
    this.#lost = this.tried = false;
    this.arrived({ number: received });
    this.#sent = this.#last;
    this.#size += this.#waiting;
    this.#waiting = 0;
    const rest = this.#kept.map(({ bytes }) => bytes);
    this.#trim();
    return rest;
  }

  end() {
    clearTimeout(this.#timer);
    this.waits = false;
  }

  #drop() { this.#size -= this.#kept.shift().bytes.length; }

  #trim() { while (this.#size > KEEP) this.#drop(); }
}

/*
 * Pomelo's protobuf, by the definitions of a handshake: { route: { field: { option, type, tag },
 * __messages: { Name: the same form }, __tags: { tag: field } } }; messages that routes share stand
 * under "message Name". It is not Google's: int32 is ZigZag, and a repeated number field is its key,
 * the number of elements, and the elements.
 */
export class Definitions {
  #protos;

  constructor(protos) { this.#protos = new Map(Object.entries(protos ?? {})); }

  has(route) { return this.#protos.has(route); }

  encode(route, msg) { return Uint8Array.from(this.#message(this.#protos.get(route), msg, "", 1)); }

  decode(route, bytes) {
    return this.#read({ bytes, at: 0 }, bytes.length, this.#protos.get(route), 1);
  }

  #nested(proto, type) { return own(proto.__messages, type) ?? this.#protos.get(`message ${type}`); }

  // Writing; an error begins with the path of what does not fit.

  #message(proto, msg, path, depth) {
    if (depth > MAX_DEPTH) throw new Error(`${path}: deeper than ${MAX_DEPTH} messages`);
    if (typeof msg !== "object" || msg === null || Array.isArray(msg)) {
      throw new Error(`${path ? `${path}: ` : ""}an object is needed`);
    }
    const out = [];
    for (const [name, value] of Object.entries(msg)) {
      const field = fieldOf(proto, name);
      if (!field) continue;
      const here = path ? `${path}.${name}` : name;
      const key = varint(field.tag * 8 + (WIRE[field.type] ?? 2));
      if (field.option !== "repeated") {
        append(out, key, this.#value(proto, field, value, here, depth));
        continue;
      }
      if (value === null) continue;
      if (!Array.isArray(value)) throw new Error(`${here}: an array is needed`);
      const each = !isNumber(field.type);
      if (!each && value.length > 0) append(out, key, varint(value.length));
      value.forEach((one, i) => {
        append(out, each ? key : [], this.#value(proto, field, one, `${here}[${i}]`, depth));
      });
    }
    for (const [name, field] of Object.entries(proto)) {
      if (field.option === "required" && own(msg, name) === undefined) {
        throw new Error(`${path ? `${path}.` : ""}${name}: it is required, and missing`);
      }
    }
    return out;
  }

  #value(proto, { type }, value, path, depth) {
    if (type === "string") {
      if (typeof value !== "string") throw new Error(`${path}: a string is needed`);
      const bytes = encoder.encode(value);
      return append(varint(bytes.length), bytes);
    }
    if (type === "bool") {
      if (typeof value !== "boolean") throw new Error(`${path}: true or false is needed`);
      return [Number(value)];
    }
    if (!isNumber(type)) {
      const nested = this.#nested(proto, type);
      if (!nested) throw new Error(`${path}: the type ${type} is unknown`);
      const bytes = this.#message(nested, value, path, depth + 1);
      return append(varint(bytes.length), bytes);
    }
    let n = typeof value === "string" && value.trim() ? Number(value) : value;
    if (typeof n !== "number" || !Number.isFinite(n)) throw new Error(`${path}: a number is needed`);
    if (type === "float" || type === "double") return real(type, n);
    n = Math.trunc(n);
    if (Math.abs(n) > 2 ** 53) throw new Error(`${path}: whole numbers end at 2^53`);
    if (!UNSIGNED.has(type)) return n < 0 ? varint(2n * BigInt(-n) - 1n) : varint(2n * BigInt(n));
    if (n < 0) throw new Error(`${path}: ${type} has no negative numbers`);
    return varint(n);
  }

  // Reading; `from` is { bytes, at }.

  #read(from, end, proto, depth) {
    if (depth > MAX_DEPTH || end > from.bytes.length) throw cut();
    const msg = {};
    while (from.at < end) {
      const key = readVarint(from, end);
      const tag = Math.floor(key / 8);
      const name = own(proto.__tags, tag);
      const field = name === undefined ? undefined : fieldOf(proto, name);
      if (!field) {
        skip(from, end, key % 8);
        continue;
      }
      if (field.option !== "repeated") {
        put(msg, name, this.#readValue(from, end, proto, field, depth));
        continue;
      }
      const list = own(msg, name) ?? [];
      put(msg, name, list);
      let count = isNumber(field.type) ? readVarint(from, end) : 1;
      if (count > end - from.at) throw cut();
      for (; count > 0; count--) list.push(this.#readValue(from, end, proto, field, depth));
    }
    return msg;
  }

  #readValue(from, end, proto, { type }, depth) {
    if (type === "float" || type === "double") {
      const size = type === "float" ? 4 : 8;
      const at = advance(from, end, size);
      const view = new DataView(from.bytes.buffer, from.bytes.byteOffset + at, size);
      return size === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
    }
    if (isNumber(type)) {
      const n = readVarint(from, end);
      if (type === "bool") return n !== 0;
      if (UNSIGNED.has(type)) return n;
      return from.odd ? -from.half - 1 : from.half;
    }
    const length = readVarint(from, end);
    const at = advance(from, end, length);
    if (type === "string") return textOf(from.bytes.subarray(at, at + length));
    const nested = this.#nested(proto, type);
    if (!nested) throw new PomeluaError("PROTOCOL", `the type ${type} is unknown`);
    from.at = at;
    return this.#read(from, at + length, nested, depth + 1);
  }
}

const WIRE = {
  uInt32: 0, int32: 0, sInt32: 0, uInt64: 0, sInt64: 0, bool: 0, float: 5, double: 1,
};
const UNSIGNED = new Set(["uInt32", "uInt64"]);

// Whether values of this type say their length by themselves.
function isNumber(type) { return own(WIRE, type) !== undefined; }

// Never what an object has from its prototype.
function own(object, key) { return Object.hasOwn(object ?? {}, key) ? object[key] : undefined; }

function put(object, key, value) {
  Object.defineProperty(object, key,
    { value, writable: true, enumerable: true, configurable: true });
}

function fieldOf(proto, name) {
  return name.startsWith("__") && !own(proto, name)?.tag ? undefined : own(proto, name);
}

function append(out, ...lists) {
  for (const list of lists) for (const byte of list) out.push(byte);
  return out;
}

function varint(n) {
  const out = [];
  let rest = BigInt(n);
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  return out;
}

function real(type, n) {
  const view = new DataView(new ArrayBuffer(type === "float" ? 4 : 8));
  if (type === "float") view.setFloat32(0, n, true);
  else view.setFloat64(0, n, true);
  return new Uint8Array(view.buffer);
}

function cut() { return new PomeluaError("PROTOCOL", "a protobuf body is cut off"); }

// Steps over n bytes; returns where they begin.
function advance(from, end, n) {
  if (n > end - from.at) throw cut();
  from.at += n;
  return from.at - n;
}

// Also sets from.odd and from.half, which is exact where the whole number is not, above 2^53.
function readVarint(from, end) {
  let n = 0, half = 0, scale = 1, byte;
  const first = from.at;
  do {
    if (from.at >= end || from.at - first > 9) throw cut();
    byte = from.bytes[from.at++];
    n += (byte & 0x7f) * scale;
    half += scale === 1 ? (byte & 0x7f) >> 1 : (byte & 0x7f) * (scale / 2);
    scale *= 128;
  } while (byte & 0x80);
  from.odd = (from.bytes[first] & 1) === 1;
  from.half = half;
  return n;
}

function skip(from, end, wire) {
  if (wire === 0) readVarint(from, end);
  else if (wire === 1) advance(from, end, 8);
  else if (wire === 2) advance(from, end, readVarint(from, end));
  else if (wire === 5) advance(from, end, 4);
  else throw new PomeluaError("PROTOCOL", "a protobuf body has an unknown field");
}

// The server sends characters above U+FFFF in two halves of three bytes each to clients of this
// type, since older ones read no other form.
function textOf(bytes) {
  if (!bytes.some((byte, i) => byte === 0xed && bytes[i + 1] >= 0xa0)) return decoder.decode(bytes);
  let text = "", from = 0;
  for (let i = 0; i + 2 < bytes.length; i++) {
    if (bytes[i] !== 0xed || bytes[i + 1] < 0xa0) continue;
    text += decoder.decode(bytes.subarray(from, i))
      + String.fromCharCode(0xd000 | (bytes[i + 1] & 0x3f) << 6 | bytes[i + 2] & 0x3f);
    from = i + 3;
    i += 2;
  }
  return text + decoder.decode(bytes.subarray(from));
}

// How many ms a token is still good, as it says itself; Infinity when it does not say. A clock that
// is wrong here makes it no longer than the token was made for.
function lifetimeOf(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { exp, iat } = JSON.parse(atob(part));
    if (typeof exp !== "number") return Infinity;
    return Math.min(exp - Date.now() / 1000, exp - (iat ?? -Infinity)) * 1000;
  } catch {
    return Infinity;
  }
}

// The options without those that are left out.
function given(options) {
  return Object.fromEntries(
    Object.entries(options ?? {}).filter(([, value]) => value !== undefined && value !== null));
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// What a handshake's answer says of the user: the part of the game, and what is said of resuming.
function partsOf(answer) {
  const { resume, ...user } = isObject(answer) ? answer : {};
  if (typeof resume?.token !== "string" || typeof resume.recovered !== "boolean") {
    return { user: answer };
  }
  return { user: Object.keys(user).length > 0 ? user : undefined, resume };
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
  // A page that came by HTTPS may open encrypted connections alone.
  const secure = globalThis.location?.protocol === "https:";
  const { host, port, secure: encrypted, path } = { secure, path: "/", ...given(target) };
  if (typeof host !== "string" || host === "") {
    throw new TypeError('the target has no host: { host: "127.0.0.1", port: 3010 }');
  }
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return `${encrypted ? "wss" : "ws"}://${name}${port ? `:${port}` : ""}${path}`;
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
