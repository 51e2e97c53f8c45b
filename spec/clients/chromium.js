// Chromium as the specs start it: Debian's, without a window and without calls of its own.
const { chromium } = require('playwright-core');

// playwright gives each start a --user-data-dir of its own and removes it.
module.exports = function launch() {
  return chromium.launch({
    executablePath: process.env.POMELUA_CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
};
