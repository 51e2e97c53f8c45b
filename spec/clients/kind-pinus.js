// The client of Pinus's robots, pinus-robot-plugin, as published on npm. Pinus is a successor of
// Pomelo in TypeScript that kept its protocol.
const { PinusWSClient } = require('pinus-robot-plugin/dist/PinusWSClient');

module.exports = function pinus(report) {
  const client = new PinusWSClient();
  const { emit, onClose } = client;
  client.emit = function (name, body) {
    report({ event: 'push', route: name, body });
    return emit.apply(this, arguments);
  };
  client.onKick = (body) => report({ event: 'kick', body });
  client.onClose = function (event) {
    report({ event: 'disconnect' });
    onClose.call(this, event.code);
  };
  return {
    connect({ port, user }) {
      client.init({ host: '127.0.0.1', port, user }, () => report({ event: 'connected' }));
    },
    request({ tag, route, msg }) {
      client.request(route, msg, (body) => report({ event: 'answer', tag, body }));
    },
    notify({ route, msg }) { client.notify(route, msg); },
    disconnect() { client.disconnect(); },
  };
};
