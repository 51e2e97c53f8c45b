// Two players in the page of the arena, in Chromium: node arena.js URL SHOTS
//
//   URL    of the page, with ?port=PORT
//   SHOTS  folder for the screenshots
//
// Prints what visit.js describes.
const { visit, check, DESKTOP, PHONE, DEADLINE } = require('./visit');

const [url, shots] = process.argv.slice(2);

visit(url, shots, async ({ open, shot, faults }) => {
  async function come(look) {
    const page = await open(look);
    // One line of news takes the place of the one before, which may never be looked at.
    await page.evaluate(() => {
      const line = document.getElementById('news');
      window.allNews = [];
      new MutationObserver(() => window.allNews.push(line.textContent))
        .observe(line, { childList: true, characterData: true, subtree: true });
    });
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    return page;
  }
  async function enter(page, name, password = `the password of ${name}`) {
    await page.fill('#name', name);
    await page.fill('#password', password);
    await page.press('#password', 'Enter');
  }
  const told = (page, text) => page.waitForFunction((part) =>
    window.allNews.some((line) => line.includes(part)), text);
  // Ruby, topaz, emerald, sapphire. A golden star may come where a ship is, and give one more.
  const gems = async (page) => (await page.locator('#bag .gem').allTextContents()).map(Number);
  const score = async (page, name) => Number(await page.locator('#scores li', { hasText: name })
    .locator('b').textContent());

  const ann = await come(DESKTOP);
  const bob = await come(PHONE);
  await shot(ann, 'arena-login-desktop');
  await shot(bob, 'arena-login-phone');

  await check('a player enters and sees who flies there', async () => {
    await enter(ann, 'Ann');
    await ann.locator('#hud').waitFor();
    await ann.locator('#scores li.me', { hasText: 'Ann' }).waitFor();
    await ann.locator('#scores li', { hasText: '~' }).first().waitFor();
  });
  await check('the other is told', async () => {
    await enter(bob, 'Bob');
    await bob.locator('#scores li.me', { hasText: 'Bob' }).waitFor();
    await told(ann, 'Bob is here');
    await ann.locator('#scores li', { hasText: 'Bob' }).waitFor();
  });
  await check('a name belongs to its password', async () => {
    const twin = await come(PHONE);
    await enter(twin, 'Ann', 'another one');
    await twin.locator('#problem', { hasText: 'taken' }).waitFor();
    await twin.context().close();
  });
  await check('a new player has a gem of each kind', async () => {
    await ann.locator('#bag .gem', { hasText: '1' }).first().waitFor();
    return (await gems(ann)).every((n) => n >= 1);
  });
  await check('two players trade', async () => {
    await ann.locator('#bag').click();
    await ann.selectOption('#give', 'ruby');
    await ann.selectOption('#take', 'topaz');
    await ann.selectOption('#to', 'Bob');
    await shot(ann, 'arena-trade-desktop');
    await ann.locator('#trade-form button').click();
    await bob.locator('#offered', { hasText: 'Ann gives a ruby for a topaz' }).waitFor();
    await shot(bob, 'arena-offer-phone');
    await bob.locator('#agree').tap();
    await told(ann, 'Bob gave you a topaz');
    await ann.waitForFunction(() =>
      Number(document.querySelectorAll('#bag .gem')[1].textContent) >= 2);
    return (await gems(bob))[0] >= 2;
  });
  await check('the ladder opens and closes', async () => {
    await ann.locator('#best').click();
    await ann.locator('#ladder-title').waitFor();
    await shot(ann, 'arena-ladder-desktop');
    await ann.locator('#ladder .close').click();
    await ann.locator('#ladder-title').waitFor({ state: 'hidden' });
  });
  await check('the mouse steers to stars', async () => {
    const end = Date.now() + DEADLINE;
    let most = 0; // the end of a round takes all stars
    for (let i = 0; Date.now() < end && most < 3; i++) {
      await ann.mouse.move(640 + 500 * Math.cos(i / 4), 400 + 300 * Math.sin(i / 3));
      await ann.waitForTimeout(150);
      most = Math.max(most, await score(ann, 'Ann'));
    }
    return most >= 3;
  });
  await shot(ann, 'arena-game-desktop');
  await check('a finger that drags steers', async () => {
    const touch = await bob.context().newCDPSession(bob);
    const point = (x, y) => [{ x, y, id: 1 }];
    const send = (type, touchPoints) => touch.send('Input.dispatchTouchEvent', { type, touchPoints });
    const end = Date.now() + DEADLINE;
    await send('touchStart', point(120, 600));
    let most = 0;
    for (let i = 0; Date.now() < end && most < 2; i++) {
      await send('touchMove', point(120 + 70 * Math.cos(i / 5), 600 + 70 * Math.sin(i / 7)));
      await bob.waitForTimeout(150);
      most = Math.max(most, await score(bob, 'Bob'));
    }
    await send('touchEnd', []);
    return most >= 2;
  });
  await check('the button dashes, and has to rest', async () => {
    await bob.locator('#dash').tap();
    await bob.waitForFunction(() =>
      parseFloat(document.getElementById('ring').style.strokeDashoffset) > 20);
    await bob.waitForFunction(() =>
      parseFloat(document.getElementById('ring').style.strokeDashoffset) === 0);
  });
  await shot(bob, 'arena-game-phone');
  await check('the page is never wider than the screen', () => bob.evaluate(() =>
    document.documentElement.scrollWidth <= innerWidth));
  await check('a player who leaves is gone for the others', async () => {
    await bob.context().close();
    await ann.locator('#scores li', { hasText: 'Bob' }).waitFor({ state: 'detached' });
  });
});
