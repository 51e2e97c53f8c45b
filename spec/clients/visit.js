// What the visits of page.js and arena.js to a page have in common: looks of a screen, pages in
// Chromium whose faults are kept, and one JSON line for each thing that was to be seen:
// {"event":"ok","what":W} or {"event":"failed","what":W,"body":why}, at the end {"event":"done"}.
const fs = require('fs');
const path = require('path');
const launch = require('./chromium');
const { through } = require('./network');

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true,
  isMobile: true };
const DEADLINE = 20000;

const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

async function check(what, see) {
  try {
    if (await see() === false) throw new Error('it is not so');
    report({ event: 'ok', what });
  } catch (error) {
    report({ event: 'failed', what, body: String(error?.message ?? error) });
  }
}

/**
 * Runs a visit, and ends the program after it. main gets
 *   open(look, ports)  a new page with the URL, of a person with that look; ports: of a Network
 *   shot(page, name)   a screenshot in the folder
 *   faults             errors of all pages: a visit checks that there are none
 */
function visit(url, shots, main) {
  async function run() {
    fs.mkdirSync(shots, { recursive: true });
    const browser = await launch();
    const faults = [];
    async function open(look, ports) {
      const context = await browser.newContext(look);
      context.setDefaultTimeout(DEADLINE);
      const page = await context.newPage();
      page.on('pageerror', (error) => faults.push(String(error)));
      page.on('dialog', (dialog) => { faults.push(dialog.message()); dialog.dismiss(); });
      if (ports) await page.addInitScript(through, ports);
      await page.goto(url);
      return page;
    }
    const shot = (page, name) => page.screenshot({ path: path.join(shots, `${name}.png`) });
    await main({ open, shot, faults });
    await check('nothing raised an error', () => {
      if (faults.length > 0) throw new Error(faults.join('; '));
    });
    await browser.close();
    report({ event: 'done' });
  }

  run().catch((error) => {
    report({ event: 'failed', what: 'the visit', body: String(error?.stack ?? error) });
    process.exitCode = 1;
  }).finally(() => process.exit());
}

module.exports = { visit, check, DESKTOP, PHONE, DEADLINE };
