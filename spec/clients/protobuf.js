// Messages through npm's pomelo-protobuf, its node half and its browser half, through
// pinus-protobuf, and through the client of the chat's page. Reads lines,
//   {"protos": definitions, "by": "pomelo" | "pinus"}   they are in force from here on
//   {"message": json, "ours": hex, "old": hex}   old: with characters above U+FFFF in halves
// and prints a line for each message: what the package and the page write for it, null where they
// refuse it, and what all of them read in the bytes of ours.
"use strict";
const fs = require("fs");
const path = require("path");
const browser = require("pomelo-protobuf/lib/client/protobuf.js");
const pomelo = require("pomelo-protobuf");
const { Protobuf: Pinus } = require("pinus-protobuf");

const PAGE = path.join(__dirname, "..", "..", "examples", "chat", "web", "pomelua.js");

for (const name of ["log", "warn", "error"]) console[name] = () => {};
process.removeAllListeners("warning");
process.on("warning", () => {}); // of new Buffer, which pomelo-protobuf still uses

const hex = (bytes) => bytes && bytes.length ? Buffer.from(bytes).toString("hex") : null;
const tried = (fn) => {
  try {
    return fn();
  } catch {
    return null;
  }
};

// {package: the node half, browser: the browser half or null, page} for definitions.
function codecs(protos, by, Definitions) {
  const parsed = by === "pinus" ? Pinus.parse(protos) : pomelo.parse(protos);
  const both = { encoderProtos: parsed, decoderProtos: parsed };
  const page = new Definitions(parsed);
  if (by === "pinus") return { package: new Pinus(both), browser: null, page };
  pomelo.init(both);
  browser.init(both);
  return { package: pomelo, browser, page };
}

let lines = "";
process.stdin.setEncoding("utf8").on("data", (text) => { lines += text; }).on("end", async () => {
  const source = fs.readFileSync(PAGE).toString("base64");
  const { Definitions } = await import(`data:text/javascript;base64,${source}`);
  const out = [];
  let by;
  for (const line of lines.split("\n").filter(Boolean)) {
    const { protos, by: name, message, ours, old } = JSON.parse(line);
    if (protos) {
      by = codecs(protos, name, Definitions);
      continue;
    }
    const read = (codec, text) => tried(() => codec.decode("t", Buffer.from(text, "hex")));
    out.push(JSON.stringify({
      writes: {
        package: tried(() => hex(by.package.encode("t", message))),
        browser: by.browser && tried(() => hex(by.browser.encode("t", message))),
        page: tried(() => hex(by.page.encode("t", message))),
      },
      reads: ours === undefined ? null : {
        package: read(by.package, ours),
        ...(by.browser && { browser: read(by.browser, old) }),
        page: read(by.page, ours),
        pageOld: read(by.page, old),
      },
    }));
  }
  process.stdout.write(out.join("\n") + "\n");
});
