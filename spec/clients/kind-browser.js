// The browser build of Pomelo's template where it belongs: in a page in Chromium.
const http = require('http');
const path = require('path');
const launch = require('./chromium');
const { BUILD } = require('./kind-template');

module.exports = async function browser(report) {
  const chromium = await launch();
  const page = await chromium.newPage();
  page.on('pageerror', (error) => report({ event: 'failed', body: String(error) }));
  await page.exposeFunction('report', report);
  // A page from this machine: others may not open connections to it.
  const server = http.createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end();
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
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
