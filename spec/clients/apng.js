// An animated PNG from screenshots: apng([{ png, ms }...], loops) returns its bytes.
//
// The screenshots are PNGs of one size, 8 bits for red, green, blue and perhaps alpha, as Chromium
// makes them; alpha is left out. Colours become a palette of at most 256, the usual ones first,
// and each frame holds only the rectangle that has changed.
const zlib = require('zlib');

const SIGNATURE = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);

const CRCS = Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

function crc(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = CRCS[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc(body), body.length + 4);
  return whole;
}

function* chunks(png) {
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    yield { type: png.toString('latin1', at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) };
    at += length + 12;
  }
}

function predicted(a, b, c) {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

// One screenshot as { width, height, colours }, a number 0xRRGGBB for each pixel.
function decoded(png) {
  if (!png.subarray(0, 8).equals(SIGNATURE)) throw new Error('this is no PNG');
  let width, height, depth;
  const packed = [];
  for (const { type, data } of chunks(png)) {
    if (type === 'IHDR') {
      [width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)];
      depth = { 2: 3, 6: 4 }[data[9]];
      if (data[8] !== 8 || !depth || data[12]) throw new Error('this form of PNG is not read');
    } else if (type === 'IDAT') packed.push(data);
  }
  const raw = zlib.inflateSync(Buffer.concat(packed));
  const row = width * depth;
  const colours = new Uint32Array(width * height);
  let above = Buffer.alloc(row);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (row + 1)];
    const line = raw.subarray(y * (row + 1) + 1, (y + 1) * (row + 1));
    for (let i = 0; i < row; i++) {
      const left = i < depth ? 0 : line[i - depth];
      const corner = i < depth ? 0 : above[i - depth];
      line[i] += [0, left, above[i], (left + above[i]) >> 1, predicted(left, above[i], corner)][filter];
    }
    for (let x = 0; x < width; x++) {
      const at = x * depth;
      colours[y * width + x] = line[at] << 16 | line[at + 1] << 8 | line[at + 2];
    }
    above = line;
  }
  return { width, height, colours };
}

// The colours that most pixels have, and a function from a colour to the nearest of them.
function palette(frames) {
  const count = new Map();
  for (const { colours } of frames) {
    for (const colour of colours) count.set(colour, (count.get(colour) ?? 0) + 1);
  }
  const table = [...count.keys()].sort((a, b) => count.get(b) - count.get(a)).slice(0, 256);
  const known = new Map(table.map((colour, index) => [colour, index]));
  const far = (a, b) => [16, 8, 0].reduce((sum, shift) =>
    sum + ((a >> shift & 255) - (b >> shift & 255)) ** 2, 0);
  return { table, index(colour) {
    if (!known.has(colour)) {
      let best = 0;
      table.forEach((other, i) => { if (far(colour, other) < far(colour, table[best])) best = i; });
      known.set(colour, best);
    }
    return known.get(colour);
  } };
}

// The rectangle in which two frames differ, or null; the whole frame when there is none before.
function changed(before, frame) {
  const { width, height, colours } = frame;
  if (!before) return { x: 0, y: 0, width, height };
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let i = 0; i < colours.length; i++) {
    if (colours[i] === before.colours[i]) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), y];
  }
  return right < 0 ? null : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

function numbers(...fields) {
  const bytes = Buffer.alloc(fields.reduce((sum, [, size]) => sum + size, 0));
  let at = 0;
  for (const [value, size] of fields) at = bytes.writeUIntBE(value, at, size);
  return bytes;
}

module.exports = function apng(shots, loops = 0) {
  const kept = [];
  for (const { png, ms } of shots) {
    const frame = decoded(png);
    const last = kept[kept.length - 1];
    const area = changed(last?.frame, frame);
    if (area) kept.push({ frame, area, ms });
    else last.ms += ms;
  }
  const { width, height } = kept[0].frame;
  const { table, index } = palette(kept.map(({ frame }) => frame));
  const out = [SIGNATURE,
    chunk('IHDR', numbers([width, 4], [height, 4], [8, 1], [3, 1], [0, 1], [0, 1], [0, 1])),
    chunk('acTL', numbers([kept.length, 4], [loops, 4])),
    chunk('PLTE', Buffer.from(table.flatMap((c) => [c >> 16, c >> 8 & 255, c & 255])))];
  let sequence = 0;
  kept.forEach(({ frame, area, ms }, i) => {
    out.push(chunk('fcTL', numbers([sequence++, 4], [area.width, 4], [area.height, 4], [area.x, 4],
      [area.y, 4], [Math.min(65535, Math.round(ms)), 2], [1000, 2], [0, 1], [0, 1])));
    const rows = Buffer.alloc((area.width + 1) * area.height);
    for (let y = 0; y < area.height; y++) {
      for (let x = 0; x < area.width; x++) {
        const colour = frame.colours[(area.y + y) * width + area.x + x];
        rows[y * (area.width + 1) + 1 + x] = index(colour);
      }
    }
    const data = zlib.deflateSync(rows, { level: 9 });
    out.push(i === 0 ? chunk('IDAT', data)
      : chunk('fdAT', Buffer.concat([numbers([sequence++, 4]), data])));
  });
  out.push(chunk('IEND', Buffer.alloc(0)));
  return Buffer.concat(out);
};
