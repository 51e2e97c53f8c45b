// The browser build of Pomelo's template where it belongs: in a page in Chromium.
const path = require('path');
const launch = require('./chromium');
const { BUILD } = require('./kind-template');

module.exports = async function browser(report) {
  const chromium = await launch();
  const page = await chromium.newPage();
  page.on('pageerror', (error) => report({ event: 'failed', body: String(error) }));
  await page.exposeFunction('report', report);
  // localStorage needs a page with an origin; this one never reaches the network.
  await page.route('**/*', (route) => route.fulfill({ contentType: 'text/html', body: '' }));
  await page.goto('http://127.0.0.1:9/');
  await page.addScriptTag({ path: BUILD });
  await page.addScriptTag({ path: path.join(__dirname, 'drive-pomelo.js') });
  await page.evaluate(() => {
    window.require('boot');
    window.client = window.drivePomelo(window.pomelo, window.report);
  });
  const call = (cmd) => (args) =>
    page.evaluate(([name, given]) => { window.client[name](given); }, [cmd, args]);
  return {
    connect: call('connect'), request: call('request'), notify: call('notify'),
    disconnect: call('disconnect'), end: () => chromium.close(),
  };
};
