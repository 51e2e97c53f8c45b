// The client that the chat example brings, in node. {"cmd":"store","key":K,"value":V} puts
// something into its localStorage, and {"cmd":"stored","key":K} prints {"event":"stored","body":V}.
const fs = require('fs');
const path = require('path');
const WebSocket = require('ws');

const FILE = path.join(__dirname, '..', '..', 'examples', 'chat', 'web', 'pomelua.js');

module.exports = async function ours(report) {
  // A .js file that is a module: node takes it as one from a data: address.
  const source = fs.readFileSync(FILE).toString('base64');
  const { Client } = await import(`data:text/javascript;base64,${source}`);
  const stored = new Map();
  const localStorage = {
    getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => { stored.set(key, value); },
  };
  let client;
  return {
    connect({ port, reconnect = false, user }) {
      client = new Client({ host: '127.0.0.1', port }, {
        WebSocket, reconnect, user, store: localStorage,
      });
      const emit = (event) => (body) => report({ event, body });
      client.on('kick', emit('kick')).on('disconnect', () => report({ event: 'disconnect' }))
        .on('open', ({ again }) => {
          if (again) report({ event: 'reconnect' });
          report({ event: 'connected' });
        });
      for (const route of ['onAdd', 'onLeave', 'onChat', 'onTest', 'onMove']) {
        client.on(route, (body) => report({ event: 'push', route, body }));
      }
      client.open().catch((error) => report({ event: 'failed', body: error.message }));
    },
    request({ tag, route, msg, timeout }) {
      client.request(route, msg, timeout ? { timeout } : {})
        .then((body) => report({ event: 'answer', tag, body }))
        .catch((error) => report({ event: 'rejected', tag, code: error.code }));
    },
    notify({ route, msg }) { client.notify(route, msg); },
    disconnect() { client.disconnect(); },
    store({ key, value }) { stored.set(key, value); },
    stored({ key }) { report({ event: 'stored', body: stored.get(key) }); },
  };
};
