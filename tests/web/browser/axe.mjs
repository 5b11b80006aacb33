// Holds pages against axe's rules and looks for sideways scrolling, in two widths and two themes. JavaScript is on and
// the pages' content security policy is in force.
import { axeSource, fill, given, open, press, signIn, start } from './browser.mjs';

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const LOOKS = ['light', 'dark'].flatMap((theme) => [320, 1280].map((width) => ({ theme, width })));

const browser = await start();
const axe = axeSource();
const findings = [];
const undecided = [];
let looks = 0;

// A page that is refused on purpose is an error to the console too; nothing else may be one.
const refused = new Set(
  given.pages.filter((page) => page.status >= 400).map((page) => given.base + page.path));

async function hold(page, look, expected, status) {
  const report = (rule, targets) => findings.push({ ...look, path: expected.path, rule, targets });
  if (status !== expected.status) {
    report('status', [status]);
  }
  const isNarrow = look.width < 600;
  // Menu and texts are folded away on narrow screens: there they are looked at unfolded.
  if (isNarrow) {
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
  }
  for (const width of isNarrow ? [360, look.width] : [look.width]) {
    await page.setViewportSize({ width, height: 900 });
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (beyond > 0) {
      report('sideways scrolling', [`${beyond} px at ${width} px`]);
    }
  }
  // Evaluated from outside the page, so its content security policy stays as it is.
  await page.evaluate(axe);
  const result = await page.evaluate(
    (values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), TAGS);
  for (const violation of result.violations) {
    report(violation.id, violation.nodes.map((node) => `${node.target}: ${node.failureSummary}`));
  }
  // What axe could not decide by itself.
  for (const open of result.incomplete) {
    for (const node of open.nodes) {
      const why = [...node.any, ...node.all, ...node.none].map((check) => check.message).join('; ');
      undecided.push({ ...look, path: expected.path, rule: open.id, target: String(node.target), html: node.html, why });
    }
  }
  looks += 1;
}

for (const look of LOOKS) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, colorScheme: look.theme, viewport: { width: look.width, height: 900 },
  });
  const page = await context.newPage();
  page.setDefaultTimeout(300_000);
  const complain = (rule, text) => findings.push({ ...look, path: page.url(), rule, targets: [text] });
  page.on('pageerror', (error) => complain('script', error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !refused.has(message.location().url)) {
      complain('console', message.text());
    }
  });
  if (given.username) {
    await signIn(page, given.username, given.password);
  }
  for (const expected of given.pages) {
    let status = await open(page, expected.path);
    if (expected.send) {
      await fill(page, expected.send);
      // Else the browser itself would refuse, and the page that comes back would not be seen.
      await page.evaluate(() => document.querySelectorAll('form').forEach((form) => { form.noValidate = true; }));
      status = await press(page);
    }
    await hold(page, look, expected, status);
    if (given.pictures) {
      const name = `${expected.path.replaceAll('/', '-')}${expected.send ? '-sent' : ''}`;
      await page.screenshot({
        path: `${given.pictures}/${given.username ?? 'nobody'}${name}-${look.width}-${look.theme}.png`, fullPage: true,
      });
    }
  }
  await context.close();
}
await browser.close();
console.log(JSON.stringify({ looks, findings, undecided }));
