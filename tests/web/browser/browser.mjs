// Starts Chromium through playwright-core, both from where the test says they are, and does what every script needs.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const given = JSON.parse(process.argv[2]);
const require = createRequire(`${given.modules}/`);
const { chromium } = require(`${given.modules}/playwright-core`);

export const axeSource = () => readFileSync(`${given.modules}/axe-core/axe.min.js`, 'utf8');

export async function start(more = ['--disable-quic']) {
  return chromium.launch({
    executablePath: given.chromium,
    // Root has no sandbox of its own; the rest keeps the browser from calling home.
    args: [
      '--no-sandbox', '--disable-gpu', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', ...more,
    ],
  });
}

// Opens a page; how it answered. Chromium gives up a page when an address of its machine becomes usable meanwhile, as
// happens in a world that was just made; a person's browser loads it again by itself. What it shows meanwhile may come in
// between the next try.
const PASSING = ['ERR_NETWORK_CHANGED', 'interrupted by another navigation to "chrome-error:'];
export async function open(page, path) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await page.goto(given.base + path)).status();
    } catch (error) {
      if (attempt === 5 || !PASSING.some((words) => error.message.includes(words))) throw error;
    }
  }
}

// Fills fields in by name; `true` ticks a box, and the value of a radio button is the one to choose.
export async function fill(page, fields) {
  for (const [name, value] of Object.entries(fields)) {
    const field = page.locator(`main [name="${name}"]`);
    const kind = await field.first().getAttribute('type');
    if (kind === 'radio') {
      await page.check(`main [name="${name}"][value="${value}"]`);
    } else if (kind === 'checkbox') {
      await field.first().setChecked(value);
    } else {
      await field.fill(value);
    }
  }
}

// Presses the first button of a form, or the one chosen; how the page it leads to answered.
export async function press(page, button = 'main form button') {
  const [reply] = await Promise.all([
    page.waitForNavigation(),
    page.locator(button).first().click({ noWaitAfter: true }),
  ]);
  return reply.status();
}

export async function signIn(page, username, password) {
  await open(page, '/sign-in');
  await fill(page, { username, password });
  return press(page);
}
