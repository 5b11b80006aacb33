// People in a browser: somebody is invited and comes with JavaScript off; then they have a passkey made and used, by the
// browser's own authenticator in memory. Prints what was seen.
import { fill, given, open, press, signIn, start } from './browser.mjs';

const seen = {};
const browser = await start();
const said = (page) => page.locator('#passkey-says').textContent();
const path = (page) => new URL(page.url()).pathname;

// Presses a button of the script's and waits for what it says, or for another page.
async function passkey(page, button) {
  const left = page.waitForNavigation().then(() => null);
  left.catch(() => {});
  await page.locator(button).click({ noWaitAfter: true });
  const words = page.waitForFunction(
    () => {
      const says = document.getElementById('passkey-says')?.textContent;
      return says && says !== 'Your device asks you now.' && says;
    },
    null,
    { timeout: 60000 },
  ).then((handle) => handle.jsonValue());
  words.catch(() => {});
  return Promise.race([left, words]);
}

// The owner invites somebody.
const owner = await (await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false })).newPage();
await signIn(owner, given.owner, given.password);
await open(owner, '/people/invite');
await fill(owner, { username: 'ben', role: 'helper' });
seen.invited = await press(owner);
const link = await owner.locator('main pre').first().textContent();
seen['link is for this box'] = link.startsWith(`${given.base}/invite?code=`);
await open(owner, '/people');
seen['invite is listed'] = (await owner.locator('main').textContent()).includes('Take it back');

// They come, with JavaScript off.
const visitor = await (await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false })).newPage();
await visitor.goto(link);
seen.told = (await visitor.locator('main').textContent()).includes('owner has invited you to the box hut');
await fill(visitor, { password: 'short' });
seen['short password'] = [await press(visitor), await visitor.locator('[name="code"]').inputValue() !== ''];
await fill(visitor, { password: given.own });
seen.joined = [await press(visitor), path(visitor)];
await visitor.goto(link);
seen['link again'] = (await visitor.locator('main').textContent()).includes('The invite does not count');

// A device of their own.
await open(visitor, '/account/devices/new');
await fill(visitor, { name: 'ben-phone' });
seen.device = [await press(visitor), (await visitor.locator('main').textContent()).includes('shown once')];
await open(visitor, '/account/devices');
seen['device is listed'] = (await visitor.locator('main').textContent()).includes('ben-phone');

// A passkey needs JavaScript, and says so without.
await open(visitor, '/account/passkeys/new');
seen['without script'] = [
  await visitor.locator('#passkey-without').isVisible(),
  await visitor.locator('form[data-passkey]').isVisible(),
];

const context = await browser.newContext({ ignoreHTTPSErrors: true });
const page = await context.newPage();
const cdp = await context.newCDPSession(page);
await cdp.send('WebAuthn.enable', { enableUI: false });
const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: {
  protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true,
  hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true,
} });
await signIn(page, 'ben', given.own);
await open(page, '/account/passkeys/new');
await fill(page, { label: 'Ben\'s laptop' });
seen['told nothing'] = await passkey(page, 'form[data-passkey] button');
seen.added = [path(page), (await page.locator('main').textContent()).includes('Ben\'s laptop')];
// The same device makes no second one.
await open(page, '/account/passkeys/new');
await fill(page, { label: 'Again' });
seen.twice = await passkey(page, 'form[data-passkey] button');

const out = async () => {
  await open(page, '/account');
  await press(page, 'form[action="/sign-out"] button');
};
await out();
await open(page, '/sign-in?next=/account/devices');
seen.offered = await page.locator('form[data-passkey]').isVisible();
await passkey(page, 'form[data-passkey] button');
seen['signed in'] = path(page);

// Once more, before what is dangerous.
await open(page, '/reauthenticate?next=/account/tokens/new');
await passkey(page, 'form[data-passkey] button');
seen.reauthenticated = path(page);

// What the box must refuse: a signature of another key, and a device that did not look who was there.
await out();
for (const [what, bits] of [['bad signature', { isBogusSignature: true }], ['nobody verified', { isBadUV: true }]]) {
  await open(page, '/sign-in');
  await cdp.send('WebAuthn.setResponseOverrideBits', { authenticatorId, ...bits });
  await passkey(page, 'form[data-passkey] button');
  await cdp.send('WebAuthn.setResponseOverrideBits', { authenticatorId, isBogusSignature: false, isBadUV: false });
  seen[what] = [path(page), (await page.locator('main').textContent()).includes('The passkey is not taken')];
}
// What the browser refuses by itself.
await open(page, '/sign-in');
await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
seen.refused = await passkey(page, 'form[data-passkey] button');
await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
// The box under another name knows none.
await page.goto(`${given.by_address}/sign-in`);
seen['by address'] = await passkey(page, 'form[data-passkey] button');

// The session is ended from elsewhere, and dead at once.
await open(page, '/sign-in');
await passkey(page, 'form[data-passkey] button');
await open(visitor, '/account');
await press(visitor, 'form[action="/account/sessions/end"] button');
await open(page, '/account');
seen['ended elsewhere'] = path(page);

// The passkey is removed.
await open(visitor, '/account/passkeys');
await press(visitor, 'main table a').catch(() => {});
if (path(visitor) !== '/reauthenticate') await press(visitor, 'main form button');
await open(page, '/sign-in');
await passkey(page, 'form[data-passkey] button');
seen['removed'] = [path(page), (await page.locator('main').textContent()).includes('nobody\'s here')];

await browser.close();
console.log(JSON.stringify(seen));
