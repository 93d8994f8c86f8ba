// A person reads the handbook (target/handbook, see docs/book) on a desk and on a phone: every page, from a server of our own.
// Fails when a page asks another host for anything, cannot be loaded whole, or is wider than the phone. PICTURES is where
// the screenshots go.
import { createServer } from 'node:http';
import { readFile, readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fail, withPage } from './browser.mjs';

const folder = process.env.HANDBOOK ?? '../../target/handbook';
const pictures = process.env.PICTURES ?? '../../target/browser';
const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml', '.json': 'application/json' };

const server = createServer(async (request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://handbook').pathname);
  try {
    const bytes = await readFile(join(folder, join('/', path)));
    response.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'application/octet-stream' }).end(bytes);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const base = `http://127.0.0.1:${server.address().port}`;

const files = await readdir(folder, { recursive: true });
const pages = files.filter((name) => name.endsWith('.html') && name !== '404.html').sort();
if (pages.length < 15) fail(`only ${pages.length} pages in ${folder}`);

try {
  for (const [name, width, height] of [['desk', 1280, 900], ['phone', 390, 844]]) {
    await withPage(`${pictures}/handbook-${name}.png`, async (page) => {
      await page.setViewportSize({ width, height });
      const strange = [];
      page.on('request', (request) => {
        const url = new URL(request.url());
        if (url.protocol.startsWith('http') && url.origin !== base) strange.push(url.href);
      });
      page.on('response', (response) => {
        if (response.status() !== 200) strange.push(`${response.status()} ${response.url()}`);
      });
      for (const path of [...pages.filter((one) => one !== 'docs/how-it-works.html'), 'docs/how-it-works.html']) {
        await page.goto(`${base}/${path}`, { waitUntil: 'load' });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (wide > 0) fail(`${path} is ${wide} pixels wider than ${name}`);
        const broken = await page.evaluate(() => [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src));
        if (broken.length) fail(`${path} does not show ${broken}`);
      }
      if (strange.length) fail(`${name}: ${strange.join(', ')}`);
    });
  }
} finally {
  server.close();
}
console.log(`handbook: ${pages.length} pages on a desk and on a phone, nothing asked of other hosts`);
