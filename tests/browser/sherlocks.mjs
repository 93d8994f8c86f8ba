// A payer opens the link of a Sherlock's order: a page that submits itself, the simulator's page, and back to the shop.
// node sherlocks.mjs LINK BACK, where BACK is the order's return_url. PICTURES is where sherlocks.png goes.
import { fail, withPage } from './browser.mjs';

const [link, back] = process.argv.slice(2);
if (!back) fail('usage: node sherlocks.mjs LINK BACK');
const pictures = process.env.PICTURES ?? '../../target/browser';

await withPage(`${pictures}/sherlocks.png`, async (page) => {
  const posts = [];
  page.on('request', (request) => {
    if (request.method() === 'POST') posts.push(new URL(request.url()).pathname);
  });
  await page.goto(link);
  await page.getByRole('button', { name: 'Pay', exact: true }).click();
  await page.waitForURL(back);
  // The form of the link, the button, the signed result.
  const way = [/\/paypage$/, /\/paypage$/, /^\/return\//];
  if (posts.length !== way.length || !way.every((path, index) => path.test(posts[index]))) {
    fail(`the browser posted to ${posts.join(', ')}`);
  }
  console.log(`Sherlock's page: paid, then at ${page.url()}`);
});
