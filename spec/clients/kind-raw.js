// Packages and messages made with pomelo-protocol, over a WebSocket or a plain socket. Nothing is
// hidden: each package that arrives is an event.
const net = require('net');
const WebSocket = require('ws');
const { Package, Message } = require('pomelo-protocol');

const json = (value) => Buffer.from(JSON.stringify(value));

function openWs(port, on) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  socket.on('open', on.open).on('message', on.bytes).on('error', on.error).on('close', on.close);
  return { send: (bytes) => socket.send(bytes), close: () => socket.close() };
}

function openTcp(port, on) {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('connect', on.open).on('data', on.bytes).on('error', on.error).on('close', on.close);
  return { send: (bytes) => socket.write(bytes), close: () => socket.end() };
}

module.exports = function raw(report, kind) {
  const open = kind === 'tcp' ? openTcp : openWs;
  let socket;
  let rest = Buffer.alloc(0);
  let interval = 0;
  let timer;
  let nextId = 1;
  const tags = new Map();

  const send = (type, body) => socket.send(Package.encode(type, body));

  function message(body) {
    const msg = Message.decode(body);
    const value = JSON.parse(msg.body.toString());
    if (msg.type === Message.TYPE_PUSH) {
      report({ event: 'push', route: msg.route, body: value });
    } else {
      report({ event: 'answer', tag: tags.get(msg.id), body: value });
      tags.delete(msg.id);
    }
  }

  const handlers = {
    [Package.TYPE_HANDSHAKE](body) {
      const answer = JSON.parse(body.toString());
      if (answer.code !== 200) {
        report({ event: 'failed', body: answer });
        return;
      }
      interval = (answer.sys.heartbeat ?? 0) * 1000;
      send(Package.TYPE_HANDSHAKE_ACK);
      report({ event: 'connected', body: answer });
    },
    [Package.TYPE_HEARTBEAT]() {
      if (!interval || timer) return;
      timer = setTimeout(() => {
        timer = null;
        send(Package.TYPE_HEARTBEAT);
      }, interval);
    },
    [Package.TYPE_DATA]: message,
    [Package.TYPE_KICK](body) { report({ event: 'kick', body: JSON.parse(body.toString()) }); },
  };

  function bytes(chunk) {
    const whole = rest.length === 0;
    rest = Buffer.concat([rest, chunk]);
    let first = true;
    while (rest.length >= 4) {
      const length = 4 + rest.readUIntBE(1, 3);
      if (rest.length < length) break;
      const [type, body] = [rest[0], rest.subarray(4, length)];
      rest = rest.subarray(length);
      report({ event: 'package', type, alone: whole && first && rest.length === 0 });
      first = false;
      if (handlers[type]) handlers[type](body);
      else report({ event: 'failed', body: `a package of type ${type}` });
    }
  }

  return {
    connect({ port, user, bare }) {
      rest = Buffer.alloc(0);
      socket = open(port, {
        open() {
          if (bare) report({ event: 'opened' });
          else send(Package.TYPE_HANDSHAKE, json({ sys: { type: 'raw', version: '0' }, user }));
        },
        bytes,
        error(error) { report({ event: 'error', body: error.message }); },
        close() {
          clearTimeout(timer);
          timer = null;
          report({ event: 'disconnect' });
        },
      });
    },
    request({ tag, route, msg }) {
      const id = nextId++;
      tags.set(id, tag);
      send(Package.TYPE_DATA, Message.encode(id, Message.TYPE_REQUEST, 0, route, json(msg)));
    },
    notify({ route, msg }) {
      send(Package.TYPE_DATA, Message.encode(0, Message.TYPE_NOTIFY, 0, route, json(msg)));
    },
    send({ hex }) { socket.send(Buffer.from(hex, 'hex')); },
    disconnect() { socket.close(); },
  };
};
