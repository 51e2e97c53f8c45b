// The commands of client.js for the clients that Pomelo published: they share one interface.
// Runs in node and, as a script, in the browser.
function drivePomelo(pomelo, report) {
  const own = { onKick: 'kick', close: 'disconnect', reconnect: 'reconnect', error: 'failed',
    'heartbeat timeout': 'failed' };
  const quiet = ['disconnect', 'io-error']; // each comes with a close

  const emit = pomelo.emit;
  pomelo.emit = function (name, body) {
    if (own[name]) report({ event: own[name], body: name === 'close' ? undefined : body });
    else if (!quiet.includes(name)) report({ event: 'push', route: name, body });
    return emit.apply(this, arguments);
  };
  for (const name of Object.keys(own)) pomelo.on(name, () => {});

  return {
    connect({ port, reconnect, user }) {
      // The callback comes again after each reconnect.
      pomelo.init({ host: '127.0.0.1', port, reconnect, user }, () => report({ event: 'connected' }));
    },
    request({ tag, route, msg }) {
      pomelo.request(route, msg, (body) => report({ event: 'answer', tag, body }));
    },
    notify({ route, msg }) { pomelo.notify(route, msg); },
    disconnect() { pomelo.disconnect(); },
  };
}

if (typeof module === 'object') module.exports = drivePomelo;
