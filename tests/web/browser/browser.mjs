// Starts Chromium through playwright-core, both from where the tests say they are.
import { createRequire } from 'node:module';

const modules = process.env.CELL_NODE_MODULES;
const require = createRequire(`${modules}/`);
const { chromium } = require(`${modules}/playwright-core`);

export const given = JSON.parse(process.argv[2]);
export const axeSource = () =>
  require('node:fs').readFileSync(`${modules}/axe-core/axe.min.js`, 'utf8');

export async function start() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    // Root has no sandbox of its own; the rest keeps the browser from calling home.
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

export async function signIn(page, username, password) {
  await page.goto(`${given.base}/sign-in`);
  await page.fill('[name=username]', username);
  await page.fill('[name=password]', password);
  await page.click('main form button');
}
