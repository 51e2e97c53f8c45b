// Chromium as the specs start it: Debian's, without a window and without calls of its own.
// POMELUA_TRUST: the hash of the key whose certificate it believes. POMELUA_BROWSER_AT: where one
// runs already that is used in its place (browser.js).
const { chromium } = require('playwright-core');

const trust = process.env.POMELUA_TRUST
  ? [`--ignore-certificate-errors-spki-list=${process.env.POMELUA_TRUST}`] : [];

// playwright gives each start a --user-data-dir of its own and removes it.
const options = {
  executablePath: process.env.POMELUA_CHROMIUM || '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', ...trust],
};

module.exports = function launch() {
  const at = process.env.POMELUA_BROWSER_AT;
  return at ? chromium.connect(at) : chromium.launch(options);
};

// One for several programs, each of which has profiles of its own in it.
module.exports.serve = function serve() {
  return chromium.launchServer(options);
};
