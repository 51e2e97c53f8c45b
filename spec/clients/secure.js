// Two people in the chat's page over https, in Chromium: node secure.js URL SHOTS
//
//   URL     of the page, with ?gate=PORT
//   SHOTS   folder for the screenshots
//
// Prints what visit.js describes.
const { visit, check, DESKTOP, PHONE } = require('./visit');

const [url, shots] = process.argv.slice(2);

visit(url, shots, async ({ open, shot }) => {
  const sockets = [];

  async function enter(look, name) {
    const page = await open(look);
    page.on('websocket', (socket) => sockets.push(socket));
    await page.fill('#name', name);
    await page.fill('#room', 'lobby');
    await page.press('#room', 'Enter');
    await page.locator('#chat').waitFor();
    return page;
  }

  let ann;
  let bob;
  await check('people enter over wss', async () => {
    ann = await enter(DESKTOP, 'Ann');
    bob = await enter(PHONE, 'Bob');
  });
  await check('every connection is by TLS', () =>
    sockets.length === 4 && sockets.every((one) => one.url().startsWith('wss://')));
  await check('messages reach everybody', async () => {
    await ann.fill('#text', 'Nobody listens');
    await ann.press('#text', 'Enter');
    await bob.locator('#messages .message .bubble', { hasText: 'Nobody listens' }).waitFor();
  });
  await check('they are still there after some heartbeats', async () => {
    for (let i = 0; i < 2; i++) await sockets[3].waitForEvent('framereceived');
    await bob.fill('#text', 'Indeed');
    await bob.press('#text', 'Enter');
    await ann.locator('#messages .message .bubble', { hasText: 'Indeed' }).waitFor();
    await shot(ann, 'secure-desktop');
  });
});
