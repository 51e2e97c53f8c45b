// pomelo-jsclient-websocket as published on npm. It is a browser script that expects its
// dependencies as globals: pomelo-protocol and pomelo-protobuf (their browser sides) and an
// EventEmitter. {"cmd":"store","key":K,"value":V} puts something into its localStorage, and
// {"cmd":"stored","key":K} prints {"event":"stored","body":V}.
const { EventEmitter } = require('events');
const fs = require('fs');
const vm = require('vm');
const WebSocket = require('ws');
const drivePomelo = require('./drive-pomelo');

module.exports = function npm(report) {
  const stored = new Map();
  const window = {
    WebSocket, EventEmitter, console, setTimeout, clearTimeout, Uint8Array, ArrayBuffer,
    localStorage: {
      getItem: (key) => stored.get(key) ?? null,
      setItem: (key, value) => { stored.set(key, String(value)); },
    },
  };
  window.window = window;
  vm.createContext(window);
  const run = (file) => vm.runInContext(fs.readFileSync(file, 'utf8'), window, file);
  window.module = { exports: {} };
  run(require.resolve('pomelo-protocol/lib/protocol.js'));
  const protocol = window.module;
  window.module = { exports: {} };
  run(require.resolve('pomelo-protobuf/lib/client/protobuf.js'));
  window.protobuf = window.module.exports;
  window.protobuf.decodeStr = window.protobuf.decode; // the name that the client knows it by
  window.module = protocol;
  run(require.resolve('pomelo-jsclient-websocket'));
  return {
    ...drivePomelo(window.pomelo, report),
    store({ key, value }) { stored.set(key, value); },
    stored({ key }) { report({ event: 'stored', body: stored.get(key) }); },
  };
};
