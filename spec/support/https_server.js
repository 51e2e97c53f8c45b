// An HTTPS server for specs that behaves as the path says: well, badly or not at all. Its arguments
// are pairs of certificate and key; it listens once with each, on free ports of 127.0.0.1, once more
// without TLS, and prints the ports as one line of JSON. See spec/support/https.lua.
"use strict";
const fs = require("fs");
const http = require("http");
const https = require("https");

let requests = 0;
let open = 0; // requests that have no answer yet
let connections = 0; // so far
let held = []; // answers that wait for /release

function echo(req, res, body) {
  const text = JSON.stringify({
    method: req.method, url: req.url, headers: req.headers, body,
  });
  res.writeHead(200, { "Content-Type": "application/json", "X-Twice": ["a", "b"],
    "Set-Cookie": ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"] });
  res.end(text);
}

// What each path does; raw: bytes to the socket, past node's own HTTP.
const paths = {
  "/echo": echo,
  "/count": (req, res) => {
    res.writeHead(200, { "Content-Type": "application/json" });
    res.end(JSON.stringify({ requests, open: open - 1, connections, held: held.length }));
  },
  "/text": (req, res) => res.end("plain text"),
  "/status": (req, res, body, query) => {
    res.writeHead(Number(query.get("code")), { "Content-Type": "text/plain" });
    res.end("said so");
  },
  "/broken-json": (req, res) => {
    res.writeHead(200, { "Content-Type": "application/json" });
    res.end('{"a": ');
  },
  "/slow": (req, res, body, query) => setTimeout(() => res.end("late"), Number(query.get("ms"))),
  "/held": (req, res) => held.push(res),
  "/release": (req, res) => {
    for (const one of held) one.end("released");
    held = [];
    res.end("{}");
  },
  "/drip": (req, res) => {
    res.writeHead(200);
    const timer = setInterval(() => res.write("."), 20);
    res.on("close", () => clearInterval(timer));
  },
  "/never": () => {},
  "/endless": (req, res) => {
    const block = Buffer.alloc(65536, "x");
    res.writeHead(200);
    const more = () => { while (!res.destroyed && res.write(block)); };
    res.on("drain", more);
    more();
  },
  "/cut": (req, res) => raw(req, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true),
  "/cut-chunk": (req, res) =>
    raw(req, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nhalf", true),
  "/reset": (req) => req.socket.destroy(),
  "/more": (req) => raw(req, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
  "/less": (req) => raw(req, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello"),
  "/huge": (req) => raw(req, "HTTP/1.1 200 OK\r\nContent-Length: 99000000000\r\n\r\nhello"),
  "/headers": (req) => raw(req, "HTTP/1.1 200 OK\r\n" + ("X: " + "y".repeat(1000) + "\r\n").repeat(200)
    + "Content-Length: 0\r\n\r\n"),
  "/many-headers": (req) => raw(req, "HTTP/1.1 200 OK\r\n" + "X: y\r\n".repeat(1000)
    + "Content-Length: 0\r\n\r\n"),
  "/garbage": (req) => raw(req, "hello to you, too\r\n\r\n", true),
  "/redirect": (req, res, body, query) => {
    res.writeHead(Number(query.get("code") || 302), { Location: query.get("to") });
    res.end();
  },
};

function raw(req, bytes, end) {
  req.socket.write(bytes);
  if (end) req.socket.end();
}

function answer(req, res) {
  let body = "";
  requests++;
  open++;
  res.on("close", () => open--);
  req.on("data", (part) => { body += part.toString("latin1"); });
  req.on("end", () => {
    const url = new URL(req.url, "https://localhost");
    const act = paths[url.pathname];
    if (act) act(req, res, body, url.searchParams);
    else { res.writeHead(404); res.end("no such path"); }
  });
}

const files = process.argv.slice(2);
const servers = [];
for (let i = 0; i + 1 < files.length; i += 2) {
  servers.push(https.createServer({
    cert: fs.readFileSync(files[i]), key: fs.readFileSync(files[i + 1]),
  }, answer));
}
servers.push(http.createServer(answer));
let left = servers.length;
for (const server of servers) {
  server.on("connection", () => { connections++; });
  server.on("clientError", (err, socket) => socket.destroy());
  server.listen(0, "127.0.0.1", () => {
    left--;
    if (!left) console.log(JSON.stringify(servers.map((one) => one.address().port)));
  });
}
