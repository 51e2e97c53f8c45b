// The page's client against a WebSocket without a network: node ours-alone.js
//
// Prints one JSON line for each thing that was to be seen, as page.js does.
const fs = require('fs');
const path = require('path');

const FILE = path.join(__dirname, '..', '..', 'examples', 'chat', 'web', 'pomelua.js');
const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

// Shakes hands; answers requests but for the route "never"; its other end is cut(), close() and kick().
class Fake {
  static last = null;
  static sys = {};
  static hello = null; // what the client said of itself
  static user = null; // and of its user
  static code = 200; // of the answer to a handshake
  static sent = null; // the body of its last package
  static answer = '{"code":200}';
  static url = null; // where it was told to connect to

  constructor(url) {
    Fake.last = this;
    Fake.url = url;
    queueMicrotask(() => this.onopen?.());
  }

  send(bytes) {
    Fake.sent = Buffer.from(bytes.subarray(4));
    if (bytes[0] === 1) {
      ({ sys: Fake.hello, user: Fake.user } = JSON.parse(Fake.sent.toString()));
      this.give(1, Buffer.from(JSON.stringify({ code: Fake.code, sys: Fake.sys })));
    }
    if (bytes[0] !== 4 || (bytes[4] & 14) !== 0) return; // no request
    if (Buffer.from(bytes).includes('never')) return;
    this.give(4, Buffer.concat([Buffer.from([4, bytes[5]]), Buffer.from(Fake.answer)]));
  }

  give(type, body) {
    queueMicrotask(() => this.onmessage?.({
      data: Uint8Array.from([type, 0, body.length >> 8, body.length & 255, ...body]).buffer,
    }));
  }

  kick(reason) { this.give(5, Buffer.from(JSON.stringify({ reason }))); }

  end(code, reason = '') { this.onclose({ code, reason }); }

  close() { queueMicrotask(() => this.onclose?.({ code: 1000, reason: '' })); }
}

function equal(got, wanted, what) {
  if (got !== wanted) throw new Error(`${what}: ${got}, not ${wanted}`);
}

// What a server gives with a dictionary and definitions.
function given() {
  const field = (type, tag) => ({ option: 'optional', type, tag });
  const move = { x: field('uInt32', 1), name: field('string', 2), __messages: {},
    __tags: { 1: 'x', 2: 'name' } };
  const ask = { text: field('string', 1), __messages: {}, __tags: { 1: 'text' } };
  const dict = { 'a.b.c': 1, onMove: 2 };
  return {
    dict, routeToCode: dict, codeToRoute: { 1: 'a.b.c', 2: 'onMove' }, dictVersion: 'd1',
    useDict: true, useProto: true,
    protos: { server: { onMove: move, 'a.b.c': move }, client: { 'a.b.c': ask }, version: 'p1' },
  };
}

// A token that is good for so many seconds.
function token(seconds, more) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  return `${part({ alg: 'HS256' })}.${part({ sub: 'ännü?>~', exp: now + seconds, ...more })}.c2ln`;
}

const event = (client, name) => new Promise((done) => { client.once(name, done); });
async function until(check) {
  while (!check()) await new Promise((done) => { setTimeout(done, 5); });
}

const rejection = (promise) => promise.then(() => ({ code: 'fulfilled' }), (error) => error);

