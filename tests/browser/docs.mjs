// A person opens Swagger UI, gives the API key and reads an order of the sandbox. BASE_URL, API_KEY; PICTURES is where
// docs.png goes. Fails when the page asks any other host for anything.
import { fail, withPage } from './browser.mjs';

const base = new URL(process.env.BASE_URL ?? fail('BASE_URL is not set'));
const key = process.env.API_KEY ?? fail('API_KEY is not set');
const pictures = process.env.PICTURES ?? '../../target/browser';
const order = 'systempay_d63e7f507a6f4dfa86cb40a833ecfd85';

await withPage(`${pictures}/docs.png`, async (page) => {
  const hosts = new Map();
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol === 'data:' || url.protocol === 'blob:') return;
    hosts.set(url.host, (hosts.get(url.host) ?? 0) + 1);
  });

  await page.goto(new URL('/docs', base).href);
  await page.locator('.auth-wrapper .btn.authorize').first().click();
  const scheme = page.locator('.auth-container').filter({ has: page.locator('input') }).first();
  await scheme.locator('input').first().fill(key);
  await scheme.locator('button.authorize').click();
  await scheme.getByRole('button', { name: 'Logout' }).or(page.locator('.auth-container button:has-text("Logout")')).first().waitFor();
  await page.locator('.auth-container .btn-done, .modal-ux .close-modal').first().click();

  const operation = page.locator('.opblock-get').filter({ has: page.locator('[data-path="/orders/{id}"]') });
  await operation.locator('.opblock-summary-control, .opblock-summary').first().click();
  await operation.locator('.try-out__btn').click();
  await operation.locator('tr[data-param-in="path"] input').fill(order);
  const called = page.waitForRequest((request) => new URL(request.url()).pathname.endsWith(`/orders/${order}`));
  await operation.locator('.execute').click();
  const headers = await (await called).allHeaders();
  if (headers['x-api-key'] !== key && headers.authorization !== `Bearer ${key}`) {
    fail('Swagger UI did not send the API key it was given');
  }

  const live = operation.locator('.live-responses-table');
  await live.waitFor();
  const status = (await live.locator('tbody .response-col_status').first().innerText()).trim().split(/\s/)[0];
  const text = await live.locator('tbody .response-col_description').first().innerText();
  if (status !== '200') fail(`GET /orders/${order} answered ${status}: ${text}`);
  if (!text.includes(order)) fail(`the answer does not show the order: ${text}`);
  await live.scrollIntoViewIfNeeded();

  const others = [...hosts.keys()].filter((host) => host !== base.host);
  if (others.length > 0) fail(`the page asked other hosts: ${others.join(', ')}`);
  console.log(`Swagger UI: GET /orders/${order} answered 200; ${hosts.get(base.host)} requests, all to ${base.host}`);
});
