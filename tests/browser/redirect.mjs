// A payer opens a link whose form the platform answers with a redirect to another host: node redirect.mjs LINK. The
// platform's address is kept, and what is sent there is answered here: by a real server on 127.0.0.1 that sends the browser
// on to `localhost`, which is another host to a browser. PICTURES is where redirect.png goes.
import { createServer } from 'node:http';
import { fail, withPage } from './browser.mjs';

const link = process.argv[2] ?? fail('usage: node redirect.mjs LINK');
const pictures = process.env.PICTURES ?? '../../target/browser';

// A server on a free port of this machine, for one check.
async function listening(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: server.address().port, close: () => server.close() };
}

const posted = [];
const bank = await listening((request, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>bank</title><h1>The page of the bank</h1>');
});
const platform = await listening((request, response) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', () => {
    posted.push({ method: request.method, body });
    response.writeHead(302, { location: `http://localhost:${bank.port}/bank` });
    response.end();
  });
});

try {
  await withPage(`${pictures}/redirect.png`, async (page) => {
    const refused = [];
    page.on('console', (message) => {
      if (/Content Security Policy/i.test(message.text())) refused.push(message.text());
    });
    // The page of guichet with its own policy, its form pointed at the platform of this check.
    await page.route(link, async (route) => {
      const answer = await route.fetch();
      const policy = answer.headers()['content-security-policy'] ?? fail(`${link} has no policy`);
      if (!/default-src 'none'/.test(policy)) fail(`the policy of ${link} is ${policy}`);
      const text = await answer.text();
      const action = text.match(/action="([^"]+)"/)?.[1] ?? fail(`${link} has no form: ${text}`);
      const origin = new URL(action).origin;
      const here = `http://127.0.0.1:${platform.port}`;
      await route.fulfill({
        response: answer,
        headers: { ...answer.headers(), 'content-security-policy': policy.replaceAll(origin, here) },
        body: text.replace(action, action.replace(origin, here)),
      });
    });
    await page.goto(link, { waitUntil: 'commit' });
    await page.waitForURL(`http://localhost:${bank.port}/bank`).catch((error) => {
      fail(`the browser stayed at ${page.url()}: ${refused.join(' ') || error.message}`);
    });
    await page.getByText('The page of the bank').waitFor();
    if (refused.length > 0) fail(refused.join(' '));
    if (posted.length !== 1 || posted[0].method !== 'POST' || posted[0].body === '') {
      fail(`the platform got ${JSON.stringify(posted)}`);
    }
    console.log(`a form answered by a redirect to another host: the browser is at ${page.url()}`);
  });
} finally {
  platform.close();
  bank.close();
}
