// A network between a page and servers of this machine, that can be taken away: a port of its own
// for each of theirs. ports is a map from theirs to its own, as network.through takes it.
const net = require('net');

class Network {
  ports = {};
  #servers = []; #lines = new Set();
  #left = Infinity; #then = null; // how many bytes are passed until then() is called

  // Takes connections, at first or again.
  async start(targets = Object.keys(this.ports)) {
    for (const target of targets) {
      const server = net.createServer((near) => this.#join(near, Number(target)));
      this.#servers.push(server);
      await new Promise((done) => { server.listen(this.ports[target] ?? 0, '127.0.0.1', done); });
      this.ports[target] = server.address().port;
    }
  }

  #join(near, target) {
    const line = { near, far: net.connect(target, '127.0.0.1'), silent: false };
    this.#lines.add(line);
    for (const [from, to] of [[line.near, line.far], [line.far, line.near]]) {
      from.on('data', (bytes) => this.#pass(line, to, bytes));
      from.on('end', () => { if (!line.silent) to.end(); });
      from.on('error', () => {});
      from.on('close', () => {
        if (!line.silent) to.destroy();
        this.#lines.delete(line);
      });
    }
  }

  #pass(line, to, bytes) {
    if (line.silent) return;
    const whole = bytes.length <= this.#left;
    to.write(whole ? bytes : bytes.subarray(0, this.#left));
    this.#left -= bytes.length;
    if (whole) return;
    const then = this.#then;
    this.#left = Infinity;
    then(); // the rest of these bytes is lost
  }

  // Calls then() when so many bytes more have been passed in all: the line is in the middle of some.
  after(bytes, then) {
    this.#left = bytes;
    this.#then = then;
  }

  // What has been connected so far stays open, and nothing arrives on it any more.
  silence() { for (const line of this.#lines) line.silent = true; }

  // Cuts all lines: by a "reset", or by an "end". What was written to them before may still arrive.
  cut(how) {
    for (const line of this.#lines) {
      line.silent = true;
      for (const socket of [line.near, line.far]) {
        if (how === 'reset') socket.resetAndDestroy();
        else socket.end();
      }
    }
  }

  // Resets all lines, and takes no more.
  stop() {
    for (const server of this.#servers) server.close();
    this.#servers = [];
    this.cut('reset');
  }
}

// Runs in a page before its scripts: its WebSockets go by the network's ports.
function through(ports) {
  const Direct = window.WebSocket;
  window.WebSocket = class extends Direct {
    constructor(url) {
      const place = new URL(url);
      place.port = ports[place.port] ?? place.port;
      super(place.href);
    }
  };
}

module.exports = { Network, through };
