// Holds pages against axe's rules and looks for sideways scrolling, in two widths and two themes.
import { axeSource, given, signIn, start } from './browser.mjs';

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const browser = await start();
const axe = axeSource();
const findings = [];
let looks = 0;
for (const colorScheme of ['light', 'dark']) {
  for (const width of [320, 1280]) {
    const context = await browser.newContext({
      ignoreHTTPSErrors: true, colorScheme, viewport: { width, height: 900 },
    });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const look = { colorScheme, width };
    page.on('console', (message) => {
      // A page that is refused on purpose is an error to the console too.
      const refused = message.text().startsWith('Failed to load resource');
      if (message.type() === 'error' && !refused) {
        findings.push({ ...look, page: page.url(), console: message.text() });
      }
    });
    if (given.username) {
      await signIn(page, given.username, given.password);
    }
    for (const path of given.paths) {
      await page.goto(given.base + path);
      // Evaluated from outside the page, so its content security policy stays as it is.
      await page.evaluate(axe);
      const result = await page.evaluate(
        (values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), TAGS);
      for (const violation of result.violations) {
        const targets = violation.nodes.map((node) => `${node.target} ${node.failureSummary}`);
        findings.push({ ...look, path, rule: violation.id, targets });
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) {
        findings.push({ ...look, path, rule: 'sideways scrolling', targets: [`${wide} px`] });
      }
      looks += 1;
    }
    await context.close();
  }
}
await browser.close();
console.log(JSON.stringify({ looks, findings }));
