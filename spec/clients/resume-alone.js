// The page's client whose line is lost, against a server of sessions without a network:
// node resume-alone.js
//
// Prints one JSON line for each thing that was to be seen, as page.js does.
const fs = require('fs');
const path = require('path');

const FILE = path.join(__dirname, '..', '..', 'examples', 'chat', 'web', 'pomelua.js');
const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const KEEP = 65536;

// A server that keeps its sessions: it counts what it takes and gives from the first ACK on. It
// answers requests but for the route "never"; "later" waits for answer().
class Server {
  resumes = true; // whether it has resume on
  grace = 30;
  heartbeat = 0;
  up = true; // whether it takes connections
  hellos = []; // what handshakes said of their users
  sessions = []; // all that there were
  lines = 0; // connections so far
  user = {}; // what its handshake function answers
  forgets = false; // whether it knows the next token no more
  codes = null; // codes of its answers to the next handshakes; null: 200

  get session() { return this.sessions[this.sessions.length - 1]; }
  get line() { return this.session.line; }

  hello(line, user) {
    this.hellos.push(user);
    const code = this.codes?.shift() ?? 200;
    const answer = { code, sys: { heartbeat: this.heartbeat }, user: { ...this.user } };
    const asked = this.resumes ? user?.resume : undefined;
    const old = asked?.token && !this.forgets
      && this.sessions.find((one) => one.tokens.includes(asked.token) && !one.ended);
    if (asked?.token) this.forgets = false;
    line.session = old || { tokens: [], taken: 0, given: [], ran: [], ended: false };
    if (!old) this.sessions.push(line.session);
    line.from = old ? asked.received : 0;
    if (asked) {
      const token = `t${this.sessions.length}-${++this.lines}`;
      line.session.tokens.push(token);
      answer.user.resume = { token, recovered: Boolean(old), received: line.session.taken,
        grace: this.grace };
    }
    line.give(1, Buffer.from(JSON.stringify(answer)));
  }

  ack(line) {
    const { session } = line;
    session.line = line;
    session.tokens.splice(0, session.tokens.length - 1);
    for (const body of session.given.slice(line.from)) line.give(4, body);
  }

  // Every DATA package of a session goes by here.
  give(session, body) {
    session.given.push(body);
    session.line?.give(4, body);
  }

  push(route, value, session = this.session) {
    const name = Buffer.from(route);
    this.give(session, Buffer.concat([Buffer.from([6, name.length]), name,
      Buffer.from(JSON.stringify(value))]));
  }

  answer(id, value, session = this.session) {
    this.give(session,
      Buffer.concat([Buffer.from([4, ...id]), Buffer.from(JSON.stringify(value))]));
  }

  take(line, body) {
    const { session } = line;
    session.taken++;
    const request = (body[0] & 14) === 0;
    let at = 1;
    while (request && body[at++] & 0x80); // the id
    const id = body.subarray(1, at);
    const route = body.subarray(at + 1, at + 1 + body[at]).toString();
    const value = JSON.parse(body.subarray(at + 1 + body[at]).toString());
    session.ran.push(value.n ?? route);
    if (route === 'later') session.later = id;
    else if (request && route !== 'never') this.answer(id, { n: value.n }, session);
  }
}

let server;

class Line {
  constructor(url) {
    this.url = url;
    this.deaf = this.dumb = false;
    queueMicrotask(() => {
      if (server.up) this.onopen?.();
      else this.onclose?.({ code: 1006, reason: '' });
    });
  }

  send(bytes) {
    if (this.deaf) return;
    const body = Buffer.from(bytes.subarray(4));
    if (bytes[0] === 1) server.hello(this, JSON.parse(body.toString()).user);
    else if (bytes[0] === 2) server.ack(this);
    else if (bytes[0] === 4) server.take(this, body);
  }

  give(type, body = Buffer.alloc(0)) {
    if (this.dumb) return;
    const n = body.length;
    queueMicrotask(() => this.onmessage?.({
      data: Uint8Array.from([type, n >> 16, n >> 8 & 255, n & 255, ...body]).buffer,
    }));
  }

