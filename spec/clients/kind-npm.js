// pomelo-jsclient-websocket as published on npm. It is a browser script that expects its
// dependencies as globals: pomelo-protocol (its browser side) and an EventEmitter.
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
  run(require.resolve('pomelo-jsclient-websocket'));
  return drivePomelo(window.pomelo, report);
};
