// A real Pomelo client, driven from outside: node client.js KIND
//
//   template  the browser build of Pomelo's own template, in a node vm with ws as WebSocket
//   browser   the same in Chromium
//   npm       pomelo-jsclient-websocket with pomelo-protocol, from npm
//   pinus     the client of Pinus's robots, pinus-robot-plugin, from npm
//   ours      examples/chat/web/pomelua.js
//   ws, tcp   packages made with pomelo-protocol, over WebSocket or a plain socket
//   wss, tls  the same by TLS
//
// Reads one command a line and prints one event a line, both JSON:
//
//   {"cmd":"connect","port":P,"reconnect":bool,"user":{}}   -> {"event":"connected"}
//   {"cmd":"request","tag":T,"route":R,"msg":M}             -> {"event":"answer","tag":T,"body":B}
//   {"cmd":"notify","route":R,"msg":M}
//   {"cmd":"disconnect"}                                    -> {"event":"disconnect"}
//   whatever the server pushes                              -> {"event":"push","route":R,"body":B}
//   and "kick" {body}, "disconnect", "reconnect", "failed" {body}
//
// The raw kinds also know {"cmd":"send","hex":H}, and print {"event":"package","type":T,"alone":A}
// for each package: alone says that it had its frame, or its chunk, for itself.
// It ends when its input ends.
const readline = require('readline');

const kinds = {
  template: './kind-template', npm: './kind-npm', browser: './kind-browser',
  pinus: './kind-pinus', ours: './kind-ours', ws: './kind-raw', tcp: './kind-raw',
  wss: './kind-raw', tls: './kind-raw',
};

function report(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

// The clients talk to the console; our output is for events.
console.log = console.info = console.warn = console.error;

async function main() {
  const kind = process.argv[2];
  if (!kinds[kind]) throw new Error(`usage: node client.js ${Object.keys(kinds).join('|')}`);
  const client = await require(kinds[kind])(report, kind);
  report({ event: 'ready' });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { cmd, ...args } = JSON.parse(line);
    await client[cmd](args);
  }
  await client.end?.();
  process.exit(0);
}

main().catch((error) => {
  report({ event: 'failed', body: String(error?.stack ?? error) });
  process.exit(1);
});
