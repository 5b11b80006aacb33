// What a person does in the first hour, with JavaScript off. Prints what was seen as one line of JSON.
import { fill, given, open, press, signIn, start } from './browser.mjs';

const browser = await start();
const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
const page = await context.newPage();
page.setDefaultTimeout(300_000);
const seen = {};
const at = () => new URL(page.url()).pathname;
const says = async (text) => (await page.locator('main').innerText()).includes(text);
const column = (number) => page.locator(`main tbody tr > :nth-child(${number})`).allInnerTexts();

await open(page, '/');
const right = {
  setup_code: given.setup_code, vpn_subnet: '10.31.7.0/24', admin_password: given.password,
};
await fill(page, { ...right, cell_name: 'hut', admin_username: 'anna', vpn_subnet: '8.8.8.0/24' });
seen['refused setup'] = {
  status: await press(page),
  at: at(),
  kept: await page.inputValue('[name=cell_name]'),
  password: await page.inputValue('[name=admin_password]'),
  wrong: await page.locator('[role=alert] a').evaluateAll((links) => links.map((a) => a.hash)),
};
await fill(page, right);
seen['set up'] = [await press(page), at()];
await signIn(page, 'anna', given.password);
seen['signed in'] = at();

await open(page, '/system');
await page.setInputFiles('main [name=bundle]', given.wrong_bundle);
seen['wrong bundle'] = [await press(page, 'main form:has([name=bundle]) button'), await says('This is no firmware bundle')];
await page.setInputFiles('main [name=bundle]', given.bundle);
seen.bundle = [await press(page, 'main form:has([name=bundle]) button'), at()];
for (let look = 0; look < 100 && !(await says('It is tried at the next start.')); look += 1) {
  await page.waitForTimeout(100);
  await open(page, '/system');
}
seen.ready = [await says('New version 1.11.0'), await says('What is new.')];
await press(page, 'main form[action="/system/drop"] button');
seen.dropped = await says('The version is dropped.');

await open(page, '/peers/new');
await fill(page, { name: 'phone' });
await press(page);
const picture = await page.locator('main figure svg[role=img]').boundingBox();
seen.device = {
  key: (await page.locator('main pre').textContent()).includes('PrivateKey'),
  'picture is large enough': picture.width >= 240 && picture.height >= 240,
};
await open(page, '/peers/phone');
seen['key again'] = (await page.content()).includes('PrivateKey');
await fill(page, { tunnel: 'split' });
await press(page, 'main form:has([name=tunnel]) button');
await open(page, '/peers/phone');
seen.split = await page.isChecked('[name=tunnel][value=split]');

await open(page, '/dns/records/new');
await fill(page, { name: 'printer', value: '192.168.77.9' });
await press(page);
await open(page, '/dns');
seen.record = await says('192.168.77.9');
await open(page, '/dns/upstreams');
await fill(page, { upstreams: '192.0.2.53' });
await press(page);
await open(page, '/dns');
seen.upstream = await says('192.0.2.53');

await open(page, '/network/addresses');
await fill(page, {
  'network.lan.addressing.mode': 'static', 'network.lan.addressing.address': '192.168.77.1/24',
});
await press(page);
seen.reviewed = await says('return by itself') || await says('returns by itself');
await press(page, 'main button[value=yes]');
seen.waiting = [at(), await page.locator('main form[action="/confirm"]').count()];
await press(page, 'main form[action="/confirm"] button');
seen.confirmed = [at(), await page.locator('main form[action="/confirm"]').count()];

await open(page, '/peers/phone/remove');
await press(page);
await open(page, '/peers');
seen.removed = await says('phone');
await open(page, '/revisions');
seen.revisions = (await column(2)).reverse();
await open(page, '/revisions/2');
seen['second revision'] = await says('phone');
await open(page, '/revisions/2/restore');
await press(page);
await open(page, '/peers');
seen.restored = await says('phone');

await open(page, '/people/new');
await fill(page, { username: 'ben', password: given.password, role: 'member' });
await press(page);
await open(page, '/audit');
seen.audited = (await page.locator('main tbody code').allInnerTexts()).reverse();

await open(page, '/account');
await press(page, 'main form[action="/sign-out"] button');
seen['signed out'] = at();
await open(page, '/peers');
seen['devices without a session'] = at();
await signIn(page, 'ben', given.password);
// The first password was set by somebody else.
seen['first page of the member'] = at();
await fill(page, { current_password: given.password, new_password: `${given.password} of mine` });
await press(page);
await open(page, '/me');
const links = await page.locator('nav.side a').evaluateAll(
  (all) => all.map((a) => a.getAttribute('href')));
seen["member's pages"] = links.sort();
seen['member at the devices'] = await open(page, '/peers');

await browser.close();
console.log(JSON.stringify(seen));
