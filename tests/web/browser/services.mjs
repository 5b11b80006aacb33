// What a person does who wants services, with JavaScript off: installs them, or makes them newer, and waits until they
// are well. Prints what the pages say then as one line of JSON.
import { fill, given, open, press, signIn, start } from './browser.mjs';

const browser = await start();
const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
const page = await context.newPage();
page.setDefaultTimeout(300_000);
const seen = { services: {} };
const main = (what) => page.locator(`main ${what}`);

// What a page says in pairs of a name and a value.
async function facts() {
  const [names, values] = await Promise.all(
    ['dt', 'dd'].map((kind) => main(`dl.facts ${kind}`).allInnerTexts()));
  return Object.fromEntries(names.map((name, at) => [name, values[at].trim()]));
}

// Looks again and again, for a while, until the service is well and nothing is being done with it.
async function settled(id) {
  const limit = Date.now() + given.patience_ms;
  for (;;) {
    await open(page, `/services/${id}`);
    const said = await facts();
    const path = await main('form').evaluateAll((forms) => forms.map((form) => form.getAttribute('action')));
    // A service that is tried cannot be stopped.
    if (said.State.startsWith('OK') && path.includes(`/services/${id}/stop`)) return said;
    if (Date.now() > limit) throw new Error(`${id}: ${JSON.stringify(said)}`);
    await page.waitForTimeout(2_000);
  }
}

async function follow(link) {
  await Promise.all([page.waitForNavigation(), main(link).first().click({ noWaitAfter: true })]);
}

await signIn(page, given.username, given.password);
for (const id of given.services) {
  await open(page, given.act === 'install' ? '/services' : `/services/${id}`);
  await follow(`a[href="/services/${id}/${given.act}"]`);
  await press(page, `main form[action="/services/${id}/${given.act}"] button`);
}
for (const id of given.services) {
  const said = await settled(id);
  const guides = {};
  for (const guide of await main('details:has(ol)').all()) {
    // What is folded in is read as well.
    const steps = await guide.locator('li').allTextContents();
    guides[await guide.locator('summary').textContent()] = steps.join(' ');
  }
  seen.services[id] = { facts: said, guides };
}
if (given.device) {
  await open(page, '/account/app-passwords/new');
  await fill(page, { device: given.device });
  await press(page);
  seen.app_password = (await main('pre').innerText()).trim();
}

await browser.close();
console.log(JSON.stringify(seen));
