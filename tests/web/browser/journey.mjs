// What a person does in the first hour, with JavaScript off. Prints what was seen as one line of JSON.
import { given, signIn, start } from './browser.mjs';

const browser = await start();
const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
const page = await context.newPage();
page.setDefaultTimeout(30_000);
const seen = {};
const at = () => new URL(page.url()).pathname;
const open = (path) => page.goto(given.base + path);
const send = async (form = 'main form') => {
  const [reply] = await Promise.all([
    page.waitForResponse((reply) => reply.request().isNavigationRequest()),
    page.click(`${form} button.main, ${form} button`),
  ]);
  await page.waitForLoadState();
  return reply;
};
const says = async (text) => (await page.locator('main').innerText()).includes(text);

await open('/');
await page.fill('[name=setup_code]', given.setup_code);
await page.fill('[name=cell_name]', 'hut');
await page.fill('[name=vpn_subnet]', '8.8.8.0/24');
await page.fill('[name=admin_username]', 'anna');
await page.fill('[name=admin_password]', given.password);
const refused = await send();
seen['refused setup'] = {
  status: refused.status(),
  kept: await page.inputValue('[name=cell_name]'),
  password: await page.inputValue('[name=admin_password]'),
  summary: await page.locator('[role=alert] a').count() > 0,
};
await page.fill('[name=setup_code]', given.setup_code);
await page.fill('[name=vpn_subnet]', '10.31.7.0/24');
await page.fill('[name=admin_password]', given.password);
await send();
seen['set up'] = (await page.goto(page.url())).status();
await signIn(page, 'anna', given.password);
seen['signed in'] = at();

await open('/peers/new');
await page.fill('[name=name]', 'phone');
await send();
seen.device = {
  key: (await page.content()).includes('PrivateKey'),
  picture: await page.locator('svg[role=img]').count() > 0,
};
await open('/peers/phone');
seen['key again'] = (await page.content()).includes('PrivateKey');
await page.check('[name=tunnel][value=split]');
await send('main form:has([name=tunnel])');
await open('/peers/phone');
seen.split = await page.isChecked('[name=tunnel][value=split]');

await open('/dns/records/new');
await page.fill('[name=name]', 'printer');
await page.fill('[name=value]', '192.168.77.9');
await send();
await open('/dns');
seen.record = await says('192.168.77.9');
await open('/dns/upstreams');
await page.fill('[name=upstreams]', '192.0.2.53');
await send();
await open('/dns');
seen.upstream = await says('192.0.2.53');

await open('/peers/phone/remove');
await send();
await open('/peers');
seen.removed = await says('phone');
// Revision 2 added the device.
await open('/revisions/2/restore');
await send();
await open('/peers');
seen.restored = await says('phone');
await open('/audit');
seen.audited = await says('peer.add') || await says('Added the device phone');

await open('/people/new');
await page.fill('[name=username]', 'ben');
await page.fill('[name=password]', given.password);
await page.locator('[name=role][value=member]').check();
await send();
await context.clearCookies();
await signIn(page, 'ben', given.password);
// The first password was set by somebody else.
if (at() === '/account/password') {
  await page.fill('[name=current_password]', given.password);
  await page.fill('[name=new_password]', `${given.password} of mine`);
  await send();
}
await open('/me');
const links = await page.locator('nav.side a').evaluateAll?.((all) => all.map((a) => a.getAttribute('href')))
  .catch(() => null);
seen["member's pages"] = (links ?? []).sort();
seen['member at the devices'] = (await open('/peers')).status();

await browser.close();
console.log(JSON.stringify(seen));