async function main() {
  const source = fs.readFileSync(FILE).toString('base64');
  const { connect, Client } = await import(`data:text/javascript;base64,${source}`);
  const open = (options) => connect('ws://fake/', { WebSocket: Fake, reconnectDelay: 1, ...options });

  const checks = {
    async 'disconnect() in any of its events is obeyed'() {
      for (const name of ['disconnect', 'reconnecting', 'error', 'kick']) {
        const client = await open({ timeout: 20 });
        let tries = 0;
        client.on(name, () => client.disconnect()).on('reconnecting', () => { tries++; });
        if (name === 'kick') Fake.last.kick('x');
        else if (name === 'error') Fake.last.give(9, Buffer.alloc(0));
        else Fake.last.end(1006);
        await new Promise((done) => { setTimeout(done, 20); });
        equal(client.state, 'closed', name);
        equal(tries, name === 'reconnecting' ? 1 : 0, `attempts after ${name}`);
      }
    },
    async 'open() in "disconnect" opens, once'() {
      const client = await open();
      client.once('disconnect', () => client.open());
      const again = event(client, 'open');
      Fake.last.end(1006);
      equal((await again).again, false, 'again');
      equal(client.state, 'open', 'state');
      client.disconnect();
    },
    async 'options that are undefined or null are left out'() {
      const names = ['user', 'login', 'timeout', 'reconnect', 'reconnectDelay', 'reconnectMaxDelay',
        'reconnectAttempts'];
      for (const nothing of [undefined, null]) {
        const client = await open(Object.fromEntries(names.map((name) => [name, nothing])));
        equal((await client.request('a.b.c', {}, { timeout: nothing })).code, 200, 'answer');
        const waiting = event(client, 'reconnecting');
        Fake.last.end(1006);
        const { delay } = await waiting;
        if (!(delay >= 250 && delay <= 500)) throw new Error(`the first delay is ${delay}`);
        client.disconnect();
      }
      globalThis.WebSocket = Fake;
      (await connect('ws://fake/', { WebSocket: undefined })).disconnect();
      (await connect('ws://fake/')).disconnect();
    },
    async 'an option that makes no sense is a TypeError that names it'() {
      for (const name of ['timeout', 'reconnectDelay', 'reconnectMaxDelay', 'reconnectAttempts']) {
        for (const value of [NaN, -1, '5']) {
          const error = await rejection(open({ [name]: value }));
          if (!(error instanceof TypeError && error.message.includes(name))) {
            throw new Error(`${name} = ${value}: ${error}`);
          }
        }
      }
      const error = await rejection(open().then((client) => client.request('a.b.c', {}, { timeout: -1 })));
      equal(error.constructor, TypeError, 'timeout of a request');
      const { host } = await rejection(connect({ port: 1 }, { WebSocket: Fake }));
      equal(host, undefined, 'a target without a host');
    },
    async 'it connects by TLS when its page came by HTTPS'() {
      const url = async (target) => {
        (await connect({ host: 'h', port: 1, ...target }, { WebSocket: Fake })).disconnect();
        return Fake.url;
      };
      equal(await url(), 'ws://h:1/', 'without a page');
      for (const protocol of ['http:', 'https:']) {
        globalThis.location = { protocol };
        equal(await url(), protocol === 'https:' ? 'wss://h:1/' : 'ws://h:1/', protocol);
        equal(await url({ secure: true }), 'wss://h:1/', `secure on ${protocol}`);
        equal(await url({ secure: false }), 'ws://h:1/', `not secure on ${protocol}`);
      }
      delete globalThis.location;
    },
    async 'no limit is 0 or Infinity'() {
      for (const timeout of [0, Infinity]) {
        const client = await open({ timeout });
        const waiting = rejection(client.request('never'));
        await new Promise((done) => { setTimeout(done, 20); });
        client.disconnect();
        equal((await waiting).code, 'CLOSED', `timeout ${timeout}`);
      }
    },
    async 'what waits when the kick comes is rejected with KICKED'() {
      const client = await open();
      const waiting = rejection(client.request('never'));
      Fake.last.kick('x');
      equal((await waiting).code, 'KICKED', 'a request');
      equal(client.state, 'closed', 'state');
    },
    async 'a kick during the login is a KICKED of open()'() {
      const opening = rejection(open({ login: (client) => {
        Fake.last.kick('x');
        return client.request('never');
      } }));
      equal((await opening).code, 'KICKED', 'open()');
    },
    async 'a server that goes away (1001) is tried again, after a delay that varies'() {
      const delays = new Set();
      for (let i = 0; i < 8; i++) {
        const client = await open({ reconnectDelay: 1000 });
        const gone = event(client, 'disconnect');
        client.on('reconnecting', ({ delay }) => delays.add(delay));
        Fake.last.end(1001);
        const { code, retry } = await gone;
        equal(code, 1001, 'code');
        equal(retry, true, 'retry');
        client.disconnect();
      }
      if (delays.size < 2) throw new Error('all delays are the same');
      for (const delay of delays) {
        if (delay < 500 || delay > 1000) throw new Error(`a delay of ${delay}`);
      }
    },
    async 'a client that is told to move (1001, move) connects again within a second'() {
      const delays = new Set();
      for (let i = 0; i < 8; i++) {
        const client = await open({ reconnectDelay: 60000, reconnectMaxDelay: 60000 });
        const waiting = rejection(client.request('never'));
        const gone = event(client, 'disconnect');
        client.on('reconnecting', ({ delay }) => delays.add(delay));
        Fake.last.end(1001, 'move');
        equal((await waiting).code, 'MOVED', 'a request that was not run');
        const { code, reason, retry } = await gone;
        equal(`${code} ${reason} ${retry}`, '1001 move true', 'disconnect');
        equal(client.state, 'waiting', 'state');
        client.disconnect();
      }
      if (delays.size < 2) throw new Error('all delays are the same');
      for (const delay of delays) if (delay > 1000) throw new Error(`a delay of ${delay}`);
    },
    async 'a function is asked where to connect to for each connection'() {
      const places = [{ host: 'a', port: 1 }, null, 'ws://b:2/'];
      const options = { WebSocket: Fake, reconnectDelay: 1, reconnectMaxDelay: 1 };
      const client = await connect(async () => {
        const place = places.shift();
        if (!place) throw new Error('the gate is gone');
        return place;
      }, options);
      equal(client.url, 'ws://a:1/', 'the first');
      const failed = event(client, 'error');
      const back = event(client, 'open');
      Fake.last.end(1001, 'move');
      equal((await failed).message, 'the gate is gone', 'an attempt without an address');
      await back;
      equal(Fake.url, 'ws://b:2/', 'the next');
      equal(client.url, 'ws://b:2/', 'url');
      client.disconnect();
      const first = await rejection(connect(() => { throw new Error('no'); }, options));
      equal(first.message, 'no', 'a first attempt without an address');
      const wrong = await rejection(connect(() => ({ port: 1 }), options));
      equal(wrong.constructor, TypeError, 'no address');
    },
    async 'disconnect() while it is asked where to connect to is obeyed'() {
      let give = null;
      const client = new Client(() => new Promise((done) => { give = done; }), { WebSocket: Fake });
      const opening = rejection(client.open());
      await new Promise((done) => { setTimeout(done); });
      client.disconnect();
      const before = Fake.last;
      give('ws://late/');
      equal((await opening).code, 'CLOSED', 'open()');
      equal(Fake.last, before, 'the last connection');
      equal(client.state, 'closed', 'state');
    },
    async 'a message that is no JSON value is refused with its route'() {
      const client = await open();
      const error = await rejection(client.request('a.b.c', () => {}));
      equal(error.message, 'a.b.c: the message is no JSON value', 'request');
      client.disconnect();
    },
    async 'it speaks the protobuf and the dictionary that it is given'() {
      Fake.sys = given();
      const client = await open({ store: null });
      equal(Fake.hello.protoVersion, undefined, 'a version of definitions');
      const pushed = event(client, 'onMove');
      Fake.last.give(4, Buffer.from([7, 0, 2, 0x08, 0xac, 0x02, 0x12, 0x01, 0x61]));
      equal(JSON.stringify(await pushed), '{"x":300,"name":"a"}', 'the push');
      Fake.answer = Buffer.from([0x08, 0x05]);
      equal((await client.request('a.b.c', { text: 'hi' })).x, 5, 'the answer');
      equal(Fake.sent.toString('hex'), '010100010a026869', 'the request'); // by number
      Fake.answer = '{"code":500}'; // JSON in spite of the definition
      equal((await client.request('a.b.c', { text: 'hi' })).code, 500, 'the second answer');
      const error = await rejection(client.request('a.b.c', { text: 5 }));
      equal(error.message, 'a.b.c: text: a string is needed', 'a message that does not fit');
      equal(error.constructor, TypeError, 'its error');
      Fake.last.give(4, Buffer.from([7, 0, 2, 0x08])); // a cut one
      equal((await event(client, 'error')).code, 'PROTOCOL', 'a message that is cut off');
      client.disconnect();
      Fake.answer = '{"code":200}';
    },
    async 'what it was given it keeps for the next connection, by address'() {
      const kept = new Map();
      const store = {
        getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => kept.set(key, text),
      };
      Fake.sys = given();
      (await open({ store })).disconnect();
      Fake.sys = { useDict: true, useProto: true }; // the versions are right
      const client = await open({ store });
      equal(Fake.hello.protoVersion, 'p1', 'the version of the definitions');
      equal(Fake.hello.dictVersion, 'd1', 'the version of the dictionary');
      const pushed = event(client, 'onMove');
      Fake.last.give(4, Buffer.from([7, 0, 2, 0x08, 0x01]));
      equal((await pushed).x, 1, 'the push');
      client.disconnect();
      (await connect('ws://other/', { WebSocket: Fake, store })).disconnect();
      equal(Fake.hello.protoVersion, undefined, 'the version for another server');
      Fake.sys = {}; // it uses neither any more
      (await open({ store })).disconnect();
      Fake.sys = {};
      (await open({ store })).disconnect();
      equal(Fake.hello.protoVersion, undefined, 'the version after it was taken back');
    },
    async 'a store that cannot be read or written does no harm'() {
      const bad = () => { throw new Error('no'); };
      for (const store of [{ getItem: bad, setItem: bad }, { getItem: () => '{', setItem: bad }]) {
        Fake.sys = given();
        (await open({ store })).disconnect();
        equal(Fake.hello.protoVersion, undefined, 'a version');
      }
      Fake.sys = {};
    },
    async 'a token is sent with each handshake'() {
      const client = await open({ token: 'a.b.c', user: { name: 'ann' } });
      equal(JSON.stringify(Fake.user), '{"name":"ann","token":"a.b.c","resume":{}}', 'the user');
      client.disconnect();
      (await open()).disconnect();
      equal(JSON.stringify(Fake.user), '{"resume":{}}', 'the user without a token');
      let n = 0;
      const other = await open({ token: async () => `${n++}` });
      const again = event(other, 'open');
      Fake.last.end(1006);
      await again;
      equal(Fake.user.token, '1', 'the token of a reconnection');
      other.disconnect();
    },
    async 'a function is asked for a new token before the old one expires'() {
      const left = [token(1), token(3600)], second = left[1];
      const client = await open({ token: () => left.shift() });
      equal(left.length, 1, 'not asked yet');
      await until(() => left.length === 0 && Fake.sent.includes('sys.refresh'));
      equal(JSON.parse(Fake.sent.subarray(Fake.sent.indexOf('{'))).token, second, 'the token');
      client.disconnect();
    },
    async 'a new token that is refused is an error, and the connection stays'() {
      let n = 0;
      const client = await open({ token: () => { n++; return token(1); } });
      Fake.answer = '{"code":401}';
      const error = await event(client, 'error');
      Fake.answer = '{"code":200}';
      equal(error.message, 'the server refuses the new token (code 401)', 'the error');
      equal(client.state, 'open', 'the state');
      equal(n, 2, 'asked');
      client.disconnect();
    },
    async 'a connection whose token has expired comes back with another one'() {
      let kicks = 0;
      const client = await open({ token: () => 'a.b.c' });
      client.on('kick', () => { kicks++; });
      const gone = event(client, 'disconnect');
      const back = event(client, 'open');
      Fake.last.kick('expired');
      equal((await gone).retry, true, 'retry');
      equal((await back).again, true, 'again');
      equal(kicks, 0, 'kicks');
      client.disconnect();
      const fixed = await open({ token: 'a.b.c' }); // there is no other one
      const kick = event(fixed, 'kick');
      Fake.last.kick('expired');
      equal((await kick).reason, 'expired', 'the reason');
    },
    async 'without a token there is no connection'() {
      Fake.code = 401;
      const refused = await rejection(open({ token: 'a.b.c' }));
      Fake.code = 200;
      equal(refused.message, 'the server refuses the token (code 401)', 'refused');
      equal(refused.status, 401, 'its status');
      const down = () => { throw new Error('no login'); };
      for (const bad of [down, async () => down()]) {
        equal((await rejection(open({ token: bad }))).message, 'no login', 'an error of its own');
      }
      equal((await rejection(open({ token: () => 7 }))).message,
        'the function token gave no string, but 7', 'a number');
      equal((await rejection(open({ token: 7 }))).constructor, TypeError, 'an option that is none');
    },
    async 'empty definitions of protobuf are no protobuf'() {
      Fake.sys = { useProto: true, protos: { server: {}, client: {}, version: 0 } };
      const client = new Client('ws://fake/', { WebSocket: Fake });
      await client.open();
      Fake.sys = {};
      client.disconnect();
    },
  };
  for (const [what, see] of Object.entries(checks)) {
    try {
      await see();
      report({ event: 'ok', what });
    } catch (error) {
      report({ event: 'failed', what, body: String(error?.message ?? error) });
    }
  }
  report({ event: 'done' });
}

main().finally(() => process.exit());
