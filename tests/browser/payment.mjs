// A payer opens the payment link of an order and pays on the simulator's page: node payment.mjs LINK. PICTURES is where
// payment.png goes.
import { fail, withPage } from './browser.mjs';

const link = process.argv[2] ?? fail('usage: node payment.mjs LINK');
const pictures = process.env.PICTURES ?? '../../target/browser';

await withPage(`${pictures}/payment.png`, async (page) => {
  await page.goto(link);
  // A link may lead over a page that submits itself: the button belongs to the page at the end.
  await page.getByRole('button', { name: 'Pay', exact: true }).click();
  await page.getByText(/\bpaid\b|payment was accepted/i).first().waitFor();
  console.log(`payment page: paid, then at ${new URL(page.url()).origin}`);
});
