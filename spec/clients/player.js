// Somebody in the page of a generated game: node player.js URL NAME
//
// Reads lines: "roll" presses the button. Prints JSON lines: {"event":"line","text":T} for each line
// of the page's log, {"event":"closed"} when a connection of the page has ended, and
// {"event":"failed","body":why}. Ends with its input.
const readline = require('readline');
const launch = require('./chromium');

const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

async function main() {
  const [url, name] = process.argv.slice(2);
  const browser = await launch();
  try {
    const page = await browser.newPage();
    let leaving = false;
    page.on('pageerror', (error) => report({ event: 'failed', body: String(error) }));
    page.on('websocket', (socket) => socket.on('close', () => leaving || report({ event: 'closed' })));
    await page.exposeFunction('seen', (text) => report({ event: 'line', text }));
    await page.goto(url);
    await page.evaluate(() => {
      new MutationObserver((changes) => {
        for (const change of changes) {
          for (const node of change.addedNodes) window.seen(node.textContent);
        }
      }).observe(document.getElementById('log'), { childList: true });
    });
    await page.fill('input[name=name]', name);
    await page.press('input[name=name]', 'Enter');
    await page.locator('#roll').waitFor();
    for await (const line of readline.createInterface({ input: process.stdin })) {
      if (line === 'roll') await page.click('#roll');
    }
    leaving = true;
  } catch (error) {
    report({ event: 'failed', body: String(error?.message ?? error) });
  } finally {
    await browser.close();
  }
}

main();
