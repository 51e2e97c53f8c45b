// Two people of the chat, whose lines are cut at random bytes: node cuts.js PORT CUTS
//
//   PORT  of a connector     CUTS  of each of both
//
// Both are the page's client, in node. While they write numbered lines, by requests, their lines are
// cut: by a reset, by an end, or by silence, which the client ends as a page in another network does.
// Prints {"event":"done","cuts":N} when each has had every line once and in order, and neither saw
// the other one leave; else {"event":"failed","body":why}.
const fs = require('fs');
const path = require('path');
const WebSocket = require('ws');
const { Network } = require('./network');

const FILE = path.join(__dirname, '..', '..', 'examples', 'chat', 'web', 'pomelua.js');
const WINDOW = 8; // requests of one that wait at once
const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

async function person(Client, name, port, cuts) {
  const network = new Network();
  const online = new Set();
  await network.start([port]);
  // Each client has a window of its own for the event `online`.
  const own = { add: (fn) => online.add(fn), remove: (fn) => online.delete(fn) };
  globalThis.addEventListener = (_, fn) => own.add(fn);
  globalThis.removeEventListener = (_, fn) => own.remove(fn);
  const client = new Client({ host: '127.0.0.1', port: network.ports[port] }, {
    WebSocket, reconnectDelay: 1, reconnectMaxDelay: 5, store: null, timeout: 60000,
    login: (connection) => connection.request('connector.entryHandler.enter',
      { username: name, rid: 'cuts' }),
  });
  const one = { name, client, network, heard: {}, left: 0, cuts: 0, resumed: 0, wrong: null };
  client.on('onChat', ({ from, msg }) => (one.heard[from] ??= []).push(Number(msg)));
  client.on('onLeave', () => { one.left++; });
  client.on('open', ({ again, resumed }) => {
    if (again && !resumed) one.wrong = 'a session was not resumed';
    if (again) one.resumed++;
  });
  await client.open();
  one.cut = () => {
    const how = ['reset', 'end', 'silence'][one.cuts % 3];
    one.cuts++;
    if (how === 'silence') {
      network.silence();
      setTimeout(() => { for (const fn of [...online]) fn(); }, 1);
    } else {
      network.cut(how);
    }
    if (one.cuts < cuts) network.after(1 + Math.floor(Math.random() * 3000), one.cut);
  };
  network.after(500, one.cut);
  return one;
}

async function talk(one, until) {
  let n = 0;
  async function lane() {
    while (!until()) {
      const content = String(++n);
      const { route } = await one.client.request('chat.chatHandler.send', { content, target: '*' });
      if (route !== 'chat.chatHandler.send') throw new Error(`${one.name} is answered ${route}`);
    }
  }
  await Promise.all(Array.from({ length: WINDOW }, lane));
  return n;
}

function check(one, other, n) {
  if (one.wrong) throw new Error(`${one.name}: ${one.wrong}`);
  if (one.left > 0) throw new Error(`${one.name} saw somebody leave`);
  for (const from of [one.name, other.name]) {
    const list = one.heard[from] ?? [];
    const bad = list.findIndex((got, i) => got !== i + 1);
    if (bad >= 0) throw new Error(`${one.name}: line ${bad + 1} of ${from} is ${list[bad]}`);
    if (list.length !== n[from]) {
      throw new Error(`${one.name} has ${list.length} of ${n[from]} lines of ${from}`);
    }
  }
}

async function main() {
  const [port, cuts] = process.argv.slice(2).map(Number);
  const source = fs.readFileSync(FILE).toString('base64');
  const { Client } = await import(`data:text/javascript;base64,${source}`);
  const ann = await person(Client, 'ann', port, cuts);
  const bob = await person(Client, 'bob', port, cuts);
  const until = () => ann.cuts >= cuts && bob.cuts >= cuts || ann.wrong || bob.wrong;
  const [anns, bobs] = await Promise.all([talk(ann, until), talk(bob, until)]);
  await Promise.all([ann, bob].map((one) =>
    one.client.request('chat.chatHandler.send', { content: '0', target: 'nobody' })));
  check(ann, bob, { ann: anns, bob: bobs });
  check(bob, ann, { ann: anns, bob: bobs });
  report({ event: 'done', cuts: ann.cuts + bob.cuts, resumed: ann.resumed + bob.resumed,
    lines: anns + bobs });
}

main().catch((error) => {
  report({ event: 'failed', body: String(error?.message ?? error) });
}).finally(() => process.exit());
