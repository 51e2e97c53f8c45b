// The moving picture of the README: a rule is changed on disk while two people play.
//
//   node film.js URL GAME LOG OUT
//     URL   the page of a game that `pomelua init` made and `pomelua start` runs
//     GAME  its folder, whose app/rules.lua is edited
//     LOG   the file that holds what the program writes to stderr
//     OUT   the animated PNG
//
// Nothing in it is drawn by hand: the two players are the page itself, the editor shows and saves
// the file, the log is the program's, and the times between pictures are those that passed. Prints
// one JSON line: {"event":"done","frames":N,"opened":N,"closed":N,"bytes":N}, where opened and
// closed count the connections of the page, or {"event":"failed","body":why}. FILM_PACE in the
// environment makes the pauses longer or, for a spec, shorter.
const fs = require('fs');
const path = require('path');
const apng = require('./apng');
const launch = require('./chromium');

const [url, game, log, out] = process.argv.slice(2);
const rules = path.join(game, 'app', 'rules.lua');
const OLD = 'return points';
const ADDED = ' * 10';
const pace = Number(process.env.FILM_PACE || 1);

const stage = `<!doctype html><meta charset="utf-8"><style>
  * { box-sizing: border-box; margin: 0; }
  body { width: 840px; height: 340px; background: #eef1f5; font: 14px system-ui, sans-serif; color: #223;
    display: grid; grid-template: 236px 1fr / 1fr 1fr 1.35fr; gap: 10px; padding: 10px; }
  section { background: #fff; border: 1px solid #c6ccd6; border-radius: 8px; overflow: hidden;
    display: flex; flex-direction: column; }
  h2 { font-size: 12px; font-weight: 600; padding: 5px 10px; background: #dfe5ee; color: #334; }
  iframe { border: 0; width: 100%; flex: 1; }
  textarea, pre { border: 0; outline: 0; resize: none; flex: 1; padding: 8px 10px; white-space: pre;
    overflow: hidden; font: 12.5px/1.45 "DejaVu Sans Mono", monospace; color: #223; background: #fff; }
  pre { background: #20242c; color: #dde3ec; font-size: 11.5px; }
  #log { grid-column: 1 / 4; } span { float: right; font-weight: 400; }
</style>
<section><h2>Ann</h2><iframe name="ann"></iframe></section>
<section><h2>Bob</h2><iframe name="bob"></iframe></section>
<section><h2>app/rules.lua <span id="state">saved</span></h2>
  <textarea id="text" spellcheck="false"></textarea></section>
<section id="log"><h2>what the server says <span id="count"></span></h2><pre></pre></section>`;

const still = (ms) => new Promise((done) => setTimeout(done, ms));
const said = () => fs.readFileSync(log, 'utf8');

async function until(what, holds) {
  for (const due = Date.now() + 20000; !await holds();) {
    if (Date.now() > due) throw new Error(`${what}: did not happen`);
    await still(20);
  }
}

async function film(browser) {
  const page = await browser.newPage({ viewport: { width: 840, height: 340 }, colorScheme: 'light' });
  const count = { opened: 0, closed: 0 };
  page.on('websocket', (socket) => {
    count.opened++;
    socket.on('close', () => count.closed++);
  });
  await page.setContent(stage);
  const players = {};
  for (const name of ['ann', 'bob']) {
    await page.evaluate(([name, url]) => { document.getElementsByName(name)[0].src = url; }, [name, url]);
    await until(`the page of ${name}`, () => page.frame({ name })?.url() === url);
    players[name] = page.frame({ name });
    await players[name].addStyleTag({ content: `
      :root { font-size: 14px !important; } h1 { display: none; }
      body { margin: .6rem auto !important; } html { overflow: hidden; }` });
    await players[name].fill('input[name=name]', name);
    await players[name].press('input[name=name]', 'Enter');
    await players[name].locator('#roll').waitFor();
  }
  await page.fill('#text', fs.readFileSync(rules, 'utf8'));

  // ---- pictures, with the time until the next ----
  const shots = [];
  let taken;
  async function shot() {
    await page.evaluate(([text, count]) => {
      document.querySelector('pre').textContent = text;
      document.getElementById('count').textContent = count;
    }, [said().split('\n').filter((line) => / (connector|table)-1 /.test(line))
      .map((line) => line.replace(/^\S+T/, '')).slice(-2).join('\n'),
      `connections opened: ${count.opened}, closed: ${count.closed}`]);
    const png = await page.screenshot({ animations: 'disabled', caret: 'initial' });
    const now = Date.now();
    if (taken) shots[shots.length - 1].ms = now - taken;
    taken = now;
    shots.push({ png, ms: 0 });
  }
  async function pause(ms) {
    for (const due = Date.now() + ms * pace; Date.now() < due; await shot()) await still(60);
  }
  async function roll(name) {
    const lines = players[name].locator('#log li');
    const before = await lines.count();
    await players[name].click('#roll');
    await until(`a roll of ${name}`, async () => await lines.count() > before);
    return lines.first().textContent();
  }
  const worth = (line) => line.match(/ rolls (\d+): (\d+) points/).slice(1).map(Number);
  async function rolls(name, factor) {
    const [points, score] = worth(await roll(name));
    if (score !== points * factor) throw new Error(`${name} got ${score} points for ${points}`);
    await pause(900);
  }

  // ---- the scene ----
  await shot();
  await pause(800);
  for (const name of ['ann', 'bob', 'ann']) await rolls(name, 1);
  await page.evaluate((end) => {
    const text = document.getElementById('text');
    text.focus();
    text.selectionStart = text.selectionEnd = text.value.indexOf(end) + end.length;
    text.oninput = () => { document.getElementById('state').textContent = 'not saved'; };
  }, OLD);
  await pause(600);
  for (const letter of ADDED) {
    await page.keyboard.type(letter);
    await pause(150);
  }
  await pause(500);
  fs.writeFileSync(rules, await page.inputValue('#text'));
  await page.evaluate(() => { document.getElementById('state').textContent = 'saved'; });
  await until('the reload', () => /table-1 reload: generation 2/.test(said()));
  await pause(1500);
  for (const name of ['bob', 'ann', 'bob']) await rolls(name, 10);
  await pause(2500);
  if (count.opened !== 2 || count.closed !== 0) {
    throw new Error(`the page opened ${count.opened} connections, ${count.closed} were closed`);
  }
  shots[shots.length - 1].ms = 1000;
  const bytes = apng(shots);
  fs.mkdirSync(path.dirname(out), { recursive: true });
  fs.writeFileSync(out, bytes);
  return { frames: bytes.toString('latin1').split('fcTL').length - 1, bytes: bytes.length, ...count };
}

(async () => {
  const browser = await launch();
  try {
    const done = await film(browser);
    process.stdout.write(`${JSON.stringify({ event: 'done', ...done })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ event: 'failed', body: String(error?.stack ?? error) })}\n`);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
})();
