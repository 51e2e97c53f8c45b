// Packages and messages made with pomelo-protocol, over a WebSocket or a plain socket, with TLS and
// without. Nothing is hidden: each package that arrives is an event. NODE_EXTRA_CA_CERTS names the
// authority that is believed.
const net = require('net');
const tls = require('tls');
const WebSocket = require('ws');
const { Package, Message } = require('pomelo-protocol');
const protobuf = require('pomelo-protobuf');

const json = (value) => Buffer.from(JSON.stringify(value));

function openUrl(url, on) {
  const socket = new WebSocket(url);
  socket.on('open', on.open).on('message', on.bytes).on('error', on.error).on('close', on.close);
  return { send: (bytes) => socket.send(bytes), close: () => socket.close() };
}

function openSocket(socket, begun, on) {
  socket.on(begun, on.open).on('data', on.bytes).on('error', on.error).on('close', on.close);
  return { send: (bytes) => socket.write(bytes), close: () => socket.end() };
}

const openings = {
  ws: (port, on) => openUrl(`ws://127.0.0.1:${port}`, on),
  wss: (port, on) => openUrl(`wss://localhost:${port}`, on),
  tcp: (port, on) => openSocket(net.connect(port, '127.0.0.1'), 'connect', on),
  tls: (port, on) => openSocket(tls.connect({ port, host: '127.0.0.1', servername: 'localhost' }),
    'secureConnect', on),
};

module.exports = function raw(report, kind = 'ws') {
  const open = openings[kind];
  let socket;
  let rest = Buffer.alloc(0);
  let interval = 0;
  let timer;
  let nextId = 1;
  const tags = new Map();
  const routes = new Map(); // of the requests, by id
  // What the server gave, kept from one connection to the next as a browser keeps it.
  let dict = {};
  let abbrs = {};
  let protos = { server: {}, client: {} };

  const send = (type, body) => socket.send(Package.encode(type, body));

  function keep(sys) {
    if (sys.dict) {
      dict = sys.dict;
      abbrs = sys.codeToRoute;
    }
    if (sys.protos) {
      protos = sys.protos;
      protobuf.init({ encoderProtos: protos.client, decoderProtos: protos.server });
    }
  }

  function encode(type, id, route, msg) {
    const body = protos.client[route] ? protobuf.encode(route, msg) : json(msg);
    const code = dict[route];
    send(Package.TYPE_DATA, Message.encode(id, type, code ? 1 : 0, code || route, body));
  }

  function message(body) {
    const msg = Message.decode(body);
    if (msg.compressRoute) msg.route = abbrs[msg.route];
    const route = msg.type === Message.TYPE_PUSH ? msg.route : routes.get(msg.id);
    const isProto = protos.server[route] && msg.body[0] !== 0x7b; // no key of a field is a brace
    const value = isProto ? protobuf.decode(route, msg.body) : JSON.parse(msg.body.toString());
    report({ event: 'body', form: isProto ? 'protobuf' : 'json', bytes: msg.body.length,
      coded: Boolean(msg.compressRoute) });
    if (msg.type === Message.TYPE_PUSH) {
      report({ event: 'push', route, body: value, coded: Boolean(msg.compressRoute) });
    } else {
      report({ event: 'answer', tag: tags.get(msg.id), body: value });
      tags.delete(msg.id);
      routes.delete(msg.id);
    }
  }

  const handlers = {
    [Package.TYPE_HANDSHAKE](body) {
      const answer = JSON.parse(body.toString());
      if (answer.code !== 200) {
        report({ event: 'failed', body: answer });
        return;
      }
      keep(answer.sys);
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
    connect({ port, user, bare, sys }) {
      rest = Buffer.alloc(0);
      socket = open(port, {
        open() {
          if (bare) report({ event: 'opened' });
          else send(Package.TYPE_HANDSHAKE, json({ sys: { type: 'raw', version: '0', ...sys }, user }));
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
      routes.set(id, route);
      encode(Message.TYPE_REQUEST, id, route, msg);
    },
    notify({ route, msg }) {
      encode(Message.TYPE_NOTIFY, 0, route, msg);
    },
    send({ hex }) { socket.send(Buffer.from(hex, 'hex')); },
    disconnect() { socket.close(); },
  };
};
