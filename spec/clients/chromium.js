// Chromium as the specs start it: Debian's, without a window and without calls of its own.
// POMELUA_TRUST: the hash of the key whose certificate it believes.
const { chromium } = require('playwright-core');

const trust = process.env.POMELUA_TRUST
  ? [`--ignore-certificate-errors-spki-list=${process.env.POMELUA_TRUST}`] : [];

// playwright gives each start a --user-data-dir of its own and removes it.
module.exports = function launch() {
  return chromium.launch({
    executablePath: process.env.POMELUA_CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', ...trust],
  });
};
