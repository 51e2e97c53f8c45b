// Runs the vectors of protocol 25.1, protocol 25.2 and protocol 25.3 through Pomelo's own
// modules. Prints what is wrong, and last how many vectors there were.
"use strict";
const fs = require("fs");
const { Package, Message } = require("pomelo-protocol");
const protobuf = require("pomelo-protobuf");

const text = fs.readFileSync(process.argv[2], "utf8");
const section = (from, to) => text.slice(text.indexOf(`### ${from} `), text.indexOf(`### ${to} `));
const rows = (part) => part.split("\n").filter((line) => /^\| .*[0-9a-f]{2} \||fails \|$/.test(line))
  .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
const quoted = (cell) => (/^`(.*)`$/.exec(cell) || [])[1];

let count = 0;
function same(what, want, got) {
  count++;
  const bytes = got === null ? "fails" : Buffer.from(got).toString("hex");
  if (bytes !== want.replace(/ /g, "")) console.log(`${what}: ${want}, but Pomelo writes ${bytes}`);
}

for (const [type, body, bytes] of rows(section("25.1", "25.2"))) {
  const content = quoted(body);
  same(`package ${type}`, bytes, Package.encode(Number(type), content && Buffer.from(content)));
}

const types = { REQUEST: 0, NOTIFY: 1, RESPONSE: 2, PUSH: 3 };
for (const [type, id, route, gzip, body, bytes] of rows(section("25.2", "25.3"))) {
  if (!(type in types)) continue; // Pomelo does not refuse
  const plain = quoted(route);
  const content = Buffer.from(quoted(body) || "");
  same(`message ${bytes}`, bytes, Message.encode(Number(id), types[type],
    plain === undefined && route !== "" ? 1 : 0, plain === undefined ? Number(route) : plain,
    content, gzip === "yes"));
}

const part = section("25.3", "25.4");
const protos = protobuf.parse({
  t: JSON.parse(/```json\n([^]*?)```/.exec(part)[1]),
  onMove: {
    "required uInt32 entityId": 1, "repeated Path path": 2, "required uInt32 speed": 3,
    "message Path": { "required uInt32 x": 1, "required uInt32 y": 2 },
  },
});
protobuf.init({ encoderProtos: protos, decoderProtos: protos });
console.warn = () => {};
for (const [message, bytes] of rows(part)) {
  const value = JSON.parse(quoted(message));
  const route = "entityId" in value ? "onMove" : "t";
  same(message, bytes, protobuf.encode(route, value));
}

console.log(`${count} vectors`);
