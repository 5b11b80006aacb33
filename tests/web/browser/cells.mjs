// What owners do who link their cells, with JavaScript off. Prints what each deed has led to, as one line of JSON.
import { fill, given, open, press, signIn, start } from './browser.mjs';

const browser = await start();
const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
const page = await context.newPage();
const main = () => page.locator('main').innerText();

const deeds = {
  async invite({ how }) {
    await open(page, '/cells/invite');
    await fill(page, { how });
    const status = await press(page);
    // What is folded in is read as well.
    return { status, text: await page.locator('main pre').textContent() };
  },

  async import({ text }) {
    await open(page, '/cells/new');
    await fill(page, { invite: text });
    const status = await press(page);
    return { status, path: new URL(page.url()).pathname, main: await main() };
  },

  // Looks again and again, for a while, until the page, or a section of it, says something.
  async look({ path, section, until }) {
    const limit = Date.now() + given.patience_ms;
    for (;;) {
      const status = await open(page, path);
      const part = section ? page.locator('main section', { hasText: section }) : page.locator('main');
      const said = (await part.allInnerTexts()).join('\n');
      if (said.includes(until) || Date.now() > limit) {
        return { status, main: said };
      }
      await page.waitForTimeout(1_000);
    }
  },

  async confirm({ path, digits }) {
    await open(page, path);
    await fill(page, { digits });
    const status = await press(page);
    return { status, path: new URL(page.url()).pathname, main: await main() };
  },

  async share({ path, service }) {
    await open(page, path);
    await page.check(`main [name="services"][value="${service}"]`);
    const status = await press(page, `main form[action="${path}"] button`);
    return { status, main: await main() };
  },
};

await signIn(page, given.username, given.password);
const led = [];
for (const deed of given.deeds) {
  led.push(await deeds[deed.do](deed));
}
await browser.close();
console.log(JSON.stringify(led));
