// People in the chat's page, in Chromium: node page.js URL CONNECTOR-PORTS SHOTS
//
//   URL              of the page, with ?gate=PORT
//   CONNECTOR-PORTS  comma separated; where connector.testHandler.drop is asked to cut a user off
//   SHOTS            folder for the screenshots
//
// Prints one JSON line for each thing that was to be seen: {"event":"ok","what":W} or
// {"event":"failed","what":W,"body":why}, and at the end {"event":"done"}.
const fs = require('fs');
const path = require('path');
const launch = require('./chromium');
const raw = require('./kind-raw');

const [url, connectors, shots] = process.argv.slice(2);
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true,
  isMobile: true };
const DEADLINE = 20000;

const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

async function check(what, see) {
  try {
    const no = await see();
    if (no === false) throw new Error('it is not so');
    report({ event: 'ok', what });
  } catch (error) {
    report({ event: 'failed', what, body: String(error?.message ?? error) });
  }
}

async function main() {
  fs.mkdirSync(shots, { recursive: true });
  const browser = await launch();
  const faults = [];

  async function visit(look) {
    const context = await browser.newContext(look);
    context.setDefaultTimeout(DEADLINE);
    const page = await context.newPage();
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('dialog', (dialog) => { faults.push(dialog.message()); dialog.dismiss(); });
    await page.goto(url);
    return page;
  }

  async function enter(page, name) {
    await page.fill('#name', name);
    await page.fill('#room', 'lobby');
    await page.press('#room', 'Enter');
  }

  async function say(page, text) {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
  }

  const shot = (page, name) => page.screenshot({ path: path.join(shots, `${name}.png`) });
  const line = (page, text) => page.locator('#messages .system', { hasText: text }).first().waitFor();
  const bubble = (page, text, kind = '') =>
    page.locator(`#messages .message${kind} .bubble`, { hasText: text }).first();

  const ann = await visit({ ...DESKTOP, colorScheme: 'light' });
  const bob = await visit({ ...PHONE, colorScheme: 'dark' });
  const cleo = await visit({ ...PHONE, colorScheme: 'light' });
  const dan = await visit({ ...DESKTOP, colorScheme: 'dark' });
  await shot(ann, 'login-desktop-light');
  await shot(bob, 'login-phone-dark');

  await check('somebody enters', async () => {
    await enter(ann, 'Ann');
    await ann.locator('#chat').waitFor();
  });
  await check('others see who joins', async () => {
    await enter(bob, 'Bob');
    await bob.locator('#chat').waitFor();
    await line(ann, 'Bob has joined');
    await enter(cleo, 'Cleo');
    await line(ann, 'Cleo has joined');
    await enter(dan, 'Dan');
    await line(ann, 'Dan has joined');
    await ann.locator('#people-count', { hasText: '4' }).waitFor();
  });
  await check('a name is taken once', async () => {
    const twin = await visit({ ...PHONE, colorScheme: 'light' });
    await enter(twin, 'Ann');
    await twin.locator('#name-error', { hasText: 'taken' }).waitFor();
    await shot(twin, 'taken-phone-light');
    await twin.context().close();
  });
  await check('a name with a star is refused kindly', async () => {
    const star = await visit({ ...PHONE, colorScheme: 'light' });
    await enter(star, 'a*b');
    await star.locator('#name-error', { hasText: '*' }).waitFor();
    await star.context().close();
  });
  await check('messages reach everybody', async () => {
    await say(ann, 'Hello everybody! 👋');
    await bubble(bob, 'Hello everybody! 👋').waitFor();
    await bubble(cleo, 'Hello everybody! 👋').waitFor();
    await say(bob, 'Hi Ann');
    await say(bob, 'Did you see the new level? I needed an hour to get out of the greenhouse.');
    await bubble(ann, 'greenhouse').waitFor();
  });
  await check('what was sent leaves the box at once', async () => {
    await ann.fill('#text', 'Sent once');
    await ann.press('#text', 'Enter');
    if (await ann.inputValue('#text') !== '') throw new Error('the text is still there');
    await ann.press('#text', 'Enter');
    await say(ann, 'and only once');
    await bubble(bob, 'and only once').waitFor();
    return await bubble(bob, 'Sent once').count() === 1;
  });
  await check('everybody has a colour of their own', async () => {
    const colours = await ann.locator('#people-list .avatar').evaluateAll((all) =>
      all.map((avatar) => avatar.style.getPropertyValue('--hue')));
    return new Set(colours).size === 4;
  });
  await check('own messages are on the right', async () => {
    const own = await bubble(ann, 'Hello everybody!', '.own').boundingBox();
    const other = await bubble(ann, 'Hi Ann').boundingBox();
    return own.x + own.width > other.x + other.width + 100;
  });
  await check('what people write is text, never HTML', async () => {
    const text = '<b>bold</b> <img src=x onerror=alert(1)>';
    await say(cleo, text);
    await bubble(ann, text).waitFor();
    return await ann.locator('#messages b, #messages img').count() === 0;
  });
  await check('a private message is seen by two', async () => {
    await bob.tap('#people-open');
    await bob.locator('#people.open').waitFor();
    await bob.waitForFunction(() => document.getAnimations().length === 0);
    await shot(bob, 'people-phone-dark');
    await bob.tap('#people-list button:has-text("Ann")');
    await say(bob, 'psst, which tree?');
    await bubble(ann, 'psst', '.whisper').waitFor();
    await bubble(bob, 'psst', '.own.whisper').waitFor();
    await ann.click('.message.whisper .from button');
    await say(ann, 'The lemon tree, of course');
    await bubble(bob, 'lemon', '.whisper').waitFor();
    await ann.press('#text', 'Escape');
    await say(ann, 'See you!');
    await bubble(cleo, 'See you!').waitFor();
    return await bubble(cleo, 'psst').count() + await bubble(cleo, 'lemon').count() === 0;
  });
  await shot(ann, 'chat-desktop-light');
  await shot(bob, 'chat-phone-dark');
  await shot(cleo, 'chat-phone-light');
  await shot(dan, 'chat-desktop-dark');
  await check('the page is never wider than the screen', () =>
    bob.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
  await check('the keyboard alone is enough', async () => {
    await dan.locator('#text').focus();
    for (let i = 0; i < 30; i++) {
      await dan.keyboard.press('Shift+Tab');
      if (await dan.evaluate(() => document.activeElement.dataset.name === 'Ann')) break;
    }
    await dan.keyboard.press('Enter');
    await dan.keyboard.type('by keyboard');
    await dan.keyboard.press('Enter');
    await bubble(ann, 'by keyboard', '.whisper').waitFor();
  });
  await check('others see who leaves', async () => {
    await dan.click('#leave');
    await dan.locator('#login').waitFor();
    await line(ann, 'Dan has left');
    await cleo.context().close();
    await line(ann, 'Cleo has left');
  });
  await check('a lost connection is shown and comes back', async () => {
    const seen = bob.locator('#status[data-state="waiting"]').waitFor();
    for (const port of connectors.split(',')) cut(Number(port), 'Bob*lobby');
    await seen;
    await shot(bob, 'lost-phone-dark');
    await line(bob, 'You are back');
    await line(ann, 'Bob has left');
    await say(ann, 'Welcome back');
    await bubble(bob, 'Welcome back').waitFor();
    await say(bob, 'Thank you');
    await bubble(ann, 'Thank you').waitFor();
  });
  await check('who is sent out is told why, and cannot write', async () => {
    for (const port of connectors.split(',')) cut(Number(port), 'Bob*lobby', 'too loud');
    await bob.locator('#status[data-state="closed"]').waitFor();
    await line(bob, 'You were sent out of the room: too loud.');
    await shot(bob, 'kicked-phone-dark');
    return await bob.locator('#text:disabled').count() === 1
      && await bob.locator('#send:disabled').count() === 1;
  });
  await check('nothing raised an error', () => {
    if (faults.length > 0) throw new Error(faults.join('; '));
  });

  await browser.close();
  report({ event: 'done' });
}

// Has the server end a user's sessions: with a reason by KICK, else without a word to the client.
function cut(port, uid, reason) {
  const client = raw((event) => {
    if (event.event === 'connected') client.request({ route: 'connector.testHandler.drop', msg: { uid, reason } });
    if (event.event === 'answer') client.disconnect();
  }, 'tcp');
  client.connect({ port });
}

main().catch((error) => {
  report({ event: 'failed', what: 'the visit', body: String(error?.stack ?? error) });
  process.exitCode = 1;
}).finally(() => process.exit());
