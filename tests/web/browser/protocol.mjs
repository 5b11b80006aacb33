// Opens pages of a service over QUIC alone, as somebody with an app password: how each answered, and by which protocol,
// as one line of JSON.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { given, open, start } from './browser.mjs';

const { host } = new URL(given.base);

// What Chromium is told to believe: over QUIC it believes no authority that did not come with it (`--ignore-certificate-errors`
// is not for QUIC either).
async function fingerprint() {
  const socket = connect({ host, port: 443, servername: host, ca: given.authority });
  await once(socket, 'secureConnect');
  const key = socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' });
  socket.destroy();
  return createHash('sha256').update(key).digest('base64');
}

const browser = await start([
  '--enable-quic', `--origin-to-force-quic-on=${host}:443`, `--ignore-certificate-errors-spki-list=${await fingerprint()}`,
]);
const context = await browser.newContext({
  httpCredentials: { username: given.username, password: given.password }, ignoreHTTPSErrors: true,
});
const page = await context.newPage();
const answers = [];
for (const path of given.paths) {
  const status = await open(page, path);
  const protocol = await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
  answers.push([status, protocol]);
}
await browser.close();
console.log(JSON.stringify(answers));