  // Nothing arrives any more, in either direction.
  silence() { this.deaf = this.dumb = true; }

  // The line is lost; the client sees it by this code.
  cut(code = 1006, reason = '') {
    this.silence();
    this.onclose({ code, reason });
  }

  // A client that says good-bye ends its session.
  close(code) {
    this.closed = code ?? 'empty';
    if (code === 1000 && this.session && !this.deaf) this.session.ended = true;
    this.silence();
    queueMicrotask(() => this.onclose?.({ code: 1000, reason: '' }));
  }
}

function equal(got, wanted, what) {
  if (got !== wanted) throw new Error(`${what}: ${got}, not ${wanted}`);
}
const same = (got, wanted, what) => equal(JSON.stringify(got), JSON.stringify(wanted), what);
const event = (client, name) => new Promise((done) => { client.once(name, done); });
const rejection = (promise) => promise.then(() => ({ code: 'fulfilled' }), (error) => error);
const pause = (ms = 0) => new Promise((done) => { setTimeout(done, ms); });

async function main() {
  const source = fs.readFileSync(FILE).toString('base64');
  const { connect, Client } = await import(`data:text/javascript;base64,${source}`);
  const options = { WebSocket: Line, reconnectDelay: 2, reconnectMaxDelay: 4, store: null };
  const open = (more) => connect('ws://fake/', { ...options, ...more });

  // All events of a client but errors, as text.
  function told(client) {
    const list = [];
    client.on('open', ({ again, resumed }) => list.push(`open ${again} ${resumed}`))
      .on('disconnect', ({ retry, resumable }) => list.push(`disconnect ${retry} ${resumable}`));
    return list;
  }

  // Cuts the line, and waits until the client is back.
  async function cutAndBack(client, cut = () => server.line.cut()) {
    const back = event(client, 'open');
    cut();
    return back;
  }

  const checks = {
    async 'it asks for a session that can be resumed, and takes it as it comes'() {
      server.user = { motd: 'hi' };
      const client = await open({ user: { name: 'ann' } });
      same(server.hellos, [{ name: 'ann', resume: {} }], 'the handshake');
      same(client.user, { motd: 'hi' }, 'what the game answered');
      client.disconnect();
      server.user = {};
      const other = await open();
      equal(other.user, undefined, 'a game that answers nothing');
      other.disconnect();
    },
    async 'it does not ask when it is told so, and where it cannot'() {
      for (const more of [{ resume: false }, { reconnect: false }, { user: 'ann' }, { user: [1] }]) {
        const client = await open(more);
        equal(JSON.stringify(server.hellos.pop() ?? {}).includes('resume'), false,
          JSON.stringify(more));
        const waiting = rejection(client.request('never'));
        server.line.cut();
        equal((await waiting).code, 'CLOSED', 'a request');
        client.disconnect();
      }
    },
    async 'with a server that does not resume all is as it was'() {
      server.resumes = false;
      server.user = { resume: 'of the game' };
      let logins = 0;
      const client = await open({ login: () => { logins++; } });
      same(client.user, { resume: 'of the game' }, 'user');
      const list = told(client);
      const waiting = rejection(client.request('never'));
      const back = cutAndBack(client);
      equal((await rejection(client.request('a'))).code, 'CLOSED', 'a request while it is away');
      await back;
      equal((await waiting).code, 'CLOSED', 'a request that was lost');
      same(list, ['disconnect true false', 'open true false'], 'events');
      equal(logins, 2, 'logins');
      client.disconnect();
    },
    async 'what both sides missed comes once, in order, and requests go on'() {
      let logins = 0;
      const client = await open({ login: () => { logins++; } });
      const list = told(client), heard = [];
      client.on('onLine', ({ n }) => heard.push(n));
      for (let n = 1; n <= 3; n++) server.push('onLine', { n });
      await client.request('a', { n: 'first' });
      const { session } = server, { line } = server;
      const later = client.request('later', { n: 'later' });
      line.silence();
      for (let n = 4; n <= 20; n++) server.push('onLine', { n });
      const lost = client.request('a', { n: 'lost' });
      client.notify('b', { n: 'lost too' });
      const back = event(client, 'open');
      line.cut();
      client.notify('b', { n: 'waits' });
      const waits = client.request('a', { n: 'waits too' });
      server.answer(session.later, { n: 'answered meanwhile' });
      same(await back, { again: true, resumed: true }, 'open');
      equal((await later).n, 'answered meanwhile', 'a request that waited');
      equal((await lost).n, 'lost', 'a request that was lost');
      equal((await waits).n, 'waits too', 'a request that was made meanwhile');
      same(heard, Array.from({ length: 20 }, (_, i) => i + 1), 'pushes');
      same(session.ran, ['first', 'later', 'lost', 'lost too', 'waits', 'waits too'], 'run');
      equal(server.sessions.length, 1, 'sessions');
      equal(logins, 1, 'logins');
      same(list, ['disconnect true true', 'open true true'], 'events');
      equal(server.hellos[1].resume.received, 4, 'what it said to have taken'); // with an answer
      client.disconnect();
    },
    async 'it is cut again and again without a gap and without a second time'() {
      const client = await open();
      const heard = [], answers = [];
      client.on('onLine', ({ n }) => heard.push(n));
      let n = 0;
      for (let i = 0; i < 200; i++) {
        const { line } = server;
        const end = i % 4;
        for (let k = 0; k < 5; k++) {
          if (k === end) line.deaf = true; // from here on the server hears nothing
          if (k === (end + 2) % 5) line.dumb = true; // and from here on the client
          n++;
          server.push('onLine', { n });
          answers.push(client.request('a', { n }));
        }
        await pause();
        await cutAndBack(client, () => line.cut());
      }
      same((await Promise.all(answers)).map((answer) => answer.n), heard, 'answers');
      same(heard, Array.from({ length: n }, (_, i) => i + 1), 'pushes');
      same(server.session.ran, heard, 'requests that were run');
      equal(server.sessions.length, 1, 'sessions');
      client.disconnect();
    },
    async 'the first attempt has no delay, also when the line was silent'() {
      server.heartbeat = 0.05;
      const client = await open({ reconnectDelay: 60000, reconnectMaxDelay: 60000 });
      const { now } = Date;
      Date.now = () => now() + 1000; // a line that has lived that long
      server.line.give(3);
      const { line } = server;
      line.silence();
      server.push('onLine', { n: 1 });
      const delay = event(client, 'reconnecting'), heard = event(client, 'onLine');
      const failed = event(client, 'error');
      equal((await failed).message, 'heartbeat timeout', 'what went wrong');
      equal((await delay).delay, 0, 'the delay');
      equal((await heard).n, 1, 'what was missed');
      equal(line.closed, 'empty', 'how the old line was closed'); // no good-bye
      Date.now = now;
      client.disconnect();
    },
    async 'a line that lived for a moment is replaced after the usual delay'() {
      const client = await open({ reconnectDelay: 60000, reconnectMaxDelay: 60000 });
      const delay = event(client, 'reconnecting');
      server.line.cut();
      equal((await delay).delay >= 30000, true, 'a delay');
      client.disconnect();
    },
    async 'the network that is there again, or another one, makes it connect at once'() {
      const listeners = new Set();
      globalThis.addEventListener = (name, fn) => name === 'online' && listeners.add(fn);
      globalThis.removeEventListener = (name, fn) => listeners.delete(fn);
      try {
        const client = await open({ reconnectDelay: 60000, reconnectMaxDelay: 60000 });
        const { line } = server;
        server.up = false;
        line.cut();
        server.up = true;
        equal(client.state, 'waiting', 'state');
        let back = event(client, 'open');
        for (const fn of [...listeners]) fn();
        equal((await back).resumed, true, 'after a cut');
        const looks = server.line; // open; but it belongs to the old network
        looks.silence();
        server.push('onLine', { n: 1 });
        const heard = event(client, 'onLine');
        back = event(client, 'open');
        for (const fn of [...listeners]) fn();
        const dials = server.line; // in a network that is gone, too
        server.hello = () => {};
        await pause();
        delete server.hello;
        for (const fn of [...listeners]) fn();
        equal(server.line, dials, 'no line of the attempt');
        equal((await back).resumed, true, 'in another network');
        equal((await heard).n, 1, 'what was missed');
        equal(looks.closed, 'empty', 'the old line');
        client.disconnect();
        equal(listeners.size, 0, 'listeners that are left');
      } finally {
        delete globalThis.addEventListener;
        delete globalThis.removeEventListener;
      }
    },
    async 'a session that the server does not know any more is begun again'() {
      let logins = 0;
      const client = await open({ login: async () => { logins++; } });
      const list = told(client);
      const waiting = rejection(client.request('never'));
      server.forgets = true;
      const back = cutAndBack(client);
      const meanwhile = rejection(client.request('a', { n: 'meanwhile' }));
      same(await back, { again: true, resumed: false }, 'open');
      equal((await waiting).code, 'CLOSED', 'a request that waited');
      equal((await meanwhile).code, 'CLOSED', 'a request that was made meanwhile');
      equal(logins, 2, 'logins');
      same(list, ['disconnect true true', 'open true false'], 'events');
      same(server.session.ran, [], 'requests of the old session');
      equal((await client.request('a', { n: 1 })).n, 1, 'a request after it');
      server.push('onLine', { n: 1 });
      server.line.silence();
      server.push('onLine', { n: 2 });
      const heard = [];
      client.on('onLine', ({ n }) => heard.push(n));
      equal((await cutAndBack(client)).resumed, true, 'the new session');
      await pause();
      same(heard, [1, 2], 'pushes of the new session');
      client.disconnect();
    },
    async 'after the grace requests are rejected; it still asks for its session'() {
      server.grace = 0.02;
      const client = await open();
      const waiting = rejection(client.request('never', { n: 'never' }));
      server.up = false;
      server.line.cut();
      const queued = rejection(client.request('a', { n: 'queued' }));
      equal((await waiting).message, 'the connection did not come back in time', 'a request');
      equal((await queued).code, 'CLOSED', 'a request that was made meanwhile');
      equal((await rejection(client.request('a'))).code, 'CLOSED', 'a request after it');
      server.push('onLine', { n: 1 });
      const heard = event(client, 'onLine'), back = event(client, 'open');
      server.up = true;
      same(await back, { again: true, resumed: true }, 'the server has it still');
      equal((await heard).n, 1, 'what was missed');
      same(server.session.ran, ['never'], 'run');
      client.disconnect();
    },
    async 'what waits for the line is bounded'() {
      const client = await open();
      server.up = false;
      const { session } = server;
      server.line.cut();
      const text = 'x'.repeat(1000), waiting = [];
      let error;
      for (let n = 1; n < 100 && !error; n++) {
        try {
          client.notify('b', { n, text });
          waiting.push(n);
        } catch (caught) {
          error = caught;
        }
      }
      equal(error.code, 'CLOSED', 'one too many');
      equal(error.message, `more than ${KEEP} bytes wait for the connection`, 'its message');
      equal((await rejection(client.request('a', { text }))).code, 'CLOSED', 'a request');
      equal(waiting.length, 63, 'messages that wait');
      server.up = true;
      await event(client, 'open');
      same(session.ran, waiting, 'run');
      client.disconnect();
    },
    async 'a request whose time is over before it was sent is not sent'() {
      const client = await open();
      server.up = false;
      const { session } = server;
      server.line.cut();
      client.notify('b', { n: 1 });
      const late = rejection(client.request('a', { n: 2 }, { timeout: 5 }));
      client.notify('b', { n: 3 });
      equal((await late).code, 'TIMEOUT', 'the request');
      server.up = true;
      await event(client, 'open');
      same(session.ran, [1, 3], 'run');
      await cutAndBack(client);
      equal((await client.request('a', { n: 4 })).n, 4, 'a request after it');
      same(session.ran, [1, 3, 4], 'run in the end');
      client.disconnect();
    },
    async 'a session that misses what is not kept any more is given up, and ended'() {
      let logins = 0;
      const client = await open({ login: async () => { logins++; } });
      const { line, session } = server;
      let wrong;
      client.on('error', ({ message }) => { wrong = message; });
      line.silence();
      const text = 'x'.repeat(1000);
      for (let n = 1; n <= 70; n++) client.notify('b', { n, text });
      same(await cutAndBack(client, () => line.cut()), { again: true, resumed: false }, 'open');
      equal(session.ended, true, 'the old session is over at the server');
      same(session.ran, [], 'run in it');
      equal(server.sessions.length, 2, 'sessions');
      equal(wrong, 'the session could not be resumed', 'the error');
      equal(JSON.stringify(server.hellos[2]), '{"resume":{}}', 'the handshake after it');
      equal(logins, 2, 'logins');
      client.disconnect();
    },
    async 'a server that resumes what nobody asked for is not asked again at once'() {
      const { give } = Line.prototype;
      Line.prototype.give = function wrong(type, body) {
        const text = body.toString().replace('"recovered":false', '"recovered":true');
        give.call(this, type, Buffer.from(text));
      };
      const before = server.lines;
      const error = await rejection(open());
      Line.prototype.give = give;
      equal(error.message, 'the session could not be resumed', 'open()');
      equal(server.lines, before + 1, 'attempts');
    },
    async 'as much may be sent as one likes, as long as it arrives'() {
      const client = await open();
      const { session } = server, text = 'x'.repeat(1000), all = [];
      for (let n = 1; n <= 200; n++) {
        if (n === 190) server.line.deaf = true;
        client.notify('b', { n, text });
        all.push(n);
      }
      equal((await cutAndBack(client)).resumed, true, 'resumed');
      same(session.ran, all, 'run');
      await client.request('a', { n: 201 });
      server.line.deaf = true;
      for (let n = 202; n <= 250; n++) client.notify('b', { n, text });
      equal((await cutAndBack(client)).resumed, true, 'resumed once more');
      equal(session.ran.length, 250, 'messages that were run');
      client.disconnect();
    },
    async 'a line that is lost in the login is one that is lost: the login goes on'() {
      for (const first of [true, false]) {
        let logins = 0;
        const login = async (connection) => {
          logins++;
          if (first || logins === 2) {
            const { line } = server;
            queueMicrotask(() => {
              line.dumb = true;
              connection.request('a', { n: 2 });
              queueMicrotask(() => line.cut());
            });
          }
          await pause();
          await connection.request('a', { n: 1 });
        };
        server = new Server();
        const client = new Client('ws://fake/', { ...options, login });
        const list = told(client);
        await client.open();
        if (!first) {
          server.forgets = true;
          await cutAndBack(client);
        }
        equal(client.state, 'open', 'state');
        equal(logins, first ? 1 : 2, 'logins');
        same(list, first ? ['open false false']
          : ['open false false', 'disconnect true true', 'open true false'], 'events');
        same([...server.session.ran].sort(), [1, 2], 'run');
        client.disconnect();
      }
    },
    async 'an open() whose line does not come back in the login has failed'() {
      server.grace = 0.02;
      const opening = rejection(open({ login: (connection) => {
        server.up = false;
        queueMicrotask(() => server.line.cut());
        return connection.request('never');
      } }));
      equal((await opening).message, 'the connection did not come back in time', 'open()');
      const before = server.hellos.length;
      server.up = true;
      await pause(10);
      equal(server.hellos.length, before, 'attempts after it');
    },
    async 'a login that fails ends the session'() {
      const opening = rejection(open({ login: () => { throw new Error('taken'); } }));
      equal((await opening).message, 'taken', 'open()');
      equal(server.session.ended, true, 'the session is over');
    },
    async 'disconnect() is final, whenever it comes'() {
      const client = await open();
      const { line, session } = server;
      client.disconnect();
      equal(line.closed, 1000, 'how it closes');
      equal(session.ended, true, 'the session is over');
      const other = await open();
      server.up = false;
      const list = told(other);
      const waiting = rejection(other.request('never'));
      server.line.cut();
      other.disconnect();
      equal((await waiting).message, 'disconnected', 'a request');
      equal((await rejection(other.request('a'))).code, 'CLOSED', 'a request after it');
      server.up = true;
      await other.open();
      same(list, ['disconnect true true', 'open false false'], 'events');
      same(server.hellos[2], { resume: {} }, 'the next handshake');
      other.disconnect();
    },
    async 'a kick, a stop and a broken message end the session'() {
      for (const [what, end, code] of [
        ['kick', (line) => line.give(5, Buffer.from('{"reason":"x"}')), 'KICKED'],
        ['stop', (line) => line.cut(1001, 'move'), 'MOVED'],
        ['broken', (line) => line.give(9), 'PROTOCOL'],
      ]) {
        const client = await open();
        client.on('error', () => {});
        const waiting = rejection(client.request('never'));
        const gone = event(client, 'disconnect');
        server.session.ended = true;
        end(server.line);
        equal((await waiting).code, code, what);
        const { retry, resumable } = await gone;
        equal(`${retry} ${resumable}`, `${what !== 'kick'} false`, `disconnect after ${what}`);
        if (retry) same((await event(client, 'open')).resumed, false, `open after ${what}`);
        client.disconnect();
      }
    },
    async 'who refuses the handshake has not ended the session'() {
      const client = await open({ token: () => 'a.b.c' });
      const waiting = client.request('later', { n: 1 });
      const refused = event(client, 'error'), back = event(client, 'open');
      server.codes = [401];
      const { session } = server;
      server.line.cut();
      server.answer(session.later, { n: 7 }, session);
      equal((await refused).status, 401, 'the first attempt');
      equal((await back).resumed, true, 'the second attempt');
      equal((await waiting).n, 7, 'a request');
      client.disconnect();
    },
    async 'an answer that is lost does no harm'() {
      const client = await open();
      server.push('onLine', { n: 1 });
      await pause();
      const hello = server.hello.bind(server), lost = 2;
      let n = 0;
      server.hello = (line, user) => {
        line.dumb = n++ < lost;
        hello(line, user);
        if (line.dumb) queueMicrotask(() => line.cut());
      };
      equal((await cutAndBack(client)).resumed, true, 'resumed');
      same(server.hellos.map(({ resume }) => resume.token), [undefined, 't1-1', 't1-1', 't1-1'],
        'the tokens that were shown');
      equal(server.hellos[3].resume.received, 1, 'what it has taken');
      client.disconnect();
    },
    async 'it goes back to the server of its session, and to another one when that is gone'() {
      const places = ['ws://a/', 'ws://b/', 'ws://c/', 'ws://d/'];
      const urls = [];
      class Noted extends Line {
        constructor(url) {
          super(url);
          urls.push(url);
        }
      }
      const client = await connect(() => places.shift(), { ...options, WebSocket: Noted });
      equal((await cutAndBack(client)).resumed, true, 'the server is there');
      same(urls, ['ws://a/', 'ws://a/'], 'where it was');
      server.up = false;
      const back = event(client, 'open');
      server.line.cut();
      for (let n = 1; n <= 3; n++) await event(client, 'reconnecting').catch(() => {});
      server.up = true;
      await back;
      same(urls.slice(2, 5), ['ws://a/', 'ws://a/', 'ws://c/'], 'once more, and another one');
      client.disconnect();
    },
  };

  for (const [what, see] of Object.entries(checks)) {
    server = new Server();
    try {
      await see();
      report({ event: 'ok', what });
    } catch (error) {
      report({ event: 'failed', what, body: String(error?.stack ?? error) });
    }
  }
  report({ event: 'done' });
}

main().finally(() => process.exit());
