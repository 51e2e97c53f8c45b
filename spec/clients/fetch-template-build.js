// Fetches the browser client that `pomelo init` installs. It is one file inside the npm package
// `pomelo`, whose many dependencies nobody needs here; so the package is packed and the file
// taken out of it. Runs after `npm ci`.
const { execFileSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');

const PACKAGE = 'pomelo@2.2.7';
const FILE = 'package/template/web-server/public/js/lib/build/build.js';
const SHA256 = '55fe5bb1a6c7b17027a973c60c5a81f544ae6ab3add8167d222a2d17cf412a4b';
const target = path.join(__dirname, 'node_modules', '.pomelo-template', 'build.js');

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pomelo-'));
try {
  // npm sets npm_execpath in scripts: the same npm, also where it is not on the path.
  const npm = process.env.npm_execpath;
  const args = ['pack', PACKAGE, '--silent', '--ignore-scripts', '--pack-destination', dir];
  if (npm) execFileSync(process.execPath, [npm, ...args]);
  else execFileSync('npm', args);
  const tarball = path.join(dir, fs.readdirSync(dir)[0]);
  execFileSync('tar', ['-xzf', tarball, '-C', dir, FILE]);
  const text = fs.readFileSync(path.join(dir, FILE));
  const sum = crypto.createHash('sha256').update(text).digest('hex');
  if (sum !== SHA256) throw new Error(`${FILE} of ${PACKAGE} is not the known one: ${sum}`);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, text);
} finally {
  fs.rmSync(dir, { recursive: true });
}
