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

  constructor() {
    Fake.last = this;
    queueMicrotask(() => this.onopen?.());
  }

  send(bytes) {
    if (bytes[0] === 1) this.give(1, Buffer.from(JSON.stringify({ code: 200, sys: Fake.sys })));
    if (bytes[0] !== 4 || bytes[4] !== 0) return;
    if (Buffer.from(bytes).includes('never')) return;
    this.give(4, Buffer.concat([Buffer.from([4, bytes[5]]), Buffer.from('{"code":200}')]));
  }

  give(type, body) {
    queueMicrotask(() => this.onmessage?.({
      data: Uint8Array.from([type, 0, body.length >> 8, body.length & 255, ...body]).buffer,
    }));
  }

  kick(reason) { this.give(5, Buffer.from(JSON.stringify({ reason }))); }

  end(code) { this.onclose({ code, reason: '' }); }

  close() { queueMicrotask(() => this.onclose?.({ code: 1000, reason: '' })); }
}

function equal(got, wanted, what) {
  if (got !== wanted) throw new Error(`${what}: ${got}, not ${wanted}`);
}

const event = (client, name) => new Promise((done) => { client.once(name, done); });
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
    async 'a message that is no JSON value is refused with its route'() {
      const client = await open();
      const error = await rejection(client.request('a.b.c', () => {}));
      equal(error.message, 'a.b.c: the message is no JSON value', 'request');
      client.disconnect();
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
