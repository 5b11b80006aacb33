// What a person does in the webmail. Prints what was seen as one line of JSON.
import { given, start } from './browser.mjs';

const browser = await start(['--disable-quic', ...(given.resolve ? [`--host-resolver-rules=${given.resolve}`] : [])]);
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const page = await context.newPage();
page.setDefaultTimeout(given.patience_ms ?? 30_000);
const seen = { elsewhere: [], failed: [], complaints: [] };

const isHere = (url) => url.startsWith(given.base) || /^(data|blob|about):/.test(url);
page.on('request', (request) => { if (!isHere(request.url())) seen.elsewhere.push(request.url()); });
page.on('response', (response) => {
  if (response.status() >= 400) seen.failed.push(`${response.status()} ${response.url()}`);
});
page.on('console', (message) => { if (message.type() === 'error') seen.complaints.push(message.text()); });
page.on('pageerror', (error) => seen.complaints.push(String(error)));

const open = (query) => page.goto(`${given.base}/${query}`);
const told = (kind) => page.locator(`#messagestack .${kind}`).first().innerText();

async function signIn(username, password) {
  await open('');
  await page.fill('input[name=_user]', username);
  await page.fill('input[name=_pass]', password);
  await Promise.all([page.waitForNavigation(), page.click('#rcmloginsubmit')]);
}

// Looks again and again, for a while, until a message with this subject is in the folder.
async function arrived(subject, folder = 'INBOX') {
  const row = page.locator('#messagelist tr.message', { hasText: subject });
  for (let look = 0; look < 30; look += 1) {
    await open(`?_task=mail&_mbox=${folder}`);
    await page.waitForSelector('#messagelist');
    await page.waitForFunction(() => !rcmail.busy);
    if (await row.count()) return row.first();
    await page.waitForTimeout(1_000);
  }
  throw new Error(`${subject} is not in ${folder}`);
}

async function write({ to, subject, text, file }) {
  await open('?_task=mail&_action=compose');
  const receiver = page.locator('#compose_to input:visible').first();
  await receiver.fill(to);
  await receiver.press('Enter');
  await page.fill('#compose-subject', subject);
  await page.fill('#composebody', text);
  if (file) {
    await page.setInputFiles('#uploadform input[type=file]', file);
    await page.waitForSelector('#attachment-list li:not(.uploading) .attachment-name', { timeout: 120_000 });
  }
  await sent();
}

async function sent() {
  await Promise.all([
    page.waitForURL((url) => !url.search.includes('_action=compose'), { timeout: 120_000 }),
    page.locator('button.send:visible, a.send:visible').first().click(),
  ]);
}

// What comes with this word in its subject goes to the folder from now on.
async function rule({ name, word, folder }) {
  await open('?_task=settings&_action=plugin.managesieve');
  await page.locator('a.create:visible').first().click();
  const form = page.frameLocator('iframe[name=filter-box]');
  await form.locator('[name=_name]').fill(name);
  await form.locator('[name="_rule_target[0][]"]').first().fill(word);
  await form.locator('[name="_action_mailbox[0]"]').selectOption(folder);
  await form.locator('button.submit').click();
  await page.locator('#filterslist td', { hasText: name }).waitFor();
}

// Answers a message from elsewhere, and has what comes next sorted.
async function reply() {
  await signIn(given.username, given.password);
  const row = await arrived(given.subject);
  await row.dblclick();
  await page.waitForSelector('#messagebody');
  seen.text = (await page.locator('#messagebody').innerText()).trim();
  await Promise.all([
    page.waitForURL((url) => url.search.includes('_action=compose')),
    page.locator('a.reply:visible').first().click(),
  ]);
  await page.locator('#composebody').waitFor();
  await page.waitForFunction(() => !rcmail.busy);
  await page.locator('#composebody').fill(given.text);
  await sent();
  await rule(given.rule);
}

// Signs in, writes to somebody, reads it, makes a rule, and leaves.
async function everyday() {
  for (const [username, password] of given.refused) {
    await signIn(username, password);
    seen.refused = [...(seen.refused ?? []), await told('warning')];
  }
  seen.refusals = seen.failed.splice(0).length;
  seen.complaints.length = 0;

  await signIn(given.username, given.password);
  seen.at = new URL(page.url()).search.split('&')[0];
  seen.who = await page.locator('.header-title.username').first().textContent();

  await write(given.message);
  let row = await arrived(given.message.subject);
  await row.dblclick();
  await page.waitForSelector('#messagebody');
  seen.text = (await page.locator('#messagebody').innerText()).trim();
  const [download] = await Promise.all([
    page.waitForEvent('download', { timeout: 120_000 }),
    page.locator('#attachment-list a.filename').first().click(),
  ]);
  seen.file = 0;
  for await (const part of await download.createReadStream()) seen.file += part.length;

  // A message of a stranger's, with a picture that is elsewhere.
  row = await arrived(given.strangers_subject);
  await row.dblclick();
  await page.waitForSelector('#remote-objects-message');
  seen.blocked = await page.locator('#remote-objects-message').isVisible();

  // A rule for what is to come.
  await rule({ name: 'Eggs', word: 'eggs', folder: 'Trash' });
  await write({ ...given.message, subject: 'Six eggs', file: undefined });
  await arrived('Six eggs', 'Trash');

  // Text with a form, and all that the editor for it loads.
  await open('?_task=mail&_action=compose');
  await page.locator('.html-editor a').first().click();
  await page.locator('.tox-toolbar__primary').first().waitFor();
  await page.frameLocator('.tox-edit-area iframe').locator('body').fill('Bread');

  // A page that is still busy takes no click.
  await arrived(given.message.subject);
  await page.locator('a.logout:visible').click();
  await page.waitForSelector('input[name=_pass]');
  await open('?_task=mail');
  seen.left = await page.locator('input[name=_pass]').count();
}

try {
  await { everyday, reply }[given.story]();
} catch (error) {
  console.error(page.url(), await page.locator('body').innerText());
  throw error;
}
await browser.close();
console.log(JSON.stringify(seen));
