// People in the chat's page, in Chromium: node page.js URL CONNECTOR-PORTS SHOTS
//
//   URL              of the page, with ?gate=PORT
//   CONNECTOR-PORTS  comma separated; where connector.testHandler.drop is asked to cut a user off
//   SHOTS            folder for the screenshots
//
// Prints what visit.js describes.
const raw = require('./kind-raw');
const { Network } = require('./network');
const { visit, check, DESKTOP, PHONE } = require('./visit');

const [url, connectors, shots] = process.argv.slice(2);

visit(url, shots, async ({ open, shot }) => {
  async function enter(page, name) {
    await page.fill('#name', name);
    await page.fill('#room', 'lobby');
    await page.press('#room', 'Enter');
  }

  async function say(page, text) {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
  }

  const line = (page, text) => page.locator('#messages .system', { hasText: text }).first().waitFor();
  const bubble = (page, text, kind = '') =>
    page.locator(`#messages .message${kind} .bubble`, { hasText: text }).first();

  const ann = await open({ ...DESKTOP, colorScheme: 'light' });
  const network = new Network(); // Bob's
  await network.start(connectors.split(','));
  const bob = await open({ ...PHONE, colorScheme: 'dark' }, network.ports);
  const cleo = await open({ ...PHONE, colorScheme: 'light' });
  const dan = await open({ ...DESKTOP, colorScheme: 'dark' });
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
    const twin = await open({ ...PHONE, colorScheme: 'light' });
    await enter(twin, 'Ann');
    await twin.locator('#name-error', { hasText: 'taken' }).waitFor();
    await shot(twin, 'taken-phone-light');
    await twin.context().close();
  });
  await check('a name with a star is refused kindly', async () => {
    const star = await open({ ...PHONE, colorScheme: 'light' });
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
  const said = (page) => page.locator('#messages .bubble').allTextContents();
  await check('a phone that changes its network misses no line, and nobody sees it leave',
    async () => {
      const lines = Array.from({ length: 20 }, (_, i) => `network ${i + 1}`);
      network.silence();
      await bob.context().setOffline(true);
      for (const text of lines) await say(ann, text);
      await bubble(ann, 'network 20').waitFor();
      await bob.context().setOffline(false);
      await bob.locator('#status', { hasText: 'Back, nothing missed' }).waitFor();
      await bubble(bob, 'network 20').waitFor();
      const seen = (await said(bob)).filter((text) => text.startsWith('network'));
      if (seen.join() !== lines.join()) throw new Error(`it has ${seen.join()}`);
      await nobodyLeft();
    });
  await check('a line that is lost is shown, and what is written meanwhile is sent later', async () => {
    network.stop();
    await bob.locator('#banner:visible', { hasText: 'The connection was lost' }).waitFor();
    await shot(bob, 'away-phone-dark');
    await say(bob, 'written in the tunnel');
    await say(ann, 'said meanwhile');
    await network.start();
    await bubble(ann, 'written in the tunnel').waitFor();
    await bubble(bob, 'said meanwhile').waitFor();
    await bob.locator('#status', { hasText: 'Back, nothing missed' }).waitFor();
    await shot(bob, 'back-phone-dark');
    await nobodyLeft();
    return await bob.locator('#banner:visible').count() === 0
      && (await said(ann)).filter((text) => text === 'written in the tunnel').length === 1;
  });
  async function nobodyLeft() {
    const gone = await ann.locator('#messages .system', { hasText: 'Bob has left' }).count();
    if (gone > 0) throw new Error('it was seen to leave');
  }
  await check('a session that the server has ended begins again', async () => {
    await bob.evaluate(() => {
      window.states = [];
      const status = document.getElementById('status');
      new MutationObserver(() => window.states.push(status.dataset.state))
        .observe(status, { attributes: true });
    });
    for (const port of connectors.split(',')) cut(Number(port), 'Bob*lobby');
    await line(bob, 'You are back');
    const states = await bob.evaluate(() => window.states);
    if (!states.includes('waiting')) throw new Error('it was not shown');
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
});

// Has the server end a user's sessions: with a reason by KICK, else without a word to the client.
function cut(port, uid, reason) {
  const client = raw((event) => {
    if (event.event === 'connected') client.request({ route: 'connector.testHandler.drop', msg: { uid, reason } });
    if (event.event === 'answer') client.disconnect();
  }, 'tcp');
  client.connect({ port });
}
