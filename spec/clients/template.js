// Two people in the page of a generated game: node template.js URL
//
// Prints {"event":"done"} when everything was seen, else {"event":"failed","body":why}.
const launch = require('./chromium');

const DEADLINE = 10000;
const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

async function main() {
  const browser = await launch();
  const faults = [];
  const log = (page, text) => page.locator('#log li', { hasText: text }).first().waitFor();

  async function enter(name) {
    const page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(DEADLINE);
    page.on('pageerror', (error) => faults.push(String(error)));
    await page.goto(process.argv[2]);
    await page.fill('input[name=name]', name);
    await page.press('input[name=name]', 'Enter');
    await page.locator('#roll').waitFor();
    return page;
  }

  try {
    const ann = await enter('ann');
    await log(ann, 'at the table: ann');
    const bob = await enter('bob');
    await log(ann, 'bob sits down');
    await bob.click('#roll');
    await log(ann, 'bob rolls');
    await log(bob, 'bob rolls');
    await bob.context().close();
    await log(ann, 'bob gets up');
    if (faults.length) throw new Error(faults.join('\n'));
    report({ event: 'done' });
  } catch (error) {
    report({ event: 'failed', body: String(error?.message ?? error) });
  } finally {
    await browser.close();
  }
}

main();
