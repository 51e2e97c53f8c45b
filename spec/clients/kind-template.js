// The browser build of Pomelo's template, in a vm that looks like a browser to it.
const fs = require('fs');
const path = require('path');
const vm = require('vm');
const WebSocket = require('ws');
const drivePomelo = require('./drive-pomelo');

const BUILD = path.join(__dirname, 'node_modules', '.pomelo-template', 'build.js');

module.exports = function template(report) {
  const stored = new Map();
  const window = {
    WebSocket, console, setTimeout, clearTimeout, Uint8Array, ArrayBuffer,
    localStorage: {
      getItem: (key) => stored.get(key) ?? null,
      setItem: (key, value) => { stored.set(key, String(value)); },
    },
  };
  window.window = window;
  vm.createContext(window);
  vm.runInContext(fs.readFileSync(BUILD, 'utf8'), window, BUILD);
  vm.runInContext('require("boot")', window); // as its index.html does
  return drivePomelo(window.pomelo, report);
};
module.exports.BUILD = BUILD;
